"""Markers on SQLite and Postgres."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.stores.sql.batch import Batch, write
from eyebright.stores.sql.engine import Engine, queue_up
from eyebright.stores.sql.tables import markers


class SqlMarkers:
    """Markers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batch = Batch(markers, engine.dialect)

    async def read(self, name: str) -> int | None:
        async with self._engine.reading() as connection:
            return await connection.scalar(select(markers.c.value).where(markers.c.name == name))

    async def write(self, name: str, value: int) -> None:
        async with self._engine.writing() as connection:
            await write(connection, self._batch.upsert, [{"name": name, "value": value}])

    async def move(self, name: str, before: int | None, value: int) -> bool:
        async with self._engine.writing() as connection:
            if await held(connection, name) != before:
                return False
            await write(connection, self._batch.upsert, [{"name": name, "value": value}])
        return True


async def held(connection: AsyncConnection, name: str) -> int | None:
    """Inside a transaction, until whose end nobody moves it."""
    await queue_up(connection, f"marker\0{name}")
    return await connection.scalar(select(markers.c.value).where(markers.c.name == name))
