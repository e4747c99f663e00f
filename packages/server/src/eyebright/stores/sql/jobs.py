"""JobStore on SQLite and Postgres."""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.job import Job, Run
from eyebright.core.scope import current, current_project
from eyebright.errors import no_job
from eyebright.ports.jobs import JobQuery
from eyebright.stores.sql import rows
from eyebright.stores.sql.among import among, values
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.orders import Orders
from eyebright.stores.sql.queue import BEST_FIRST, QUEUED, due
from eyebright.stores.sql.scoped import mine, of_my_jobs
from eyebright.stores.sql.tables import attempts, inbox, jobs, labels, orders
from eyebright.stores.sql.transaction import SqlTransaction, Statements
from eyebright_wire.jobs import LIVE_STATES, OWN_TRAINERS, JobKind, JobState

# Literals, not parameters: otherwise SQLite does not see that the partial indexes apply.
_LIVE = jobs.c.state.in_([literal_column(f"'{state}'") for state in sorted(LIVE_STATES)])
_MINE = jobs.alias("mine")
_NOT_LATER = tuple_(jobs.c.created_at_ms, jobs.c.id) <= tuple_(_MINE.c.created_at_ms, _MINE.c.id)
#: Those that wait for the same executor and are no later in that order, this one too.
_POSITION = (
    select(func.count())
    .select_from(jobs.join(_MINE, jobs.c.executor == _MINE.c.executor))
    .where(
        _MINE.c.id == bindparam("job_id"),
        _MINE.c.state == literal_column("'queued'"),
        _MINE.c.held.is_(false()),
        QUEUED,
    )
    .where(or_(jobs.c.priority > _MINE.c.priority, and_(jobs.c.priority == _MINE.c.priority, _NOT_LATER)))
)


class SqlJobs:
    """JobStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orders = Orders(engine.dialect)
        self._statements = Statements(engine.dialect, self._orders)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTransaction]:
        async with self._engine.writing() as connection:
            yield SqlTransaction(connection, self._statements)

    async def get(self, job_id: str) -> Run:
        async with self._engine.reading() as connection:
            runs = await self._runs(connection, _current().where(jobs.c.id == job_id, *mine(jobs.c.project)))
        if not runs:
            raise no_job(job_id)
        return runs[0]

    async def find(self, query: JobQuery) -> list[Job]:
        found = await self._jobs(_found(query), remember=False)
        return sorted(found, key=lambda job: job.id, reverse=True)

    async def placed(self, source: str, keys: Collection[str]) -> dict[str, Job]:
        dialect = self._engine.dialect
        joined = jobs.join(inbox, inbox.c.job_id == jobs.c.id)
        here = inbox.c.project == current_project()
        asked = (here, inbox.c.source == source, among(inbox.c.key, "keys", dialect))
        statement = select(jobs, inbox.c.key).select_from(joined).where(*asked)
        width = len(rows.JOB)
        async with self._engine.reading() as connection:
            found = (await connection.execute(statement, {"keys": values(keys, dialect)})).all()
            known = await self._orders.jobs(connection, [row[:width] for row in found])
        return {row[width]: known[row[0]] for row in found}

    async def due(self, executor: str, now_ms: int, limit: int) -> list[Job]:
        waiting = (*due(executor, now_ms), *mine(jobs.c.project))
        return await self._jobs(select(jobs).where(*waiting).order_by(*BEST_FIRST).limit(limit))

    async def queue_positions(self, executor: str, limit: int) -> dict[str, int]:
        scope = current()
        waiting = select(jobs.c.id, jobs.c.project).where(QUEUED, jobs.c.executor == executor)
        async with self._engine.reading() as connection:
            found = await connection.execute(waiting.order_by(*BEST_FIRST).limit(limit))
            return {row.id: place for place, row in enumerate(found, 1) if scope.covers(row.project)}

    async def queue_position(self, job_id: str) -> int | None:
        async with self._engine.reading() as connection:
            return await connection.scalar(_POSITION.where(*mine(_MINE.c.project)), {"job_id": job_id}) or None

    async def queued(self) -> int:
        async with self._engine.reading() as connection:
            return (
                await connection.scalar(select(func.count()).select_from(jobs).where(QUEUED, *mine(jobs.c.project)))
                or 0
            )

    async def unfinished(self) -> list[Run]:
        joined = jobs.join(attempts, attempts.c.job_id == jobs.c.id)
        statement = (
            select(jobs, attempts).select_from(joined).where(attempts.c.gone_at_ms.is_(None), *mine(jobs.c.project))
        )
        async with self._engine.reading() as connection:
            return await self._runs(connection, statement.order_by(attempts.c.job_id, attempts.c.number))

    async def credit(self, gap_ms: int, place: str | None) -> int:
        live = (attempts.c.ended_at_ms.is_(None), *of_my_jobs(attempts.c.job_id))
        async with self._engine.writing() as connection:
            # Job rows first, like everybody: a decision under way must not write the old lease over the credit.
            await connection.execute(select(jobs.c.id).where(_LIVE).order_by(jobs.c.id).with_for_update(key_share=True))
            extended = await connection.execute(
                update(attempts)
                .where(*live, attempts.c.place.is_not_distinct_from(place))
                .values(lease_until_ms=attempts.c.lease_until_ms + gap_ms, moved_at_ms=attempts.c.moved_at_ms + gap_ms)
            )
            return extended.rowcount

    async def adopt(self, place: str, executors: Collection[str]) -> int:
        unplaced = (attempts.c.gone_at_ms.is_(None), attempts.c.place.is_(None), attempts.c.executor.in_(executors))
        unplaced += of_my_jobs(attempts.c.job_id)
        async with self._engine.writing() as connection:  # no decision ever writes the column
            return (await connection.execute(update(attempts).where(*unplaced).values(place=place))).rowcount

    async def _jobs(self, statement: Select[Any], *, remember: bool = True) -> list[Job]:
        async with self._engine.reading() as connection:
            found = (await connection.execute(statement)).all()
            return list((await self._orders.jobs(connection, found, remember=remember)).values())

    async def _runs(self, connection: AsyncConnection, statement: Select[Any]) -> list[Run]:
        found = (await connection.execute(statement)).all()
        width = len(rows.JOB)
        known = await self._orders.jobs(connection, [row[:width] for row in found])
        return [Run(known[row[0]], rows.attempt(row[width:])) for row in found]


def _current() -> Select[Any]:
    newest = and_(attempts.c.job_id == jobs.c.id, attempts.c.number == jobs.c.attempt)
    return select(jobs, attempts).select_from(jobs.outerjoin(attempts, newest))


def _found(query: JobQuery) -> Select[Any]:
    """A page of jobs, in any order. Which they are is found first, so that no plan reads jobs that are none of them."""
    chosen = _ids(query).subquery("chosen")
    return select(jobs).join(chosen, chosen.c.id == jobs.c.id)


def _ids(query: JobQuery) -> Select[str]:
    """Newest first along the index of what is likely to be rarest, so that a page costs no more than its rows."""
    conditions: list[ColumnElement[bool]] = []
    ids: list[ColumnElement[str]] = []  # in each table that is asked, the one to go along last
    if ordered := list(_of_orders(query)):
        conditions += ordered
        ids.append(orders.c.job_id)
    if query.states and query.states != frozenset(JobState):
        conditions.append(jobs.c.state.in_(sorted(query.states)))
        ids.insert(len(ids) if _common(query) else 0, jobs.c.id)
    if query.imported_version is not None:
        conditions.append(jobs.c.imported_version == query.imported_version)
        ids.append(jobs.c.id)
    for key, value in (query.labels or {}).items():
        label = labels.alias()
        conditions += (label.c.key == key, label.c.value == value)
        ids.append(label.c.job_id)
    conditions += mine(_project_of(ids[-1]) if ids else jobs.c.project)
    ids = ids or [jobs.c.id]
    conditions += (each == ids[-1] for each in ids[:-1])
    if query.after is not None:  # of every table: Postgres does not conclude from the one to the other
        conditions += (each < query.after for each in ids)
    return select(ids[-1].label("id")).where(*conditions).order_by(ids[-1].desc()).limit(query.limit)


def _project_of(job_id: ColumnElement[str]) -> ColumnElement[str]:
    """Looked up for each job that a narrower index has led to: neither database is to take the index of projects instead, or to
    read both from their ends."""
    looked_at = jobs.alias("looked_at")
    return select(looked_at.c.project).where(looked_at.c.id == job_id).scalar_subquery()


def _of_orders(query: JobQuery) -> Iterator[ColumnElement[bool]]:
    wanted = {
        orders.c.trainer: query.trainer,
        orders.c.dataset_version: query.dataset_version,
        orders.c.parent: query.parent,
    }
    yield from (column == value for column, value in wanted.items() if value is not None)
    if query.kinds and query.kinds != frozenset(JobKind):
        yield _of_kinds(query.kinds)


def _common(query: JobQuery) -> bool:
    """Whether most jobs may be so, but few are in such a state."""
    return (
        bool(query.states)
        and query.trainer == query.dataset_version == query.parent
        and JobKind.TRAINING in query.kinds
    )


def _of_kinds(kinds: Collection[JobKind]) -> ColumnElement[bool]:
    """A training is what none of our own trainers carries out. Literals, for the index of trainings."""
    trains = JobKind.TRAINING in kinds
    own = sorted(trainer for kind, trainer in OWN_TRAINERS.items() if (kind in kinds) != trains)
    if trains:
        return orders.c.trainer.not_in([literal_column(f"'{trainer}'") for trainer in own])
    return orders.c.trainer == own[0] if len(own) == 1 else orders.c.trainer.in_(own)
