"""Outbox on SQLite and Postgres.

A delivered message is deleted, and `deliveries` remembers up to which version a job was delivered: the table stays as small as
the backlog, and still no version can be skipped, because the guard wants each row to follow the one before it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import FromClause, Integer, Select, bindparam, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.records import Message
from eyebright.stores.sql import rows
from eyebright.stores.sql.among import among, values
from eyebright.stores.sql.batch import Batch, Row, encode, incoming, write
from eyebright.stores.sql.engine import Engine, queue_up
from eyebright.stores.sql.scoped import Conditions, mine, of_my_jobs
from eyebright.stores.sql.tables import deliveries, jobs, outbox


class SqlOutbox:
    """Outbox."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._deliveries = Batch(deliveries, engine.dialect)
        keys = incoming(outbox, ["job_id", "version"], engine.dialect)
        self._select_pending = _pending(keys.subquery("told"))
        self._delete = delete(outbox).where(tuple_(outbox.c.job_id, outbox.c.version).in_(keys))
        chosen = among(outbox.c.job_id, "ids", engine.dialect)
        self._select_oldest = (
            select(outbox.c.job_id, func.min(outbox.c.version).label("oldest")).where(chosen).group_by(outbox.c.job_id)
        )

    async def pending(self, limit: int, told: Mapping[str, int] | None = None) -> list[Message]:
        """The oldest of every job, then the second oldest, …: a job that can't be delivered doesn't hold up the others."""
        left_out = [{"job_id": job_id, "version": version} for job_id, version in (told or {}).items()]
        statement = self._select_pending.where(*mine(self._select_pending.selected_columns.project))
        async with self._engine.reading() as connection:
            found = await connection.execute(statement, {"rows": encode(left_out), "limit": limit})
            return [rows.message(row) for row in found.mappings()]

    async def delivered(self, messages: Sequence[Message]) -> None:
        """A message whose predecessors were not delivered stays: it is delivered once more, after them."""
        ours = of_my_jobs(outbox.c.job_id)
        if not messages:
            return
        async with self._engine.writing() as connection:
            await queue_up(connection, "outbox")  # a slower relay must not set back what a faster one has reached
            done = _without_holes(
                messages, await self._oldest(connection, ours, {message.job_id for message in messages})
            )
            if done:
                await connection.execute(self._delete, {"rows": encode(done)})
                reached = {row["job_id"]: row for row in done}
                await write(connection, self._deliveries.upsert, list(reached.values()))

    async def _oldest(self, connection: AsyncConnection, ours: Conditions, ids: Collection[str]) -> dict[str, int]:
        """The lowest undelivered version of each job."""
        oldest = self._select_oldest.where(*ours)
        result = await connection.execute(oldest, {"ids": values(ids, self._engine.dialect)})
        return {row.job_id: row.oldest for row in result}


def _pending(told: FromClause) -> Select[Any]:
    rank = func.row_number().over(partition_by=outbox.c.job_id, order_by=outbox.c.version).label("rank")
    untold = outbox.join(jobs, jobs.c.id == outbox.c.job_id).outerjoin(told, told.c.job_id == outbox.c.job_id)
    due = or_(told.c.version.is_(None), outbox.c.version > told.c.version)
    ranked = select(outbox, jobs.c.project, rank).select_from(untold).where(due).subquery()
    columns = [*(ranked.c[column.name] for column in outbox.columns), ranked.c.project]
    return select(*columns).order_by(ranked.c.rank, ranked.c.job_id).limit(bindparam("limit", type_=Integer))


def _without_holes(messages: Iterable[Message], oldest: dict[str, int]) -> list[Row]:
    """The keys of the messages that follow each other from the oldest of their job on."""
    done: list[Row] = []
    expected = dict(oldest)
    for message in sorted(messages, key=lambda each: each.version):
        if expected.get(message.job_id) == message.version:
            done.append({"job_id": message.job_id, "version": message.version})
            expected[message.job_id] = message.version + 1
    return done
