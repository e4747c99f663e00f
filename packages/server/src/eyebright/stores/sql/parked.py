"""ParkedStore on SQLite and Postgres. Bodies are kept as base64, because no text column takes every byte."""

import base64
from typing import Any

from sqlalchemy import delete, func, select, tuple_

from eyebright.core.parked import HEAD_BYTES, Parked
from eyebright.errors import GuardViolated, no_parked
from eyebright.ports.parked import MOST
from eyebright.stores.sql.batch import Batch, write
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.scoped import mine, require_mine
from eyebright.stores.sql.tables import parked_messages as table
from eyebright_wire.queue import ParkedReason


def _length(size_bytes: int) -> int:
    """Of so many bytes as base64."""
    return 4 * ((size_bytes + 2) // 3)


_PLACE = tuple_(table.c.parked_at_ms, table.c.id)
#: A page of whole bodies would have hundreds of megabytes.
_BEGINNING = (
    *(column for column in table.c if column.name != "body"),
    func.substr(table.c.body, 1, _length(HEAD_BYTES)).label("body"),
    func.length(table.c.body).label("length"),
)
_NEWEST_FIRST = (table.c.parked_at_ms.desc(), table.c.id.desc())


class SqlParked:
    """ParkedStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batch = Batch(table, engine.dialect)

    async def keep(self, parked: Parked) -> None:
        require_mine(parked.project)
        here = table.c.project == parked.project
        too_many = select(table.c.id).where(here).order_by(*_NEWEST_FIRST).offset(MOST).limit(MOST)
        async with self._engine.writing() as connection:
            others = select(table.c.id).where(table.c.id == parked.id, ~here)
            if await connection.scalar(others) is not None:
                raise GuardViolated(f"parked message {parked.id} is another project's")
            await write(connection, self._batch.upsert, [_row(parked)])
            await connection.execute(delete(table).where(table.c.id.in_(too_many.scalar_subquery())))

    async def get(self, parked_id: str) -> Parked:
        asked = select(table).where(table.c.id == parked_id, *mine(table.c.project))
        async with self._engine.reading() as connection:
            found = (await connection.execute(asked)).mappings().one_or_none()
        if found is None:
            raise no_parked(parked_id)
        return _parked(found, base64.b64decode(found["body"]), len(found["body"]))

    async def list(self, after: str | None = None, limit: int = 50) -> list[Parked]:
        query = select(*_BEGINNING).where(*mine(table.c.project)).order_by(*_NEWEST_FIRST).limit(limit)
        if after is not None:
            then = select(table.c.parked_at_ms).where(table.c.id == after, *mine(table.c.project)).scalar_subquery()
            query = query.where(tuple_(then, after) > _PLACE)
        async with self._engine.reading() as connection:
            return [
                _parked(row, base64.b64decode(row["body"])[:HEAD_BYTES], row["length"])
                for row in (await connection.execute(query)).mappings()
            ]

    async def remove(self, parked_id: str) -> bool:
        asked = (table.c.id == parked_id, *mine(table.c.project))
        async with self._engine.writing() as connection:
            return (await connection.execute(delete(table).where(*asked))).rowcount > 0


def _row(parked: Parked) -> dict[str, Any]:
    return {
        "id": parked.id,
        "reason": parked.reason,
        "message": parked.message,
        "body": base64.b64encode(parked.body).decode(),
        "size_bytes": parked.size_bytes,
        "parked_at_ms": parked.parked_at_ms,
        "task_id": parked.task_id,
        "project": parked.project,
    }


def _parked(row: Any, body: bytes, length: int) -> Parked:
    return Parked(
        id=row["id"],
        reason=ParkedReason(row["reason"]),
        message=row["message"],
        body=body,
        size_bytes=row["size_bytes"],
        parked_at_ms=row["parked_at_ms"],
        complete=length == _length(row["size_bytes"]),
        project=row["project"],
        task_id=row["task_id"],
    )
