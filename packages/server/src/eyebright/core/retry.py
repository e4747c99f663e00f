"""Which ends of an attempt are tried again, how often, and how long to wait: a separate bounded budget for each class."""

from dataclasses import dataclass, replace
from enum import StrEnum

from eyebright.core.job import Job
from eyebright_wire.errors import RETRYABLE, ErrorCode
from eyebright_wire.jobs import JobKind


class Budget(StrEnum):
    """What an unsuccessful end is charged to."""

    FAILURES = "failures"  # the training itself went wrong
    LOSSES = "losses"  # the machine, the disk or the network did
    PREEMPTIONS = "preemptions"  # it was asked to make room


LOSSES = frozenset({ErrorCode.WORKER_LOST, ErrorCode.HUNG, ErrorCode.STORAGE_ERROR, ErrorCode.NO_CAPACITY})


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How many retries each budget allows, and `barren`: so many attempts in a row without a new checkpoint end the job."""

    failures: int = 2
    losses: int = 5
    preemptions: int = 50
    barren: int = 3
    base_seconds: float = 1.0
    cap_seconds: float = 300.0


def budget_of(code: ErrorCode) -> Budget:
    if code is ErrorCode.PREEMPTED:
        return Budget.PREEMPTIONS
    return Budget.LOSSES if code in LOSSES else Budget.FAILURES


def retryable(code: ErrorCode, said: bool | None) -> bool:
    """The trainer's own word (`said`) goes before what the code suggests."""
    return code in RETRYABLE if said is None else said


def charge(job: Job, code: ErrorCode, *, checkpointed: bool) -> Job:
    """Book one unsuccessful attempt."""
    budget = budget_of(code)
    barren = 0 if checkpointed else job.barren + 1
    return replace(job, barren=barren, **{budget.value: getattr(job, budget.value) + 1})


def exhausted(job: Job, code: ErrorCode, limits: RetryLimits) -> str | None:
    """After `charge`: why the job may not be tried again, in words; None if it may."""
    budget = budget_of(code)
    spent, allowed = getattr(job, budget.value), getattr(limits, budget.value)
    if spent > allowed:
        return f"given up after {allowed} retries of this kind ({budget})"
    if barren(job, code, limits):
        return f"given up after {job.barren} attempts in a row without a new checkpoint"
    return None


def barren(job: Job, code: ErrorCode, limits: RetryLimits) -> bool:
    """Attempt after attempt leaves nothing. A pre-emption says nothing about the job, so it is never counted against it; and
    an import saves nothing on its way, so that it saved nothing says nothing either."""
    counts = job.kind is JobKind.TRAINING and budget_of(code) is not Budget.PREEMPTIONS
    return counts and job.barren >= limits.barren


def delay_ms(job: Job, code: ErrorCode, limits: RetryLimits) -> int:
    """Doubles with each charge against the same budget; a pre-empted job goes on at once."""
    budget = budget_of(code)
    if budget is Budget.PREEMPTIONS:
        return 0
    spent: int = getattr(job, budget.value)
    return int(1000 * min(limits.cap_seconds, limits.base_seconds * 2 ** max(0, spent - 1)))
