"""JobTransaction on SQLite and Postgres: lock, decide, save, with a handful of statements for any number of jobs."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Table, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.job import Attempt, Job, Run
from eyebright.core.quota import counts, within_room
from eyebright.core.records import Change, Exported, Model, StoredEvent, Version, message_about, transition_to
from eyebright.core.scope import current, current_project
from eyebright.errors import Conflict
from eyebright.ports.jobs import AttemptKey, Receipt
from eyebright.stores.sql import rows
from eyebright.stores.sql.among import among, values
from eyebright.stores.sql.batch import Batch, Gathered, Row, write
from eyebright.stores.sql.datasets import add_version, require_kept
from eyebright.stores.sql.engine import Dialect, queue_up
from eyebright.stores.sql.markers import held
from eyebright.stores.sql.models import add_exports, add_model
from eyebright.stores.sql.orders import Orders
from eyebright.stores.sql.queue import BEST_FIRST, due
from eyebright.stores.sql.quotas import room
from eyebright.stores.sql.scoped import mine, of_my_jobs, require_mine
from eyebright.stores.sql.tables import (
    artifacts,
    attempts,
    checkpoints,
    dataset_versions,
    events,
    inbox,
    jobs,
    labels,
    models,
    orders,
    outbox,
    transitions,
)


class Statements:
    """What transactions run, built once per store."""

    def __init__(self, dialect: Dialect, known: Orders) -> None:
        self.dialect: Dialect = dialect
        self.orders = known
        chosen = among(jobs.c.id, "ids", dialect)
        self.lock_jobs = select(jobs.c.id).where(chosen).order_by(jobs.c.id).with_for_update(key_share=True)
        wanted = or_(attempts.c.number == jobs.c.attempt, among(attempts.c.number, "numbers", dialect))
        joined = jobs.outerjoin(attempts, and_(attempts.c.job_id == jobs.c.id, wanted))
        self.runs = Gathered(select(jobs, attempts).select_from(joined).where(chosen), dialect)
        written = (
            *(jobs, orders, labels, attempts, events, transitions, checkpoints, artifacts, models, outbox, inbox),
            dataset_versions,
        )
        self._batches = {table: Batch(table, dialect, fixed=_FIXED.get(table, ())) for table in written}

    def __getitem__(self, table: Table) -> Batch:
        return self._batches[table]


# Never changed after the insert; left out of updates, so that no index on them is touched either.
_FIXED = {
    jobs: ("executor", "priority", "created_at_ms", "project"),
    attempts: ("executor", "token_sha256", "claimed_at_ms", "place"),
}


@dataclass
class Records:
    """What one round of changes writes, by table, in the order in which the guards want to see it."""

    born: list[Row] = field(default_factory=list[Row])
    events: list[Row] = field(default_factory=list[Row])  # before their attempt may end
    moved: list[Row] = field(default_factory=list[Row])  # before the job may leave it behind
    jobs: list[Row] = field(default_factory=list[Row])
    transitions: list[Row] = field(default_factory=list[Row])
    outbox: list[Row] = field(default_factory=list[Row])
    checkpoints: dict[tuple[str, int, str], Row] = field(default_factory=dict[tuple[str, int, str], Row])
    artifacts: list[Row] = field(default_factory=list[Row])
    models: list[Model] = field(default_factory=list[Model])
    versions: list[Version] = field(default_factory=list[Version])
    exported: list[Exported] = field(default_factory=list[Exported])

    def add(self, change: Change) -> None:
        self._add_attempt(change.before.attempt, change.after.attempt)
        self.events += map(rows.event_row, change.events)
        self._add_job(change)
        for saved in change.checkpoints:  # one written once more to the same place has replaced the one that was there
            self.checkpoints[saved.job_id, saved.attempt, saved.manifest.path] = rows.checkpoint_row(saved)
        self.artifacts += map(rows.artifact_row, change.artifacts)
        if change.model is not None:
            self.models.append(change.model)
        if change.imported is not None:
            self.versions.append(change.imported)
        if change.exported is not None:
            self.exported.append(change.exported)

    def _add_attempt(self, before: Attempt | None, after: Attempt | None) -> None:
        if after is None or after == before:
            return
        new = before is None or before.number != after.number
        (self.born if new else self.moved).append(rows.attempt_row(after))

    def _add_job(self, change: Change) -> None:
        if not change.job_changed:
            return
        self.jobs.append(rows.job_row(change.after.job))
        if transition := change.transition:
            self.transitions.append(rows.transition_row(transition))
        if message := change.message:
            self.outbox.append(rows.message_row(message))


class SqlTransaction:
    """JobTransaction on an open transaction."""

    def __init__(self, connection: AsyncConnection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._versions: dict[str, int] = {}  # of the locked jobs

    async def lock(self, keys: Sequence[AttemptKey]) -> dict[AttemptKey, Run]:
        scope, ids = current(), {job_id for job_id, _ in keys}
        await self._lock_jobs(ids)
        found, tries = await self._read(ids, {number for _, number in keys if number is not None})
        self._versions |= {job.id: job.version for job in found.values() if scope.covers(job.project)}
        return {
            (job_id, number): Run(job, tries.get((job_id, job.attempt if number is None else number)))
            for job_id, number in keys
            if (job := found.get(job_id)) and scope.covers(job.project)
        }

    async def claimable(self, executor: str, now_ms: int, limit: int) -> list[Run]:
        more = await room(self._connection, self._statements.dialect) if counts(executor) else {}
        full = [project for project, count in more.items() if count <= 0]
        waiting = (*due(executor, now_ms), *mine(jobs.c.project), *((jobs.c.project.not_in(full),) if full else ()))
        best = select(jobs.c.id).where(*waiting).order_by(*BEST_FIRST).limit(limit)
        if self._statements.dialect == "postgresql":
            best = best.with_for_update(skip_locked=True, key_share=True)
        ids = (await self._connection.scalars(best)).all()
        found = await self.lock([(job_id, None) for job_id in ids])
        # Of a job that another one has claimed and given back meanwhile the query saw the new row, but not the new attempt.
        waiting = [run for run in found.values() if run.attempt is None or run.attempt.gone_at_ms is not None]
        return within_room(waiting, more)

    async def receipt(self, source: str, key: str) -> Receipt | None:
        asked = (inbox.c.project == current_project(), inbox.c.source == source, inbox.c.key == key)
        await queue_up(self._connection, f"inbox\0{source}\0{key}")
        statement = select(*(inbox.c[name] for name in rows.RECEIPT)).where(*asked)
        row = (await self._connection.execute(statement)).mappings().one_or_none()
        return Receipt(**row) if row else None

    async def insert(self, job: Job, receipt: Receipt | None = None) -> None:
        require_mine(job.project)
        await self._insert(jobs, [rows.job_row(job)])
        await self._insert(orders, [rows.order_row(job)])
        await self._insert(labels, rows.label_rows(job))
        await self._insert(transitions, [rows.transition_row(transition_to(job, job.created_at_ms))])
        await self._insert(outbox, [rows.message_row(message_about(job, None, job.created_at_ms))])
        await self._insert(inbox, [rows.receipt_row(receipt, job.project)] if receipt else [])
        self._versions[job.id] = job.version

    async def require_version(self, version_id: str) -> None:
        await require_kept(self._connection, self._statements.dialect, version_id)

    async def save(self, changes: Sequence[Change]) -> None:
        for together in _rounds(changes):
            records = Records()
            for change in together:
                self._compare(change)
                records.add(change)
            await self._write(records)

    async def events(self, job_id: str, attempt: int, first: int, last: int) -> list[StoredEvent]:
        of_attempt = (events.c.job_id == job_id, events.c.attempt == attempt, *of_my_jobs(events.c.job_id))
        statement = select(events).where(*of_attempt, events.c.seq.between(first, last)).order_by(events.c.seq)
        return [rows.event(row) for row in await self._connection.execute(statement)]

    async def marker(self, name: str) -> int | None:
        return await held(self._connection, name)

    async def _lock_jobs(self, ids: Collection[str]) -> None:
        """SQLite's transaction holds the only write lock. On Postgres a statement of its own: one that waited for a row lock
        sees the new job beside the old attempt, because only the locked row is read again."""
        if self._statements.dialect == "postgresql":
            await self._connection.execute(self._statements.lock_jobs, {"ids": sorted(ids)})

    async def _read(
        self, ids: Collection[str], numbers: Collection[int]
    ) -> tuple[dict[str, Job], dict[tuple[str, int], Attempt]]:
        dialect, width = self._statements.dialect, len(rows.JOB)
        parameters = {"ids": values(ids, dialect), "numbers": values(numbers, dialect)}
        read = await self._statements.runs.fetch(self._connection, parameters)
        found = await self._statements.orders.jobs(self._connection, [row[:width] for row in read])
        tries = [attempt for row in read if (attempt := rows.attempt(row[width:]))]
        return found, {(attempt.job_id, attempt.number): attempt for attempt in tries}

    def _compare(self, change: Change) -> None:
        """The optimistic lock; the guards in the database would refuse it too, but say less."""
        job, stored = change.before.job, self._versions.get(change.before.job.id)
        if stored is None:
            raise ValueError(f"job {job.id} must be locked before it is saved")
        if stored != job.version:
            raise Conflict(f"job {job.id} has version {stored}; the decision was about version {job.version}")
        self._versions[job.id] = change.after.job.version

    async def _write(self, records: Records) -> None:
        await self._insert(attempts, records.born)
        await self._insert(events, records.events)
        await write(self._connection, self._statements[attempts].update, records.moved)
        await write(self._connection, self._statements[jobs].update, records.jobs)
        await self._insert(transitions, records.transitions)
        await self._insert(outbox, records.outbox)
        await write(self._connection, self._statements[checkpoints].upsert, list(records.checkpoints.values()))
        await self._insert(artifacts, records.artifacts)
        for model in records.models:
            await add_model(self._connection, self._statements[models], model)
        for version in records.versions:
            await add_version(self._connection, self._statements[dataset_versions], version)
        for exported in records.exported:
            await add_exports(self._connection, exported)

    async def _insert(self, table: Table, new: Sequence[Row]) -> None:
        await write(self._connection, self._statements[table].insert, new)


def _rounds(changes: Iterable[Change]) -> list[list[Change]]:
    """Decisions about the same job one after the other, those about different jobs together."""
    rounds: list[list[Change]] = []
    seen: dict[str, int] = {}
    for change in changes:
        number = seen.get(change.before.job.id, 0)
        seen[change.before.job.id] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(change)
    return rounds
