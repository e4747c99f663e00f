"""KeptUploadStore on SQLite and Postgres."""

from collections.abc import Set
from dataclasses import asdict

from sqlalchemy import select

from eyebright.core.kept_upload import KeptUpload
from eyebright.stores.sql.batch import Batch, write
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.tables import kept_uploads as table


class SqlKeptUploads:
    """KeptUploadStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batch = Batch(table, engine.dialect)

    async def add(self, upload: KeptUpload) -> None:
        async with self._engine.writing() as connection:
            await write(connection, self._batch.insert, [asdict(upload)])

    async def find(self, upload_id: str) -> KeptUpload | None:
        async with self._engine.reading() as connection:
            found = (await connection.execute(select(table).where(table.c.id == upload_id))).mappings().one_or_none()
        return None if found is None else KeptUpload(**found)

    async def ids(self) -> Set[str]:
        async with self._engine.reading() as connection:
            return frozenset(await connection.scalars(select(table.c.id)))
