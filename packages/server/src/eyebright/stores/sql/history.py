"""JobHistory on SQLite and Postgres."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, RowMapping, Select, bindparam, func, select

from eyebright.core.job import Attempt
from eyebright.core.records import Artifact, Checkpoint, StoredEvent, Transition
from eyebright.stores.sql import rows
from eyebright.stores.sql.among import among, values
from eyebright.stores.sql.engine import Dialect, Engine
from eyebright.stores.sql.scoped import of_my_jobs
from eyebright.stores.sql.tables import artifacts, attempts, checkpoints, events, transitions


class SqlHistory:
    """JobHistory."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told = _told(engine.dialect)

    async def transitions(self, job_id: str) -> list[Transition]:
        asked = (transitions.c.job_id == job_id, *of_my_jobs(transitions.c.job_id))
        statement = select(transitions).where(*asked).order_by(transitions.c.version)
        return [rows.transition(row) for row in await self._named(statement)]

    async def events(
        self, job_id: str, after: int, limit: int, kinds: frozenset[str] = frozenset()
    ) -> list[StoredEvent]:
        statement = select(events).where(
            events.c.job_id == job_id, events.c.position > after, *of_my_jobs(events.c.job_id)
        )
        if kinds:
            statement = statement.where(events.c.kind.in_(sorted(kinds)))
        return [rows.event(row) for row in await self._plain(statement.order_by(events.c.position).limit(limit))]

    async def told(self, job_ids: Collection[str], kinds: frozenset[str], most: int) -> dict[str, list[StoredEvent]]:
        found: dict[str, list[StoredEvent]] = {}
        statement = self._told.where(*of_my_jobs(self._told.selected_columns.job_id))
        parameters = {"ids": values(job_ids, self._engine.dialect), "kinds": sorted(kinds), "most": most}
        async with self._engine.reading() as connection:
            for row in await connection.execute(statement, parameters):
                found.setdefault(row.job_id, []).append(rows.event(row))
        return found

    async def checkpoints(self, job_id: str) -> list[Checkpoint]:
        newest_first = (checkpoints.c.attempt.desc(), checkpoints.c.step.desc(), checkpoints.c.at_ms.desc())
        asked = (checkpoints.c.job_id == job_id, *of_my_jobs(checkpoints.c.job_id))
        statement = select(checkpoints).where(*asked).order_by(*newest_first)
        return [rows.checkpoint(row) for row in await self._named(statement)]

    async def artifacts(self, job_id: str) -> list[Artifact]:
        asked = (artifacts.c.job_id == job_id, *of_my_jobs(artifacts.c.job_id))
        statement = select(artifacts).where(*asked).order_by(artifacts.c.path)
        return [rows.artifact(row) for row in await self._named(statement)]

    async def made(self, job_ids: Collection[str]) -> dict[str, list[Artifact]]:
        dialect = self._engine.dialect
        asked = (among(artifacts.c.job_id, "ids", dialect), *of_my_jobs(artifacts.c.job_id))
        statement = select(artifacts).where(*asked).order_by(artifacts.c.path)
        found: dict[str, list[Artifact]] = {}
        async with self._engine.reading() as connection:
            for row in (await connection.execute(statement, {"ids": values(job_ids, dialect)})).mappings():
                found.setdefault(row["job_id"], []).append(rows.artifact(row))
        return found

    async def attempts(self, job_id: str) -> list[Attempt]:
        asked = (attempts.c.job_id == job_id, *of_my_jobs(attempts.c.job_id))
        statement = select(attempts).where(*asked).order_by(attempts.c.number)
        return [attempt for row in await self._plain(statement) if (attempt := rows.attempt(row))]

    async def _named(self, statement: Select[Any]) -> Sequence[RowMapping]:
        async with self._engine.reading() as connection:
            return (await connection.execute(statement)).mappings().all()

    async def _plain(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        async with self._engine.reading() as connection:
            return (await connection.execute(statement)).all()


def _told(dialect: Dialect) -> Select[Any]:
    """The first so many of each job."""
    place = func.row_number().over(partition_by=events.c.job_id, order_by=events.c.position)
    asked = (among(events.c.job_id, "ids", dialect), events.c.kind.in_(bindparam("kinds", expanding=True)))
    placed = select(events, place.label("place")).where(*asked).subquery()
    columns = [placed.c[column.name] for column in events.c]
    return select(*columns).where(placed.c.place <= bindparam("most")).order_by(placed.c.job_id, placed.c.position)
