"""CompactionStore on SQLite and Postgres. A guard of the database refuses to delete any event that is not spare."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, exists, func, literal, select, tuple_

from eyebright.ports.compaction import Ended, Spare
from eyebright.stores.sql.batch import insert_into
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.tables import attempts, compactions, curves, events, jobs
from eyebright_wire.events import EventKind


class SqlCompaction:
    """CompactionStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ended(self, before_ms: int, after: Ended | None, limit: int) -> Sequence[Ended]:
        order = (jobs.c.finished_at_ms, jobs.c.id)
        wanted = [jobs.c.finished_at_ms < before_ms]
        if after is not None:
            wanted.append(tuple_(*order) > tuple_(literal(after.finished_at_ms), literal(after.job_id)))
        wanted.append(~exists().where(compactions.c.job_id == jobs.c.id))
        wanted.append(~exists().where(attempts.c.job_id == jobs.c.id, attempts.c.gone_at_ms.is_(None)))
        async with self._engine.reading() as connection:
            found = await connection.execute(select(*order).where(*wanted).order_by(*order).limit(limit))
            return [Ended(row.finished_at_ms, row.id) for row in found]

    async def spare(self, job_id: str) -> Spare:
        sums = select(
            func.count().label("events"), func.coalesce(func.sum(func.length(events.c.data)), 0).label("size")
        )
        async with self._engine.reading() as connection:
            row = (await connection.execute(sums.where(_spare(job_id)))).one()
        return Spare(row.events, int(row.size))

    async def drop(self, job_id: str, limit: int, now_ms: int) -> int:
        reached = select(curves.c.position).where(curves.c.job_id == job_id).scalar_subquery()
        some = select(events.c.position).where(_spare(job_id), events.c.position <= reached)
        some = some.order_by(events.c.position).limit(limit)
        dropping = delete(events).where(events.c.job_id == job_id, events.c.position.in_(some.scalar_subquery()))
        done = insert_into(compactions, self._engine.dialect).values(job_id=job_id, at_ms=now_ms)
        async with self._engine.writing() as connection:
            count = (await connection.execute(dropping)).rowcount
            if count < limit:
                await connection.execute(done.on_conflict_do_nothing())
        return count


def _spare(job_id: str) -> ColumnElement[bool]:
    """The first and the last event of an attempt tell when it began and how it ended."""
    last = select(attempts.c.last_seq).where(
        attempts.c.job_id == events.c.job_id, attempts.c.number == events.c.attempt
    )
    return and_(
        events.c.job_id == job_id,
        events.c.kind == str(EventKind.PROGRESS),
        events.c.seq > 1,
        events.c.seq < last.correlate(events).scalar_subquery(),
    )
