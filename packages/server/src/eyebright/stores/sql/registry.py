"""DatasetStore and ModelStore on SQLite and Postgres."""

from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.records import Dataset, Model, Version
from eyebright.errors import NotFound, no_model
from eyebright.stores.sql import rows
from eyebright.stores.sql.batch import Batch, write
from eyebright.stores.sql.engine import Engine, queue_up
from eyebright.stores.sql.tables import dataset_versions, models


class SqlDatasets:
    """DatasetStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._versions = Batch(dataset_versions, engine.dialect)

    async def add_version(self, version: Version) -> Version:
        async with self._engine.writing() as connection:
            return await add_version(connection, self._versions, version)

    async def version(self, version_id: str) -> Version:
        statement = (
            select(dataset_versions)
            .where(dataset_versions.c.id == version_id)
            .order_by(dataset_versions.c.created_at_ms, dataset_versions.c.dataset)
            .limit(1)
        )
        async with self._engine.reading() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no data set version {version_id}")
        return rows.version(row)

    async def get(self, name: str) -> Dataset:
        found = await _datasets(self._engine, dataset_versions.c.dataset == name)
        if not found:
            raise NotFound(f"there is no data set named {name}")
        return found[0]

    async def list(self, after: str | None = None, limit: int = 50) -> list[Dataset]:
        names = select(dataset_versions.c.dataset).distinct().order_by(dataset_versions.c.dataset).limit(limit)
        if after is not None:
            names = names.where(dataset_versions.c.dataset > after)
        return await _datasets(self._engine, dataset_versions.c.dataset.in_(names.scalar_subquery()))


class SqlModels:
    """ModelStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, model_id: str) -> Model:
        found = await _models(self._engine, select(models).where(models.c.id == model_id))
        if not found:
            raise no_model(model_id)
        return found[0]

    async def list(self, after: str | None = None, limit: int = 50) -> list[Model]:
        statement = select(models).order_by(models.c.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(models.c.id < after)
        return await _models(self._engine, statement)


async def add_version(connection: AsyncConnection, versions: Batch, version: Version) -> Version:
    """Inside a transaction: the next number of its data set, or the version with the same content that exists."""
    await queue_up(connection, f"dataset\0{version.dataset}")
    same = select(dataset_versions).where(
        dataset_versions.c.dataset == version.dataset, dataset_versions.c.id == version.id
    )
    present = (await connection.execute(same)).mappings().one_or_none()
    if present is not None:
        return rows.version(present)
    highest = select(func.max(dataset_versions.c.number)).where(dataset_versions.c.dataset == version.dataset)
    numbered = replace(version, number=(await connection.scalar(highest) or 0) + 1)
    await write(connection, versions.insert, [rows.version_row(numbered)])
    return numbered


async def _datasets(engine: Engine, condition: ColumnElement[bool]) -> list[Dataset]:
    by_name = (dataset_versions.c.dataset, dataset_versions.c.number.desc())
    statement = select(dataset_versions).where(condition).order_by(*by_name)
    async with engine.reading() as connection:
        found = [rows.version(row) for row in (await connection.execute(statement)).mappings()]
    return [_dataset(name, tuple(versions)) for name, versions in groupby(found, key=lambda each: each.dataset)]


def _dataset(name: str, versions: tuple[Version, ...]) -> Dataset:
    return Dataset(name=name, created_at_ms=versions[-1].created_at_ms, versions=versions)


async def _models(engine: Engine, statement: Select[Any]) -> list[Model]:
    async with engine.reading() as connection:
        return [rows.model(row) for row in (await connection.execute(statement)).mappings()]
