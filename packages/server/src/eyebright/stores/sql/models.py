"""ModelStore on SQLite and Postgres."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.records import Exported, Model, with_exports
from eyebright.core.scope import current_project
from eyebright.errors import model_deleted, model_in_use, no_model
from eyebright.stores.sql import rows
from eyebright.stores.sql.batch import Batch, write
from eyebright.stores.sql.engine import Engine, queue_up
from eyebright.stores.sql.scoped import Conditions, mine, require_mine
from eyebright.stores.sql.tables import artifacts, attempts, checkpoints, jobs, model_aliases, models, orders
from eyebright_wire.jobs import FINAL_STATES

_THERE = models.c.deleted_at_ms.is_(None)


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
