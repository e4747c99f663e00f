"""QuotaStore on SQLite and Postgres."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import JSON, BigInteger, ColumnElement, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.quota import UNCOUNTED, Quota, Usage
from eyebright.stores.sql.batch import insert_into
from eyebright.stores.sql.engine import Dialect, Engine
from eyebright.stores.sql.tables import artifacts, attempts, dataset_versions, jobs, kept_uploads
from eyebright.stores.sql.tables import project_quotas as table

_RUNNING = (
    select(jobs.c.project, func.count())
    .select_from(attempts.join(jobs, jobs.c.id == attempts.c.job_id))
    .where(
        attempts.c.gone_at_ms.is_(None),
        attempts.c.executor != UNCOUNTED,
        ~attempts.c.executor.startswith(f"{UNCOUNTED}:"),
    )
    .group_by(jobs.c.project)
)


class SqlQuotas:
    """QuotaStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, project: str) -> Quota:
        async with self._engine.reading() as connection:
            found = await connection.execute(select(table).where(table.c.project == project))
            row = found.mappings().one_or_none()
        return Quota(**row) if row else Quota(project=project)

    async def put(self, quota: Quota) -> None:
        adding = insert_into(table, self._engine.dialect).values(asdict(quota))
        changed = {name: value for name, value in asdict(quota).items() if name != "project"}
        async with self._engine.writing() as connection:
            await connection.execute(adding.on_conflict_do_update(index_elements=[table.c.project], set_=changed))

    async def running_jobs(self, project: str) -> int:
        async with self._engine.reading() as connection:
            return await _running(connection, project)

    async def usage(self, project: str) -> Usage:
        async with self._engine.reading() as connection:
            running = await _running(connection, project)
            stored = [await connection.scalar(each) for each in _stored(project, self._engine.dialect)]
        return Usage(running_jobs=running, storage_bytes=sum(int(each or 0) for each in stored))


async def room(connection: AsyncConnection, dialect: Dialect) -> dict[str, int]:
    """How many more jobs each project with a quota may begin, which nobody else decides until the transaction ends."""
    limited = select(table.c.project, table.c.running_jobs).where(table.c.running_jobs.is_not(None))
    if dialect == "postgresql":
        limited = limited.order_by(table.c.project).with_for_update()
    allowed = await _counts(connection, limited)
    running = await _counts(connection, _RUNNING.where(jobs.c.project.in_(allowed))) if allowed else {}
    return {name: most - running.get(name, 0) for name, most in allowed.items()}


async def _running(connection: AsyncConnection, project: str) -> int:
    return (await _counts(connection, _RUNNING.where(jobs.c.project == project))).get(project, 0)


async def _counts(connection: AsyncConnection, statement: Select[Any, Any]) -> dict[str, int]:
    return {str(row[0]): int(row[1]) for row in await connection.execute(statement)}


def _stored(project: str, dialect: Dialect) -> tuple[Any, ...]:
    files = artifacts.join(jobs, jobs.c.id == artifacts.c.job_id)
    kept = (dataset_versions.c.project == project, dataset_versions.c.deleted_at_ms.is_(None))
    return (
        select(func.sum(_size_bytes(dialect))).where(*kept),
        select(func.sum(artifacts.c.size_bytes)).select_from(files).where(jobs.c.project == project),
        select(func.sum(kept_uploads.c.size_bytes)).where(kept_uploads.c.project == project),
    )


def _size_bytes(dialect: Dialect) -> ColumnElement[int]:
    """Of a version, as its report tells."""
    if dialect == "sqlite":
        return func.json_extract(dataset_versions.c.report, "$.size_bytes")
    return cast(cast(dataset_versions.c.report, JSON).op("->>")("size_bytes"), BigInteger)
