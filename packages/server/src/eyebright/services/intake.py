"""Take in what a queue delivers. Once a verb here has returned, its answer is committed, and the message may be acknowledged."""

import structlog

from eyebright.core.parked import Parked, parked_id
from eyebright.core.scope import current_project
from eyebright.errors import (
    ConfigInvalid,
    Conflict,
    EyebrightError,
    KeyReused,
    StorageFull,
    TrainerUnavailable,
    Unavailable,
    key_reused,
)
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobStore, Receipt
from eyebright.ports.parked import ParkedStore
from eyebright.services.datasets import Datasets
from eyebright.services.jobs import Jobs, Placed
from eyebright.services.messages import Letter, Unreadable, opened, order_of
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobRequest, JobState
from eyebright_wire.queue import ParkedReason, ParkedView, QueueAnswer, QueueOutcome
from eyebright_wire.resources import DatasetImport, JobView, Page

log = structlog.stdlib.get_logger(__name__)

#: In the inbox beside the caller's `task_id`.
SOURCE = "amqp"


class Intake:
    """Every message has one end: a job, the job that it made before, a job that failed, or a place among those put aside."""

    def __init__(self, store: JobStore, jobs: Jobs, datasets: Datasets, parked: ParkedStore, clock: Clock) -> None:
        self._store = store
        self._jobs = jobs
        self._datasets = datasets
        self._parked = parked
        self._clock = clock

    async def take(self, body: bytes, size_bytes: int | None = None) -> QueueAnswer:
        """Settle one message, however often it comes. `size_bytes`: of the whole, where `body` is only its beginning.

        Raises what passes by itself (Unavailable, StorageFull, OSError): nothing is settled then.
        """
        size_bytes = len(body) if size_bytes is None else size_bytes
        try:
            letter = opened(body, size_bytes)
        except Unreadable as why:
            return await self.park(body, why.reason, str(why), size_bytes=size_bytes, task_id=why.task_id)
        try:
            return await self._settle(letter)
        except KeyReused:
            message = "its task_id stands for another order already; expected the same order, or a new task_id"
            return await self.park(body, ParkedReason.KEY_REUSED, message, task_id=letter.task.task_id)
        except (Unavailable, StorageFull, OSError):
            raise
        except Exception:
            log.exception("a message met a mistake of Eyebright's own", task_id=letter.task.task_id)
            message = (
                "it met a mistake of Eyebright's own; the server's log has the details. Replay it after an upgrade"
            )
            return await self.park(body, ParkedReason.INTERNAL_ERROR, message, task_id=letter.task.task_id)

    async def park(
        self,
        body: bytes,
        reason: ParkedReason,
        message: str,
        *,
        size_bytes: int | None = None,
        task_id: str | None = None,
    ) -> QueueAnswer:
        """Put a message aside."""
        size_bytes = len(body) if size_bytes is None else size_bytes
        project = current_project()
        parked = Parked(
            id=parked_id(body, size_bytes, project),
            project=project,
            reason=reason,
            message=message,
            body=body,
            size_bytes=size_bytes,
            parked_at_ms=self._clock.now_ms(),
            complete=len(body) == size_bytes,
            task_id=task_id,
        )
        await self._parked.keep(parked)
        log.warning("message parked", id=parked.id, task_id=task_id, reason=reason, detail=message)
        return QueueAnswer(
            outcome=QueueOutcome.PARKED, task_id=task_id, parked_id=parked.id, reason=reason, message=message
        )

    async def list(self, after: str | None = None, limit: int = 50) -> Page[ParkedView]:
        """Messages that were put aside, newest first; of long ones the beginning."""
        found = await self._parked.list(after, limit + 1)
        page = found[:limit]
        more = page[-1].id if len(found) > limit else None
        return Page[ParkedView](items=tuple(_view(parked) for parked in page), next=more)

    async def get(self, parked_id: str) -> ParkedView:
        """Raises NotFound."""
        return _view(await self._parked.get(parked_id))

    async def replay(self, parked_id: str) -> QueueAnswer:
        """Take it as if it came now; it stays where it is unless it is settled otherwise.

        Raises NotFound; Conflict for one of which only the beginning is kept; and what `take` raises.
        """
        parked = await self._parked.get(parked_id)
        if not parked.complete:
            raise Conflict(
                f"of message {parked_id} only the first {len(parked.body):,} of {parked.size_bytes:,} bytes are kept; "
                "it cannot be replayed. Have its sender send a smaller one, and discard this one"
            )
        answer = await self.take(parked.body)
        if answer.outcome is not QueueOutcome.PARKED:
            await self._parked.remove(parked_id)
        return answer

    async def discard(self, parked_id: str) -> None:
        """For good. Raises NotFound."""
        parked = await self._parked.get(parked_id)
        await self._parked.remove(parked.id)

    async def _settle(self, letter: Letter) -> QueueAnswer:
        """Raises KeyReused."""
        try:
            placed = await self._place(order_of(letter), letter)
        except EyebrightError as why:
            if not _is_final(why):
                raise
            if (receipt := await self._receipt(letter.task.task_id)) is None:
                return await self._refuse(letter, _reason(why))
            if receipt.body_sha256 != letter.sha256:
                raise key_reused() from why
            placed = Placed(receipt.job_id, created=False)
        if not placed.created:
            return await self._known(letter, placed.job_id)
        return QueueAnswer(outcome=QueueOutcome.TAKEN, task_id=letter.task.task_id, job_id=placed.job_id)

    async def _place(self, order: DatasetImport | JobRequest, letter: Letter) -> Placed:
        key, body_sha256 = letter.task.task_id, letter.sha256
        if isinstance(order, JobRequest):
            return await self._jobs.place(order, source=SOURCE, key=key, body_sha256=body_sha256)
        known = await self._receipt(key)
        job = await self._datasets.order(order, source=SOURCE, key=key, body_sha256=body_sha256)
        return Placed(job.id, created=known is None)

    async def _receipt(self, task_id: str) -> Receipt | None:
        async with self._store.transaction() as transaction:
            return await transaction.receipt(SOURCE, task_id)

    async def _known(self, letter: Letter, job_id: str) -> QueueAnswer:
        """One that was refused when it came first is told why, though it might be taken today."""
        job = await self._jobs.get(job_id)
        if job.state is JobState.FAILED and job.attempt == 0:
            return _refused(letter, job, created=False)
        return QueueAnswer(outcome=QueueOutcome.KNOWN, task_id=letter.task.task_id, job_id=job_id)

    async def _refuse(self, letter: Letter, why: EyebrightError) -> QueueAnswer:
        """Kept as a job that failed, so that the caller hears of it as of every other end of a job."""
        task = letter.task
        order = JobRequest(dataset=task.folder, task=letter.wanted, config=letter.parameters, labels=task.labels)
        job = await self._jobs.refuse(order, why, source=SOURCE, key=task.task_id, body_sha256=letter.sha256)
        return _refused(letter, job.view, created=job.created)


def _is_final(why: EyebrightError) -> bool:
    """Is it the order's fault? A trainer that is not installed stays so, and its orders would hold up all others."""
    return why.status < 500 or isinstance(why, TrainerUnavailable)


def _reason(why: EyebrightError) -> EyebrightError:
    """As a job's end can have it: what is missing here is not its caller's mistake."""
    return why if why.code in set(ErrorCode) or isinstance(why, TrainerUnavailable) else ConfigInvalid(why.message)


def _refused(letter: Letter, job: JobView, *, created: bool) -> QueueAnswer:
    """Its job says why, the first time and every other time."""
    return QueueAnswer(
        outcome=QueueOutcome.REFUSED if created else QueueOutcome.KNOWN,
        task_id=letter.task.task_id,
        job_id=job.id,
        reason=job.reason,
        message=job.message,
    )


def _view(parked: Parked) -> ParkedView:
    return ParkedView(
        id=parked.id,
        reason=parked.reason,
        message=parked.message,
        task_id=parked.task_id,
        size_bytes=parked.size_bytes,
        parked_at_ms=parked.parked_at_ms,
        complete=parked.complete,
        body=parked.body.decode(errors="replace"),
    )
