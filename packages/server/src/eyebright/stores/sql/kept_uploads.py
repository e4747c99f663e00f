"""KeptUploadStore on SQLite and Postgres."""

from collections.abc import Set
from dataclasses import asdict

from sqlalchemy import select

from eyebright.core.kept_upload import KeptUpload
from eyebright.core.scope import current
from eyebright.stores.sql.batch import Batch, write
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.scoped import mine, require_mine
from eyebright.stores.sql.tables import kept_uploads as table


class SqlKeptUploads:
    """KeptUploadStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batch = Batch(table, engine.dialect)

    async def add(self, upload: KeptUpload) -> None:
        require_mine(upload.project)
        async with self._engine.writing() as connection:
            await write(connection, self._batch.insert, [asdict(upload)])

    async def find(self, upload_id: str) -> KeptUpload | None:
        asked = select(table).where(table.c.id == upload_id, *mine(table.c.project))
        async with self._engine.reading() as connection:
            found = (await connection.execute(asked)).mappings().one_or_none()
        return None if found is None else KeptUpload(**found)

    async def ids(self) -> Set[str]:
        current()
        async with self._engine.reading() as connection:
            return frozenset(await connection.scalars(select(table.c.id)))
