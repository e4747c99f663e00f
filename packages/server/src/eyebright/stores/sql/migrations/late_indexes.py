"""Indexes of tables that grow large, on a Postgres: built after the migrations, while other servers go on writing.

Such an index is declared in `tables.py` with `postgresql_concurrently=True`, and no migration makes it.
"""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, Index, MetaData, bindparam, func, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, DropIndex

from eyebright.stores.sql.engine import Engine, number_of
from eyebright.stores.sql.tables import metadata

log = structlog.stdlib.get_logger(__name__)

_LOOK_SECONDS = 0.5
_OURS = number_of("late indexes")
_VALID = text(
    "SELECT relname, indisvalid FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid "
    "WHERE pg_table_is_visible(pg_class.oid) AND relname IN :names"
).bindparams(bindparam("names", expanding=True))


def late(tables: MetaData = metadata) -> list[Index]:
    return [
        index
        for table in tables.sorted_tables
        for index in table.indexes
        if index.dialect_options["postgresql"]["concurrently"]
    ]


async def build(engine: Engine, tables: MetaData = metadata) -> None:
    """Returns once all of them are there, whoever has built them: what is unique is relied on."""
    if not (indexes := late(tables)):
        return
    if engine.dialect == "sqlite":
        async with engine.writing() as connection:
            await connection.run_sync(_build_at_once, indexes)
        return
    async with engine.reading() as connection:  # each statement commits by itself
        while await _missing(connection, indexes):
            await _build_in_turn(connection, indexes)


async def _build_in_turn(connection: AsyncConnection, indexes: Sequence[Index]) -> None:
    """One server at a time. Whoever waited by a statement would be waited for by the index: each looks again now and then."""
    if not await connection.scalar(select(func.pg_try_advisory_lock(_OURS))):
        await asyncio.sleep(_LOOK_SECONDS)
        return
    try:
        await connection.execute(text("SET statement_timeout = 0"))
        await connection.execute(text("SET lock_timeout = 0"))
        for index, broken in await _missing(connection, indexes):
            if broken:  # by a server that ended while it built
                await connection.execute(DropIndex(index))
            log.info("building an index; servers go on meanwhile", index=index.name)
            await connection.execute(CreateIndex(index))
    finally:
        await connection.execute(text("RESET statement_timeout"))
        await connection.execute(text("RESET lock_timeout"))
        await connection.scalar(select(func.pg_advisory_unlock(_OURS)))


async def _missing(connection: AsyncConnection, indexes: Sequence[Index]) -> list[tuple[Index, bool]]:
    """And whether there is something broken in its place."""
    found = await connection.execute(_VALID, {"names": [str(index.name) for index in indexes]})
    valid = {str(row.relname): bool(row.indisvalid) for row in found}
    return [(index, index.name in valid) for index in indexes if not valid.get(str(index.name))]


def _build_at_once(connection: Connection, indexes: Sequence[Index]) -> None:
    there = {
        name for table in inspect(connection).get_multi_indexes().values() for name in (each["name"] for each in table)
    }
    for index in indexes:
        if index.name not in there:
            connection.execute(CreateIndex(index))
