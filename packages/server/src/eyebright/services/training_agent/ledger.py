"""Write what becomes of a project's training into its callers' database: status, log lines, and the model in the end.

Everything is written by its own id, so that it is there once, however often and whenever it is written. While the database is
away nothing waits for it but the outbox.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import structlog

from eyebright.core.callers import LogLine, row_id
from eyebright.core.job import Job
from eyebright.core.records import Message
from eyebright.errors import Conflict, NotFound, StorageFull, Unavailable
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobHistory, JobStore, Markers
from eyebright.ports.registry import DatasetStore
from eyebright.services.errands import Errands
from eyebright.services.history import History
from eyebright.services.orders import report_of
from eyebright.services.training_agent import story
from eyebright.services.training_agent.handover import Handover
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
        history: History,
        handover: Handover,
        markers: Markers,
        clock: Clock,
        *,
        completed: str,
        give_up_seconds: float,
    ) -> None:
        """`completed` is the status of a project that has its model. `give_up_seconds` after its end a training whose model
        cannot be put in its place has failed for its callers."""
        self._database = database
        self._store = store
        self._events = events
        self._datasets = datasets
        self._history = history
        self._handover = handover
        self._markers = markers
        self._clock = clock
        self.completed = completed
        self._give_up_ms = int(1000 * give_up_seconds)
        self._errands = Errands[None]("its callers are still being told of it")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._read: dict[str, int] = {}  # of jobs under way, the position of the last event that was told

    async def notify(self, message: Message) -> None:
        job = (await self._store.get(message.job_id)).job
        if PROJECT in job.labels and job.kind in TOLD:
            await self._errands.soon(job.id, lambda: self.catch_up(job.id))

    async def close(self) -> None:
        await self._errands.close()

    async def catch_up(self, job_id: str) -> None:
        """Raises Unavailable or StorageFull where the rest must wait."""
        async with self._turns.setdefault(job_id, asyncio.Lock()):
            job = (await self._store.get(job_id)).job
            if job.state.final and await self.has_told(job):
                return
            await self._tell(job)
            if job.state.final:
                self._read.pop(job_id, None)
                await self._markers.write(_marker(job.labels[PROJECT]), job.created_at_ms)

    async def _tell(self, job: Job) -> None:
        try:
            await self._begin(job)
            await self._tell_epochs(job)
            if job.state.final:
                await self._end(job)
        except (NotFound, Conflict) as refused:
            # A project that is gone, a rule of their tables: it would be refused for ever.
            log.warning("a project's training is not told of", job=job.id, problem=refused.message)

    async def has_told(self, job: Job) -> bool:
        """Is all written that there is to say of a job that has ended?"""
        return (await self._markers.read(_marker(job.labels[PROJECT])) or 0) >= job.created_at_ms

    async def _begin(self, job: Job) -> None:
        """What somebody runs again by hand goes on from what failed."""
        if job.id in self._read and not job.state.final:
            return
        self._read.setdefault(job.id, 0)
        before = {PENDING, FAILED} if job.rerun_of else {PENDING}
        await self._database.change_status(job.labels[PROJECT], TRAINING, before=before)
        await self._database.add_logs([story.began(job)])

    async def _tell_epochs(self, job: Job) -> None:
        after = self._read[job.id]
        while page := await self._events.events(job.id, after, _PAGE, _PROGRESS):
            if lines := list(story.epochs(job, page)):
                await self._database.add_logs(lines)
            after = self._read[job.id] = page[-1].position

    async def _end(self, job: Job) -> None:
        if job.state is not JobState.SUCCEEDED:
            await self._fail(job, [story.failed(job)])
        elif job.kind is JobKind.IMPORT:
            version = await self._datasets.version(job.imported_version or "")
            await self._database.add_logs([story.imported(job, report_of(version))])
        else:
            await self._hand_over(job)

    async def _fail(self, job: Job, lines: Sequence[LogLine]) -> None:
        await self._database.add_logs(lines)
        await self._database.change_status(job.labels[PROJECT], FAILED, before={PENDING, TRAINING})

    async def _hand_over(self, job: Job) -> None:
        try:
            address = await self._handover.put(job.id)
        except (Unavailable, StorageFull, Conflict, NotFound) as problem:
            if isinstance(problem, Unavailable | StorageFull) and not self.gives_up(job):
                raise
            await self._fail(job, [story.not_put(job, problem.message)])
            return
        await self.deliver(job, address)

    async def deliver(self, job: Job, address: str, *, before: Sequence[str] = (TRAINING,)) -> None:
        """The model's row first: who sees the status finds it."""
        weights = await self._handover.weights(job.id)
        losses = await self._losses(job)
        await self._database.add_model(story.model(job, address, weights, losses))
        await self._database.add_logs(story.ended(job, address))
        await self._database.change_status(job.labels[PROJECT], self.completed, before=before)

    async def _losses(self, job: Job) -> list[float]:
        """The last of each epoch."""
        points = [point for each in await self._history.metrics(job.id) if each.name == "loss" for point in each.points]
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
        except Unavailable as away:
            log.warning("a refusal is not written into its project's log", project=project_id, problem=away.message)

    def gives_up(self, job: Job) -> bool:
        """Has a training waited long enough for a place for its model?"""
        return self._clock.now_ms() - (job.finished_at_ms or 0) >= self._give_up_ms


def _marker(project_id: str) -> str:
    return f"training_agent/{project_id}"
