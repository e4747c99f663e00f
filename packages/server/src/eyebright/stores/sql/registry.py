"""DatasetStore and ModelStore on SQLite and Postgres."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.records import Dataset, Exported, Model, Version, changes_of, with_exports
from eyebright.core.scope import current, current_project
from eyebright.errors import model_deleted, model_in_use, no_dataset, no_model, no_version
from eyebright.stores.sql import rows
from eyebright.stores.sql.among import among, values
from eyebright.stores.sql.batch import Batch, write
from eyebright.stores.sql.engine import Engine, queue_up
from eyebright.stores.sql.scoped import Conditions, mine, require_mine
from eyebright.stores.sql.tables import (
    artifacts,
    attempts,
    checkpoints,
    dataset_versions,
    jobs,
    model_aliases,
    models,
    orders,
)
from eyebright_wire.jobs import FINAL_STATES

#: Versions whose reports are in memory at once.
_MANIFESTS = 50
_THERE = models.c.deleted_at_ms.is_(None)


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
            .order_by(dataset_versions.c.created_at_ms, dataset_versions.c.dataset)
            .limit(1)
        )
        async with self._engine.reading() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise no_version(version_id)
        return rows.version(row)

    async def versions(self, version_ids: Collection[str]) -> dict[str, Version]:
        asked = select(dataset_versions).where(_here(), among(dataset_versions.c.id, "ids", self._engine.dialect))
        newest_first = asked.order_by(dataset_versions.c.created_at_ms.desc(), dataset_versions.c.dataset.desc())
        async with self._engine.reading() as connection:  # of an id that several data sets have, the oldest is the last
            found = await connection.execute(newest_first, {"ids": values(version_ids, self._engine.dialect)})
            return {row.id: rows.version(row) for row in found.mappings()}

    async def manifests(self) -> Sequence[tuple[str, str | None]]:
        current()
        columns = dataset_versions.c.project, dataset_versions.c.dataset, dataset_versions.c.id
        statement = select(dataset_versions).order_by(*columns).limit(_MANIFESTS)
        found: list[tuple[str, str | None]] = []
        async with self._engine.reading() as connection:
            page = [rows.version(row) for row in (await connection.execute(statement)).mappings()]
            while page:
                found += [(version.manifest_sha256, changes_of(version)) for version in page]
                after = statement.where(tuple_(*columns) > (page[-1].project, page[-1].dataset, page[-1].id))
                page = [rows.version(row) for row in (await connection.execute(after)).mappings()]
        return found

    async def get(self, name: str) -> Dataset:
        found = await _datasets(self._engine, and_(_here(), dataset_versions.c.dataset == name))
        if not found:
            raise no_dataset(name)
        return found[0]

    async def list(self, after: str | None = None, limit: int = 50) -> list[Dataset]:
        names = (
            select(dataset_versions.c.dataset)
            .where(_here())
            .distinct()
            .order_by(dataset_versions.c.dataset)
            .limit(limit)
        )
        if after is not None:
            names = names.where(dataset_versions.c.dataset > after)
        return await _datasets(self._engine, and_(_here(), dataset_versions.c.dataset.in_(names.scalar_subquery())))


class SqlModels:
    """ModelStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, model_id: str) -> Model:
        async with self._engine.reading() as connection:
            return await _model(connection, model_id)

    async def find(self, name: str, which: str | int) -> Model | None:
        here = current_project()
        if isinstance(which, int):
            numbered = models.c.number == which
        else:
            alias = (model_aliases.c.project == here, model_aliases.c.name == name, model_aliases.c.alias == which)
            numbered = models.c.number == select(model_aliases.c.number).where(*alias).scalar_subquery()
        async with self._engine.reading() as connection:
            asked = (models.c.project == here, models.c.name == name, numbered)
            found = await _models(connection, select(models).where(*asked))
        return found[0] if found else None

    async def list(self, after: str | None = None, limit: int = 50, name: str | None = None) -> list[Model]:
        statement = select(models).where(_THERE, *mine(models.c.project)).order_by(models.c.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(models.c.id < after)
        if name is not None:
            statement = statement.where(models.c.name == name)
        async with self._engine.reading() as connection:
            return await _models(connection, statement)

    async def names(self) -> Sequence[str]:
        statement = (
            select(models.c.name)
            .where(_THERE, models.c.project == current_project())
            .distinct()
            .order_by(models.c.name)
        )
        async with self._engine.reading() as connection:
            return list((await connection.execute(statement)).scalars())

    async def point(self, model_id: str, alias: str) -> None:
        async with self._engine.writing() as connection:
            model = await _held(connection, model_id)
            if model.deleted_at_ms is not None:
                raise model_deleted(model.id, model.title, model.deleted_at_ms)
            await connection.execute(delete(model_aliases).where(*_named_as(model), model_aliases.c.alias == alias))
            pointing = {"project": model.project, "name": model.name, "alias": alias, "number": model.number}
            await connection.execute(insert(model_aliases).values(pointing))

    async def unpoint(self, model_id: str, alias: str) -> bool:
        async with self._engine.writing() as connection:
            model = await _held(connection, model_id)
            there = (*_points_to(model), model_aliases.c.alias == alias)
            return (await connection.execute(delete(model_aliases).where(*there))).rowcount > 0

    async def delete(self, model_id: str, now_ms: int) -> None:
        async with self._engine.writing() as connection:
            model = await _held(connection, model_id)
            if model.aliases:
                raise model_in_use(model.title, model.aliases)
            if model.deleted_at_ms is None:
                await connection.execute(update(models).where(models.c.id == model_id).values(deleted_at_ms=now_ms))
            for table in (artifacts, checkpoints):
                mine = (table.c.job_id == model.job_id, table.c.attempt == model.attempt)
                await connection.execute(delete(table).where(*mine))

    async def condemned(self) -> Sequence[Model]:
        nothing_runs = exists().where(
            attempts.c.job_id == models.c.job_id,
            attempts.c.number == models.c.attempt,
            attempts.c.gone_at_ms.is_not(None),
        )
        awaited = exists().where(
            orders.c.parent == models.c.id, jobs.c.id == orders.c.job_id, jobs.c.state.not_in(sorted(FINAL_STATES))
        )
        deleted = (models.c.deleted_at_ms.is_not(None), models.c.cleared_at_ms.is_(None))
        waiting = (*deleted, nothing_runs, ~awaited, *mine(models.c.project))
        async with self._engine.reading() as connection:
            return await _models(connection, select(models).where(*waiting).order_by(models.c.id))

    async def cleared(self, model_id: str, now_ms: int) -> None:
        ours = (models.c.id == model_id, *mine(models.c.project))
        async with self._engine.writing() as connection:
            await connection.execute(update(models).where(*ours).values(cleared_at_ms=now_ms))


async def add_version(connection: AsyncConnection, versions: Batch, version: Version) -> Version:
    """Inside a transaction: the next number of its data set, or the version with the same content that exists."""
    require_mine(version.project)
    await queue_up(connection, f"dataset\0{version.dataset}")
    named = (dataset_versions.c.project == version.project, dataset_versions.c.dataset == version.dataset)
    same = select(dataset_versions).where(*named, dataset_versions.c.id == version.id)
    present = (await connection.execute(same)).mappings().one_or_none()
    if present is not None:
        return rows.version(present)
    highest = select(func.max(dataset_versions.c.number)).where(*named)
    numbered = replace(version, number=(await connection.scalar(highest) or 0) + 1)
    await write(connection, versions.insert, [rows.version_row(numbered)])
    return numbered


async def add_model(connection: AsyncConnection, made: Batch, model: Model) -> None:
    """Inside a transaction: as the next version of its name. Deleted ones keep their numbers."""
    require_mine(model.project)
    await queue_up(connection, f"model\0{model.name}")
    highest = select(func.max(models.c.number)).where(models.c.project == model.project, models.c.name == model.name)
    numbered = replace(model, number=(await connection.scalar(highest) or 0) + 1)
    await write(connection, made.insert, [rows.model_row(numbered)])


async def add_exports(connection: AsyncConnection, exported: Exported) -> None:
    """Inside a transaction: beside those that the model has. Raises NotFound when it was deleted meanwhile."""
    model = await _held(connection, exported.model_id)
    if model.deleted_at_ms is not None:
        raise model_deleted(model.id, model.title, model.deleted_at_ms)
    row = rows.model_row(with_exports(model, exported))
    grown = {name: row[name] for name in ("exports", "artifacts")}
    await connection.execute(update(models).where(models.c.id == model.id).values(grown))


async def _datasets(engine: Engine, condition: ColumnElement[bool]) -> list[Dataset]:
    by_name = (dataset_versions.c.dataset, dataset_versions.c.number.desc())
    statement = select(dataset_versions).where(condition).order_by(*by_name)
    async with engine.reading() as connection:
        found = [rows.version(row) for row in (await connection.execute(statement)).mappings()]
    return [_dataset(name, tuple(versions)) for name, versions in groupby(found, key=lambda each: each.dataset)]


def _dataset(name: str, versions: tuple[Version, ...]) -> Dataset:
    return Dataset(name=name, created_at_ms=versions[-1].created_at_ms, versions=versions)


async def _held(connection: AsyncConnection, model_id: str) -> Model:
    """As it is now, and nobody else changes what its name's versions and aliases are until the transaction ends."""
    name = await connection.scalar(select(models.c.name).where(models.c.id == model_id, *mine(models.c.project)))
    await queue_up(connection, f"model\0{name}")
    return await _model(connection, model_id)


async def _model(connection: AsyncConnection, model_id: str) -> Model:
    found = await _models(connection, select(models).where(models.c.id == model_id, *mine(models.c.project)))
    if not found:
        raise no_model(model_id)
    return found[0]


async def _models(connection: AsyncConnection, statement: Select[Any]) -> list[Model]:
    found = (await connection.execute(statement)).mappings().all()
    names = {row["name"] for row in found}
    pointing = select(model_aliases).where(model_aliases.c.name.in_(names)).order_by(model_aliases.c.alias)
    aliases: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
    for row in (await connection.execute(pointing)).mappings() if names else ():
        aliases[row["project"], row["name"], row["number"]].append(row["alias"])
    return [rows.model(row, aliases[row["project"], row["name"], row["number"]]) for row in found]


def _points_to(model: Model) -> Conditions:
    return *_named_as(model), model_aliases.c.number == model.number


def _named_as(model: Model) -> Conditions:
    return model_aliases.c.project == model.project, model_aliases.c.name == model.name


def _here() -> ColumnElement[bool]:
    return dataset_versions.c.project == current_project()
