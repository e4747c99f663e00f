"""ProjectStore on SQLite and Postgres."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import select

from eyebright.core.project import Project
from eyebright.stores.sql.batch import insert_into
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.tables import projects as table


class SqlProjects:
    """ProjectStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, project: Project) -> bool:
        adding = insert_into(table, self._engine.dialect).values(asdict(project)).on_conflict_do_nothing()
        async with self._engine.writing() as connection:
            return (await connection.execute(adding)).rowcount > 0

    async def exists(self, project_id: str) -> bool:
        async with self._engine.reading() as connection:
            return await connection.scalar(select(table.c.id).where(table.c.id == project_id)) is not None

    async def list(self) -> Sequence[Project]:
        async with self._engine.reading() as connection:
            return [Project(**row) for row in (await connection.execute(select(table).order_by(table.c.id))).mappings()]
