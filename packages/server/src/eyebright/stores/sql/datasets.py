"""DatasetStore on SQLite and Postgres."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import groupby

from sqlalchemy import ColumnElement, and_, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.records import Dataset, Version, changes_of, to_delete
from eyebright.core.scope import current, current_project
from eyebright.errors import (
    dataset_in_use,
    no_dataset,
    no_version,
    version_deleted,
)
from eyebright.stores.sql import rows
from eyebright.stores.sql.among import among, values
from eyebright.stores.sql.batch import Batch, write
from eyebright.stores.sql.engine import Dialect, Engine, queue_up
from eyebright.stores.sql.scoped import require_mine
from eyebright.stores.sql.tables import (
    dataset_versions,
    jobs,
    orders,
)
from eyebright_wire.jobs import FINAL_STATES, IMPORTER

#: Versions whose reports are in memory at once.
_MANIFESTS = 50
_KEPT = dataset_versions.c.deleted_at_ms.is_(None)
_GONE = dataset_versions.c.deleted_at_ms.is_not(None)


class SqlDatasets:
    """DatasetStore. Several projects may have the same id or name, so that these are asked for within one of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._versions = Batch(dataset_versions, engine.dialect)

    async def add_version(self, version: Version) -> Version:
        async with self._engine.writing() as connection:
            return await add_version(connection, self._versions, version)

    async def version(self, version_id: str) -> Version:
        statement = (
            select(dataset_versions)
            .where(_here(), dataset_versions.c.id == version_id)
            .order_by(_GONE, dataset_versions.c.created_at_ms, dataset_versions.c.dataset)
            .limit(1)
        )
        async with self._engine.reading() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise no_version(version_id)
        return rows.version(row)

    async def versions(self, version_ids: Collection[str]) -> dict[str, Version]:
        asked = select(dataset_versions).where(_here(), among(dataset_versions.c.id, "ids", self._engine.dialect))
        newest_first = asked.order_by(
            _GONE.desc(), dataset_versions.c.created_at_ms.desc(), dataset_versions.c.dataset.desc()
        )
        async with self._engine.reading() as connection:  # of an id that several data sets have, the oldest is the last
            found = await connection.execute(newest_first, {"ids": values(version_ids, self._engine.dialect)})
            return {row.id: rows.version(row) for row in found.mappings()}

    async def manifests(self) -> Sequence[tuple[str, str | None]]:
        current()
        columns = dataset_versions.c.project, dataset_versions.c.dataset, dataset_versions.c.id
        statement = select(dataset_versions).where(_KEPT).order_by(*columns).limit(_MANIFESTS)
        found: list[tuple[str, str | None]] = []
        async with self._engine.reading() as connection:
            page = [rows.version(row) for row in (await connection.execute(statement)).mappings()]
            while page:
                found += [(version.manifest_sha256, changes_of(version)) for version in page]
                after = statement.where(tuple_(*columns) > (page[-1].project, page[-1].dataset, page[-1].id))
                page = [rows.version(row) for row in (await connection.execute(after)).mappings()]
        return found

    async def get(self, name: str) -> Dataset:
        found = await _datasets(self._engine, and_(_here(), _KEPT, dataset_versions.c.dataset == name))
        if not found:
            raise no_dataset(name)
        return found[0]

    async def list(self, after: str | None = None, limit: int = 50) -> list[Dataset]:
        names = (
            select(dataset_versions.c.dataset)
            .where(_here(), _KEPT)
            .distinct()
            .order_by(dataset_versions.c.dataset)
            .limit(limit)
        )
        if after is not None:
            names = names.where(dataset_versions.c.dataset > after)
        among_them = dataset_versions.c.dataset.in_(names.scalar_subquery())
        return await _datasets(self._engine, and_(_here(), _KEPT, among_them))

    async def delete(self, name: str, number: int | None, now_ms: int) -> Sequence[Version]:
        meant = (_here(), dataset_versions.c.dataset == name)
        if number is not None:
            meant = (*meant, dataset_versions.c.number == number)
        async with self._engine.writing() as connection:
            await queue_up(connection, f"dataset\0{name}")
            found = await connection.execute(select(dataset_versions).where(*meant).order_by(dataset_versions.c.number))
            gone = to_delete([rows.version(row) for row in found.mappings()], name, number)
            # Deleted first: an order of one of them waits from here on, and those that came before it are seen below.
            await connection.execute(update(dataset_versions).where(*meant, _KEPT).values(deleted_at_ms=now_ms))
            if needing := await _needing(connection, [version.id for version in gone]):
                raise dataset_in_use(name if number is None else gone[0].title, needing)
        return gone


async def add_version(connection: AsyncConnection, versions: Batch, version: Version) -> Version:
    """Inside a transaction: the next number of its data set, or the version with the same content that exists."""
    require_mine(version.project)
    await queue_up(connection, f"dataset\0{version.dataset}")
    named = (dataset_versions.c.project == version.project, dataset_versions.c.dataset == version.dataset)
    same = select(dataset_versions).where(*named, dataset_versions.c.id == version.id)
    present = (await connection.execute(same)).mappings().one_or_none()
    if present is not None:
        found = rows.version(present)
        return found if found.deleted_at_ms is None else await _bring_back(connection, found, version)
    highest = select(func.max(dataset_versions.c.number)).where(*named)
    numbered = replace(version, number=(await connection.scalar(highest) or 0) + 1)
    await write(connection, versions.insert, [rows.version_row(numbered)])
    return numbered


async def _bring_back(connection: AsyncConnection, deleted: Version, version: Version) -> Version:
    """With its new report: the list of changes that the old one names may be gone."""
    back = replace(deleted, deleted_at_ms=None, report=version.report)
    row = rows.version_row(back)
    meant = (dataset_versions.c[name] == row[name] for name in ("project", "dataset", "id"))
    changed = {name: row[name] for name in ("deleted_at_ms", "report")}
    await connection.execute(update(dataset_versions).where(*meant).values(changed))
    return back


async def require_kept(connection: AsyncConnection, dialect: Dialect, version_id: str) -> None:
    """Nobody deletes it until the transaction ends. Raises NotFound for one that was deleted; one that never was passes."""
    columns = (dataset_versions.c[name] for name in ("id", "dataset", "number", "deleted_at_ms"))
    asked = select(*columns).where(_here(), dataset_versions.c.id == version_id)
    if dialect == "postgresql":
        asked = asked.with_for_update(read=True)
    found = (await connection.execute(asked)).all()
    if found and all(row.deleted_at_ms is not None for row in found):
        raise version_deleted(version_id, f"{found[0].dataset} version {found[0].number}", found[0].deleted_at_ms)


async def _needing(connection: AsyncConnection, version_ids: Collection[str]) -> list[str]:
    """Jobs of this project that have not ended: to be trained on one, or to import from one."""
    ours = (jobs.c.project == current_project(), jobs.c.state.not_in(sorted(FINAL_STATES)))
    unfinished = select(jobs.c.id, orders.c.config).join(orders, orders.c.job_id == jobs.c.id).where(*ours)
    training = await connection.execute(unfinished.where(orders.c.dataset_version.in_(version_ids)))
    imports = await connection.execute(unfinished.where(orders.c.trainer == IMPORTER))
    importing = (row for row in imports if json.loads(row.config).get("version") in version_ids)
    return sorted(row.id for row in (*training, *importing))


async def _datasets(engine: Engine, condition: ColumnElement[bool]) -> list[Dataset]:
    by_name = (dataset_versions.c.dataset, dataset_versions.c.number.desc())
    statement = select(dataset_versions).where(condition).order_by(*by_name)
    async with engine.reading() as connection:
        found = [rows.version(row) for row in (await connection.execute(statement)).mappings()]
    return [_dataset(name, tuple(versions)) for name, versions in groupby(found, key=lambda each: each.dataset)]


def _dataset(name: str, versions: tuple[Version, ...]) -> Dataset:
    return Dataset(name=name, created_at_ms=versions[-1].created_at_ms, versions=versions)


def _here() -> ColumnElement[bool]:
    return dataset_versions.c.project == current_project()
