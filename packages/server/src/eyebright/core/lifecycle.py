"""The verbs that change a job: each takes a `Run` and the time, checks its guard, and returns the new `Run`.

    queued → starting → running → succeeded | failed | cancelled
       ↑________|__________|   (loss, pre-emption, retry)

The trainer proposes and the control plane decides: an event of an attempt that is not current never gets past `apply`.
"""

from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from eyebright.core.job import Attempt, Job, Run
from eyebright.core.records import Checkpoint, StoredEvent
from eyebright.core.retry import RetryLimits, barren, charge, delay_ms, exhausted, retryable
from eyebright.errors import Conflict, EventGap, Fenced, InvalidRequest
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import (
    BODIES,
    CheckpointSaved,
    Event,
    EventKind,
    Failed,
    Heartbeat,
    Progress,
    StageChange,
    Succeeded,
)
from eyebright_wire.jobs import JobState
from eyebright_wire.model import WireModel

#: Every legal change of state. The databases hold the same table and refuse anything else.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.STARTING, JobState.CANCELLED, JobState.FAILED}),
    JobState.STARTING: frozenset({JobState.RUNNING, JobState.QUEUED, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.SUCCEEDED, JobState.QUEUED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Applied:
    """What folding events gave: the new run and the records to write with it."""

    run: Run
    events: tuple[StoredEvent, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()


def move(job: Job, state: JobState, now_ms: int, **fields: Any) -> Job:
    """Change the state, or raise Conflict if there is no such transition. Only what is queued is held."""
    if state not in TRANSITIONS[job.state]:
        raise Conflict(f"job {job.id} is {job.state}; it cannot become {state}")
    if state.final:
        fields["finished_at_ms"] = now_ms
    return replace(job, state=state, held=False, **fields)


def release(run: Run) -> Run:
    """A held job begins to wait for its turn; any other stays as it is. Raises Conflict when it was cancelled."""
    job = run.job
    if job.state is JobState.CANCELLED:
        raise Conflict(f"job {job.id} was cancelled, so it cannot begin; place a new order")
    return Run(replace(job, held=False), run.attempt)


def claim(
    job: Job, now_ms: int, *, token_sha256: str, lease_ms: int, slot: int | None, place: str | None = None
) -> Run:
    """queued → starting, with a new attempt whose number fences every older one."""
    if job.held or job.cancel_requested or job.not_before_ms > now_ms:
        raise Conflict(f"job {job.id} is not due")
    number = job.attempt + 1
    attempt = Attempt(
        job_id=job.id,
        number=number,
        executor=job.executor,
        token_sha256=token_sha256,
        claimed_at_ms=now_ms,
        lease_until_ms=now_ms + lease_ms,
        place=place,
        slot=slot,
        heartbeat_at_ms=now_ms,
        moved_at_ms=now_ms,
    )
    fresh: dict[str, Any] = {"stage": None, "reason": None, "message": "", "retryable": False, "progress": None}
    return Run(move(job, JobState.STARTING, now_ms, attempt=number, **fresh), attempt)


def launched(run: Run, now_ms: int) -> Run:
    """The executor has taken it."""
    return Run(run.job, replace(current(run), launched_at_ms=now_ms))


def apply(run: Run, events: tuple[Event, ...], now_ms: int, *, lease_ms: int, limits: RetryLimits) -> Applied:
    """Fold new, contiguous events of the live attempt, oldest first.

    Raises Fenced if the attempt is not current, EventGap if a number is missing, InvalidRequest if a body of a known kind is
    malformed. Repeated events must be taken out before.
    """
    applied = Applied(run)
    for event in events:
        applied = _apply_one(applied, event, now_ms, lease_ms, limits)
    return applied


def heartbeat(run: Run, beat: Heartbeat, now_ms: int, *, lease_ms: int) -> Run:
    """Renew the lease. The clock of the trainer's machine only tells how long ago training moved, never what time it is."""
    attempt = current(run)
    moved = now_ms - max(0, beat.at_ms - beat.moved_at_ms)
    renewed = replace(
        attempt,
        lease_until_ms=max(attempt.lease_until_ms, now_ms + lease_ms),
        heartbeat_at_ms=now_ms,
        moved_at_ms=max(attempt.moved_at_ms, moved),
    )
    return Run(run.job, renewed)


def end(
    run: Run, code: ErrorCode, message: str, now_ms: int, *, limits: RetryLimits, said_retryable: bool | None = None
) -> Run:
    """End the live attempt without success: back to the queue if a budget allows it, else failed, or cancelled if asked for."""
    attempt = _ended(current(run), str(code), now_ms)
    job = replace(run.job, stage=None)
    if job.cancel_requested:
        return Run(_cancelled(job, now_ms), attempt)
    if attempt.launched_at_ms is None and run.job.state is JobState.STARTING and code is ErrorCode.WORKER_LOST:
        return Run(move(job, JobState.QUEUED, now_ms, not_before_ms=now_ms), attempt)  # never ran: nobody's fault
    job = charge(job, code, checkpointed=attempt.checkpoints > 0)
    return Run(_again_or_failed(job, code, message, now_ms, limits, retryable(code, said_retryable)), attempt)


def put_back(run: Run, code: ErrorCode, message: str, now_ms: int, *, wait_ms: int) -> Run:
    """Give the claim back, uncharged: it could not even be launched, for want of something that is not the job's affair."""
    attempt = _ended(current(run), str(code), now_ms)
    if run.job.cancel_requested:
        return Run(_cancelled(run.job, now_ms), attempt)
    later: dict[str, Any] = {"not_before_ms": now_ms + wait_ms, "reason": code, "message": message, "retryable": True}
    return Run(move(run.job, JobState.QUEUED, now_ms, **later), attempt)


def succeed(run: Run, now_ms: int, *, model_id: str | None = None, imported_version: str | None = None) -> Run:
    """running → succeeded, once the finaliser has seen every object that the attempt claims."""
    attempt = current(run)
    if attempt.claim is None:
        raise Conflict(f"attempt {attempt.number} of job {run.job.id} has not said that it succeeded")
    job = move(
        run.job,
        JobState.SUCCEEDED,
        now_ms,
        stage=None,
        reason=None,
        message="finished before cancel took effect" if run.job.cancel_requested else "",
        metrics=dict(attempt.claim.metrics),
        model_id=model_id,
        imported_version=imported_version,
    )
    return Run(job, _ended(attempt, "succeeded", now_ms))


def request_cancel(run: Run, now_ms: int) -> Run:
    """A queued job is cancelled at once; a live one is asked to stop. Raises Conflict when it has already ended."""
    job = run.job
    check_cancellable(job)
    if job.state is JobState.QUEUED:
        return Run(_cancelled(replace(job, cancel_requested=True), now_ms), run.attempt)
    return Run(replace(job, cancel_requested=True), run.attempt)


def check_cancellable(job: Job) -> None:
    """Raises Conflict when it has already ended."""
    if job.state.final:
        raise Conflict(f"job {job.id} is over ({job.state}); there is nothing to cancel")


def check_repeatable(job: Job) -> None:
    """Raises Conflict until it has ended."""
    if not job.state.final:
        state = "being cancelled" if job.cancel_requested else job.state
        raise Conflict(f"job {job.id} is {state}; only a finished job can be run again")


def gone(attempt: Attempt, now_ms: int) -> Attempt:
    """The executor confirms that no process of the attempt is left; its slot is free."""
    return replace(attempt, gone_at_ms=now_ms)


def _apply_one(applied: Applied, event: Event, now_ms: int, lease_ms: int, limits: RetryLimits) -> Applied:
    run = applied.run
    attempt = current(run)
    if event.seq != attempt.last_seq + 1:
        raise EventGap(attempt.last_seq + 1)
    if attempt.claim is not None:
        raise Fenced(f"attempt {attempt.number} has already said its last word")
    body = _body(event)
    run = _fold(_heard(run, attempt, event, body, now_ms, lease_ms), event.kind, body, now_ms, limits)
    stored = StoredEvent(
        job_id=run.job.id,
        attempt=attempt.number,
        seq=event.seq,
        position=run.job.events,
        kind=event.kind,
        at_ms=event.at_ms,
        data=event.data,
    )
    saved = (_checkpoint(stored, body),) if isinstance(body, CheckpointSaved) else ()
    return Applied(run, (*applied.events, stored), (*applied.checkpoints, *saved))


def _heard(run: Run, attempt: Attempt, event: Event, body: WireModel | None, now_ms: int, lease_ms: int) -> Run:
    """What every event does: it counts, and renews the lease. Progress is folded on the way: nearly all events are progress,
    and to copy both records once more for it would cost half as much again."""
    job_fields: dict[str, Any] = {"events": run.job.events + 1}
    attempt_fields: dict[str, Any] = {
        "last_seq": event.seq,
        "lease_until_ms": max(attempt.lease_until_ms, now_ms + lease_ms),
        "heartbeat_at_ms": now_ms,
    }
    if isinstance(body, Progress):
        job_fields |= {"progress": body, "metrics": {**run.job.metrics, **body.metrics}}
        attempt_fields["moved_at_ms"] = now_ms
    return Run(replace(run.job, **job_fields), replace(attempt, **attempt_fields))


def _body(event: Event) -> WireModel | None:
    """The typed body; None for a kind that this version does not know."""
    model = BODIES.get(event.kind)
    if model is None:
        return None
    try:
        return model.model_validate(event.data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"event {event.seq} ({event.kind}): {where}: {first['msg']}") from None


def _fold(run: Run, kind: str, body: WireModel | None, now_ms: int, limits: RetryLimits) -> Run:
    job, attempt = run.job, current(run)
    if kind == EventKind.STARTED and job.state is JobState.STARTING:
        job = move(job, JobState.RUNNING, now_ms, started_at_ms=job.started_at_ms or now_ms)
        return Run(job, replace(attempt, launched_at_ms=attempt.launched_at_ms or now_ms))
    match body:
        case StageChange():
            return Run(replace(job, stage=body.stage), replace(attempt, moved_at_ms=now_ms))
        case CheckpointSaved():
            return Run(job, replace(attempt, checkpoints=attempt.checkpoints + 1, moved_at_ms=now_ms))
        case Succeeded():
            if job.state is not JobState.RUNNING:
                raise InvalidRequest("`succeeded` came before `started`")
            return Run(job, replace(attempt, claim=body))
        case Failed():
            return end(run, body.code, body.message, now_ms, limits=limits, said_retryable=body.retryable)
        case _:
            return _fold_departure(run, kind, now_ms, limits)


def _fold_departure(run: Run, kind: str, now_ms: int, limits: RetryLimits) -> Run:
    """`preempted` and `cancelled`; any other kind only counts. Stopping without having been asked is a pre-emption."""
    if kind in (EventKind.PREEMPTED, EventKind.CANCELLED):
        return end(run, ErrorCode.PREEMPTED, "the trainer was told to make room", now_ms, limits=limits)
    return run


def _checkpoint(event: StoredEvent, body: CheckpointSaved) -> Checkpoint:
    return Checkpoint(
        job_id=event.job_id,
        attempt=event.attempt,
        epoch=body.epoch,
        step=body.step,
        best=body.best,
        manifest=body.manifest,
        metrics=body.metrics,
        at_ms=event.at_ms,
    )


def current(run: Run) -> Attempt:
    """The live attempt that the job waits for. Raises Fenced when this run's is another, or over."""
    if not run.current or run.attempt is None:
        raise Fenced(_why_fenced(run))
    return run.attempt


def _why_fenced(run: Run) -> str:
    number = run.attempt.number if run.attempt else 0
    if run.job.state.final:
        return f"job {run.job.id} is over ({run.job.state}), and attempt {number} with it"
    return f"attempt {number} of job {run.job.id} is over; the current one is {run.job.attempt}"


def _again_or_failed(job: Job, code: ErrorCode, message: str, now_ms: int, limits: RetryLimits, can_retry: bool) -> Job:
    given_up = exhausted(job, code, limits)
    if can_retry and given_up is None:
        later = now_ms + delay_ms(job, code, limits)
        return move(job, JobState.QUEUED, now_ms, not_before_ms=later, reason=code, message=message, retryable=True)
    if can_retry:
        code = ErrorCode.NO_PROGRESS if barren(job, code, limits) else code
        message = f"{message}; {given_up}"
    return move(job, JobState.FAILED, now_ms, reason=code, message=message, retryable=can_retry)


def _ended(attempt: Attempt, outcome: str, now_ms: int) -> Attempt:
    return replace(attempt, ended_at_ms=now_ms, outcome=outcome)


def _cancelled(job: Job, now_ms: int) -> Job:
    why: dict[str, Any] = {"reason": ErrorCode.USER_CANCELLED, "message": "cancelled by a user", "retryable": False}
    return move(job, JobState.CANCELLED, now_ms, stage=None, **why)
