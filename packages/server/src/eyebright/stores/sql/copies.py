"""All rows of a database, out of it and into an empty one of either kind."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Connection, MetaData, Table, delete, insert, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.errors import Conflict, InvalidRequest
from eyebright.ports.backups import Rows
from eyebright.ports.stored import WALKED
from eyebright.stores.sql import migrations
from eyebright.stores.sql.engine import Engine, queue_up
from eyebright.stores.sql.tables import markers, metadata, stored

# `stored`, and the marker of when it was counted, are of the store that the copy is made of: whoever starts on another counts it.
#: Rows that are in memory at once.
BATCH = 1000


class SqlCopies:
    """CopiedDatabase."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def dump(self, write: Callable[[str, Rows], None]) -> str:
        async with self._engine.at_one_moment() as connection:
            await migrations.take_its_time(connection)
            revision = await connection.run_sync(migrations.require_newest, self._engine.name)
            for table in (table for table in metadata.sorted_tables if table is not stored):
                write(table.name, ())
                async for rows in _rows(connection, table):
                    write(table.name, [row for row in rows if row.get("name") != WALKED] if table is markers else rows)
        return revision

    async def require_empty(self) -> None:
        async with self._engine.reading() as connection:
            await connection.run_sync(self._require_empty)

    async def load(self, revision: str, tables: Mapping[str, Iterable[Rows]]) -> Mapping[str, int]:
        if revision not in migrations.REVISIONS:
            raise InvalidRequest(
                f"the backup has schema {revision!r}; this version of Eyebright knows up to {migrations.REVISIONS[-1]}. "
                "It was made by a newer version: restore it with that one"
            )
        async with self._engine.writing() as connection:
            await migrations.take_its_time(connection)
            await queue_up(connection, "migration")
            await connection.run_sync(self._require_empty)
            await connection.run_sync(migrations.migrate, revision)
            counts = await self._fill(connection, tables)
            await connection.run_sync(migrations.migrate, migrations.REVISIONS[-1])
        return counts

    def _require_empty(self, connection: Connection) -> None:
        if migrations.revision(connection) is not None:
            raise Conflict(
                f"the database {self._engine.name} has been used already; a backup is restored into a new one only. Move it "
                "away, or name another one with EYEBRIGHT_DATABASE_URL"
            )

    async def _fill(self, connection: AsyncConnection, tables: Mapping[str, Iterable[Rows]]) -> Mapping[str, int]:
        """With the guards put aside: they let rows come into being only as a running server makes them."""
        known = await connection.run_sync(_tables)
        if strange := sorted(set(tables) - {table.name for table in known}):
            raise InvalidRequest(f"the backup has tables that its schema does not have: {', '.join(strange)}")
        guards = await _put_aside(connection, self._engine)
        for table in reversed(known):  # a new database has what its migrations put there
            await connection.execute(delete(table))
        counts = {table.name: await _insert(connection, table, tables.get(table.name, ())) for table in known}
        for guard in guards:
            await connection.exec_driver_sql(guard)
        return counts


async def _rows(connection: AsyncConnection, table: Table) -> AsyncIterator[Rows]:
    """By the primary key, from where the last ones ended: SQLite's driver here would fetch a whole table at once."""
    key = tuple_(*table.primary_key.columns)
    flags = {column.name for column in table.columns if _is_flag(column.type)}
    page = select(table).order_by(*table.primary_key.columns).limit(BATCH)
    found = (await connection.execute(page)).mappings().all()
    while found:
        yield [{name: _told(value, name in flags) for name, value in row.items()} for row in found]
        last = tuple(found[-1][column.name] for column in table.primary_key.columns)
        found = (await connection.execute(page.where(key > last))).mappings().all()


def _is_flag(kind: Any) -> bool:
    return isinstance(kind, Boolean)


def _tables(connection: Connection) -> Sequence[Table]:
    """Those of the revision that is there now, whatever the newest one has; whoever is referred to comes first."""
    there = MetaData()
    there.reflect(connection)
    return [table for table in there.sorted_tables if table.name != "alembic_version"]


async def _insert(connection: AsyncConnection, table: Table, batches: Iterable[Rows]) -> int:
    flags = {column.name for column in table.columns if _is_flag(column.type)}
    columns, count = {column.name for column in table.columns}, 0
    for rows in batches:
        if strange := sorted({name for row in rows for name in row} - columns):
            raise InvalidRequest(
                f"the backup's table {table.name} has columns that are not known: {', '.join(strange)}"
            )
        whole = [{name: _as_stored(row.get(name), name in flags) for name in columns} for row in rows]
        if whole:
            await connection.execute(insert(table), whole)
        count += len(whole)
    return count


def _told(value: Any, flag: bool) -> Any:
    return bool(value) if flag and value is not None else value


def _as_stored(value: Any, flag: bool) -> Any:
    """A truth is a number in SQLite."""
    return value if flag or not isinstance(value, bool) else int(value)


async def _put_aside(connection: AsyncConnection, engine: Engine) -> Sequence[str]:
    """What brings them back."""
    if engine.dialect == "postgresql":
        tables = [table.name for table in await connection.run_sync(_tables)]
        for name in tables:
            await connection.exec_driver_sql(f'ALTER TABLE "{name}" DISABLE TRIGGER USER')
        return [f'ALTER TABLE "{name}" ENABLE TRIGGER USER' for name in tables]
    found = await connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"))
    guards = found.all()
    for guard in guards:
        await connection.exec_driver_sql(f'DROP TRIGGER "{guard.name}"')
    return [guard.sql for guard in guards]
