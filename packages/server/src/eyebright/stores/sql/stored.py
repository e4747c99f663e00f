"""StoredObjects on SQLite and Postgres: each call is a statement or two, whatever the number of objects."""

from collections.abc import Mapping, Sequence

from sqlalchemy import case, delete, func, select, true, update

from eyebright.ports.stored import Due, Held, Look
from eyebright.stores.sql.batch import encode, incoming, insert_into
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.tables import stored as table

_NEW = ("key", "kind", "open", "turn", "until_ms")
_LOOK = ("key", "turn", "size_bytes")


class SqlStored:
    """StoredObjects."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        rows = incoming(table, _NEW, engine.dialect).where(true())  # SQLite's grammar needs a WHERE before ON CONFLICT
        opening = insert_into(table, engine.dialect).from_select(_NEW, rows)
        longer = opening.excluded.until_ms > table.c.until_ms
        self._opening = opening.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "open": table.c.open + 1,
                "turn": table.c.turn + 1,
                "until_ms": case((longer, opening.excluded.until_ms), else_=table.c.until_ms),
            },
        ).returning(table.c.key, table.c.turn)
        asked = incoming(table, ["key"], engine.dialect).subquery("asked")
        self._of_those = table.c.key.in_(select(asked.c.key))

    async def open(self, keys: Sequence[str], turn: int, until_ms: int) -> Mapping[str, int]:
        new = [_row(key) | {"kind": _kind(key), "open": 1, "turn": turn, "until_ms": until_ms} for key in _once(keys)]
        if not new:
            return {}
        async with self._engine.writing() as connection:
            return {row.key: row.turn for row in await connection.execute(self._opening, {"rows": encode(new)})}

    async def settle(self, looks: Mapping[str, Look], closing: int = 1) -> frozenset[str]:
        if not looks:
            return frozenset()
        rows = [_row(key) | {"turn": look.turn, "size_bytes": look.size_bytes} for key, look in sorted(looks.items())]
        found = incoming(table, _LOOK, self._engine.dialect).subquery("looks")
        left = table.c.open - closing
        settling = (
            update(table)
            .where(table.c.key == found.c.key, table.c.turn == found.c.turn)
            .values(size_bytes=found.c.size_bytes, turn=table.c.turn + 1, open=case((left > 0, left), else_=0))
            .returning(table.c.key)
        )
        over = delete(table).where(self._of_those, table.c.open == 0, table.c.size_bytes.is_(None))
        given = {"rows": encode(rows)}
        async with self._engine.writing() as connection:
            if (
                self._engine.dialect == "postgresql"
            ):  # in one order, so that two who settle the same never wait crosswise
                locking = select(table.c.key).where(self._of_those).order_by(table.c.key).with_for_update()
                await connection.execute(locking, given)
            settled = frozenset((await connection.scalars(settling, given)).all())
            await connection.execute(over, given)
        return frozenset(looks) - settled

    async def turns(self, keys: Sequence[str]) -> Mapping[str, int]:
        reading = select(table.c.key, table.c.turn).where(self._of_those)
        async with self._engine.reading() as connection:
            found = await connection.execute(reading, {"rows": encode([_row(key) for key in keys])})
            return {row.key: row.turn for row in found}

    async def known(self, prefix: str) -> Mapping[str, int | None]:
        below = (table.c.key >= prefix, table.c.key < f"{prefix[:-1]}0")  # the character after the slash
        async with self._engine.reading() as connection:
            found = await connection.execute(select(table.c.key, table.c.size_bytes).where(*below))
            return {row.key: row.size_bytes for row in found}

    async def due(self, before_ms: int, after: str, limit: int) -> Sequence[Due]:
        over = (table.c.open > 0, table.c.until_ms <= before_ms, table.c.key > after)
        reading = select(table.c.key, table.c.turn, table.c.until_ms).where(*over).order_by(table.c.key).limit(limit)
        async with self._engine.reading() as connection:
            return [Due(row.key, row.turn, row.until_ms) for row in await connection.execute(reading)]

    async def held(self) -> Sequence[Held]:
        sums = select(
            table.c.kind,
            func.count(table.c.size_bytes).label("files"),
            func.coalesce(func.sum(table.c.size_bytes), 0).label("size_bytes"),
            func.sum(case((table.c.open > 0, 1), else_=0)).label("open"),
        )
        async with self._engine.reading() as connection:
            found = await connection.execute(sums.group_by(table.c.kind).order_by(table.c.kind))
            return [Held(row.kind, row.files, int(row.size_bytes), row.open) for row in found]


def _row(key: str) -> dict[str, object]:
    return {"key": key}


def _once(keys: Sequence[str]) -> Sequence[str]:
    """In order, in which rows are locked."""
    return sorted(set(keys))


def _kind(key: str) -> str:
    return key.partition("/")[0]
