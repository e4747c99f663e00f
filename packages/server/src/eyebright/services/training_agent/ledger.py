"""Write what becomes of a project's training into its callers' database: status, log lines, and the model in the end.

Everything is written by its own id, so that it is there once, however often and whenever it is written. While the database is
away nothing waits for it but the outbox.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import structlog

from eyebright.core.callers import CallersModel, LogLine, row_id
from eyebright.core.curves import MOST
from eyebright.core.job import Job
from eyebright.core.records import Message
from eyebright.core.scope import DEFAULT_PROJECT
from eyebright.errors import Conflict, NotFound, NotHandedOver, StorageFull, Unavailable
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore, Markers
from eyebright.ports.registry import DatasetStore
from eyebright.services.charts import Charts
from eyebright.services.errands import Errands
from eyebright.services.jobs import IMPORT
from eyebright.services.orders import report_of
from eyebright.services.training_agent import story
from eyebright.services.training_agent.handover import Handover, not_handed_over
from eyebright.services.training_agent.orders import PROJECT
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import JobKind, JobState

log = structlog.stdlib.get_logger(__name__)

PENDING, TRAINING, FAILED = "pending_training", "training", "failed"
_PROGRESS = frozenset({str(EventKind.PROGRESS)})
_PAGE = 1000
TOLD = frozenset({JobKind.IMPORT, JobKind.TRAINING})


class Ledger:
    """A subscriber: the outbox tells it of every change."""

    def __init__(
        self,
        database: CallersDatabase,
        store: JobStore,
        events: JobHistory,
        datasets: DatasetStore,
        charts: Charts,
        handover: Handover,
        markers: Markers,
        clock: Clock,
        *,
        completed: str,
    ) -> None:
        """`completed` is the status of a project that has its model."""
        self._database = database
        self._store = store
        self._events = events
        self._datasets = datasets
        self._charts = charts
        self._handover = handover
        self._markers = markers
        self._clock = clock
        self.completed = completed
        self._errands = Errands[None]("its callers are still being told of it")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._read: dict[str, int] = {}  # of jobs under way, the position of the last event that was told

    async def notify(self, message: Message) -> None:
        if message.project != DEFAULT_PROJECT:
            return
        job = (await self._store.get(message.job_id)).job
        if PROJECT in job.labels and job.kind in TOLD:
            await self.catch_up_soon(job.id)

    async def close(self) -> None:
        await self._errands.close()

    async def catch_up_soon(self, job_id: str) -> None:
        """Raises Unavailable, too, while it takes its time; it goes on by itself."""
        await self._errands.soon(job_id, lambda: self.catch_up(job_id))

    async def catch_up(self, job_id: str) -> None:
        """One job of a project at a time. Raises Unavailable or StorageFull where the rest must wait."""
        job = (await self._store.get(job_id)).job
        async with self._turns.setdefault(job.labels[PROJECT], asyncio.Lock()):
            job = (await self._store.get(job_id)).job
            if job.state.final and await self.has_told(job):
                return
            if before := await self._untold_import(job):
                await self._tell_all(before)
            await self._tell_all(job)

    async def newest(self, project_id: str) -> Job | None:
        """The newest import or training of a project."""
        found = await self._store.find(JobQuery(kinds=TOLD, labels={PROJECT: project_id}, limit=1))
        return found[0] if found else None

    async def _untold_import(self, job: Job) -> Job | None:
        """A training that was refused at once may be told of before its import."""
        if (import_id := job.labels.get(IMPORT)) is None:
            return None
        before = (await self._store.get(import_id)).job
        return None if await self.has_told(before) else before

    async def _tell_all(self, job: Job) -> None:
        await self._tell(job)
        if job.state.final:
            await self._markers.write(_marker(job), job.created_at_ms)

    async def _tell(self, job: Job) -> None:
        try:
            await self._begin(job)
            await self._tell_epochs(job)
            if job.state.final:
                await self._end(job)
        except NotFound as gone:
            log.warning("a project is gone; its training is not told of", job=job.id, problem=gone.message)
        if job.state.final:
            self._read.pop(job.id, None)

    async def has_told(self, job: Job) -> bool:
        """Is all written that there is to say of a job that has ended?"""
        return await self._markers.read(_marker(job)) is not None

    async def _begin(self, job: Job) -> None:
        """What somebody runs again by hand goes on from what failed. What was refused never began."""
        if job.id in self._read:
            return
        if not is_refusal(job):
            if await self._is_newest(job):
                await self._change_status(job, TRAINING, {PENDING, FAILED} if job.rerun_of else {PENDING})
            await self._add_logs([story.began(job)])
        self._read[job.id] = 0

    async def _tell_epochs(self, job: Job) -> None:
        after = self._read[job.id]
        while page := await self._events.events(job.id, after, _PAGE, _PROGRESS):
            if lines := list(story.epochs(job, page)):
                await self._add_logs(lines)
            after = self._read[job.id] = page[-1].position

    async def _end(self, job: Job) -> None:
        if job.state is not JobState.SUCCEEDED:
            await self._fail(job, story.failed(job))
        elif job.kind is JobKind.IMPORT:
            version = await self._datasets.version(job.imported_version or "")
            await self._add_logs([story.imported(job, report_of(version))])
        else:
            await self._hand_over(job)

    async def _fail(self, job: Job, line: LogLine) -> None:
        """Its project has not failed that has a newer job, whichever of them is told of first."""
        if await self._is_newest(job):
            await self._change_status(job, FAILED, {PENDING, TRAINING})
        await self._add_logs([line])

    async def _is_newest(self, job: Job) -> bool:
        newest = await self.newest(job.labels[PROJECT])
        return newest is not None and newest.id == job.id

    async def _hand_over(self, job: Job) -> None:
        await self._add_logs([story.trained(job)])
        try:
            address = await self._delivered(job)
            await self.register(job, address)
        except NotHandedOver as lost:
            await self._fail(job, story.kept(job, lost.message, self._clock.now_ms()))
            return
        await self.complete(job, address, before=(TRAINING, FAILED))

    async def _delivered(self, job: Job) -> str:
        try:
            return await self._handover.hand_over(job)
        except (Unavailable, StorageFull) as away:
            until_ms = self._handover.gives_up_at_ms(job)
            await self._add_logs([story.waits(job, away.message, until_ms, self._clock.now_ms())])
            raise

    async def register(self, job: Job, address: str) -> None:
        """Write the model's row; one that is there stays. Raises NotHandedOver where the table refuses it, or what it tells of
        was deleted meanwhile."""
        try:
            row = await self._row(job, address)
        except NotFound as gone:
            raise not_handed_over(job, gone) from gone
        try:
            await self._database.add_model(row)
        except Conflict as refused:
            raise not_handed_over(job, refused) from refused

    async def _row(self, job: Job, address: str) -> CallersModel:
        weights = await self._handover.weights(job.id)
        classes = report_of(await self._datasets.version(job.dataset_version)).classes
        return story.model(job, address, weights, classes, await self._losses(job))

    async def complete(self, job: Job, address: str, *, before: Collection[str]) -> None:
        """After its model's row is there: who sees the status finds it. That of a project stays which trains anew by now."""
        newest = await self.newest(job.labels[PROJECT])
        if newest is None or newest.id == job.id or not is_under_way(newest):
            await self._change_status(job, self.completed, before)
        await self._add_logs([story.trained(job), story.uploaded(job, address, self._clock.now_ms())])

    async def _change_status(self, job: Job, status: str, before: Collection[str]) -> None:
        try:
            await self._database.change_status(job.labels[PROJECT], status, before=before)
        except Conflict as refused:
            _tell_refused(refused)

    async def _add_logs(self, lines: Sequence[LogLine]) -> None:
        """All but those that are refused by themselves."""
        try:
            await self._database.add_logs(lines)
        except Conflict as refused:
            if len(lines) == 1:
                _tell_refused(refused)
                return
            for line in lines:
                await self._add_logs([line])

    async def _losses(self, job: Job) -> list[float]:
        """The last of each epoch."""
        points = [
            point for each in await self._charts.metrics(job.id, MOST) if each.name == "loss" for point in each.points
        ]
        return list({point.epoch: point.value for point in points}.values())

    async def note(self, project_id: str, status: str, message: str) -> None:
        """That a project was not begun, as it is not to be trained: once for each status, however often that is asked. No job
        keeps it: while the database is away only the server's log has it."""
        at = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        line = LogLine(
            id=row_id("note", project_id, status),
            project_id=project_id,
            message=message,
            level="warning",
            created_at=at,
        )
        try:
            await self._database.add_logs([line])
        except (Unavailable, Conflict, NotFound) as problem:
            log.warning("a refusal is not written into its project's log", project=project_id, problem=problem.message)


def _tell_refused(refused: Conflict) -> None:
    """What a table's own rules refuse would be refused for ever; the rest of the story does not wait for it."""
    log.warning("a project's database refuses a row", problem=refused.message)


def is_refusal(job: Job) -> bool:
    """An order that could not be carried out, kept as a job that failed without an attempt."""
    return job.state is JobState.FAILED and not job.attempt


def is_under_way(job: Job) -> bool:
    """Also between an import and the training that follows it."""
    return not job.state.final or (job.kind is JobKind.IMPORT and job.state is JobState.SUCCEEDED)


def _marker(job: Job) -> str:
    return f"training_agent/{job.id}"
