"""A job and the attempts that carry it out.

`Run` is the pair that every decision looks at. The verbs in `core/lifecycle.py` take a `Run` and give back a new one; nothing
else changes a state. Times are integer milliseconds since 1970 UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eyebright.core.scope import DEFAULT_PROJECT
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Progress, Succeeded
from eyebright_wire.jobs import JobKind, JobState, Stage, kind_of
from eyebright_wire.resources import Needs, TimeForecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One order, from its birth to one of the three final states."""

    id: str
    name: str
    trainer: str
    task: str
    model: str
    dataset_version: str
    project: str = DEFAULT_PROJECT
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])  # only what differs from the recipe
    resolved: Mapping[str, Any] = field(default_factory=dict[str, Any])  # every field with its value
    priority: int = 0
    executor: str = "local"
    max_duration_seconds: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    rerun_of: str | None = None
    licence: str | None = None  # SPDX, of the trainer that took the order
    parent: str | None = None  # the model that training begins from
    resume_from: str | None = None  # the ended job whose checkpoints it goes on from, until it has its own
    forecast: TimeForecast | None = None  # of how long it takes; none where nothing was known
    needs: Needs | None = None  # of memory and disk, as foretold; none where nothing was known
    created_at_ms: int

    state: JobState = JobState.QUEUED
    version: int = 1  # + 1 with every saved change: the optimistic lock and the outbox key
    attempt: int = 0  # the fencing token: only events of this attempt count
    not_before_ms: int = 0
    held: bool = False  # queued only when it is released
    stage: Stage | None = None
    reason: ErrorCode | None = None
    message: str = ""
    retryable: bool = False
    cancel_requested: bool = False
    progress: Progress | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    model_id: str | None = None
    imported_version: str | None = None
    events: int = 0  # stored so far over all attempts: the position of the newest
    started_at_ms: int | None = None
    finished_at_ms: int | None = None

    # What has been spent of each retry budget.
    failures: int = 0
    losses: int = 0
    preemptions: int = 0
    barren: int = 0  # attempts in a row that left no new checkpoint

    @property
    def kind(self) -> JobKind:
        return kind_of(self.trainer)

    @property
    def needed_version(self) -> str:
        """The id of the data set version that it is to be trained on or to import from; empty without one."""
        return self.config.get("version", "") if self.kind is JobKind.IMPORT else self.dataset_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One launch of a job. It is live until `ended_at_ms`; its process may outlive that until `gone_at_ms`."""

    job_id: str
    number: int
    executor: str
    token_sha256: str
    claimed_at_ms: int
    lease_until_ms: int
    place: str | None = None  # the server whose folder it runs in; None: any server can look after it
    slot: int | None = None  # which of the executor's places it takes until it is gone
    launched_at_ms: int | None = None  # None: the control plane never got as far as launching
    heartbeat_at_ms: int = 0
    moved_at_ms: int = 0  # when training last took a step
    last_seq: int = 0
    checkpoints: int = 0
    claim: Succeeded | None = None  # what it says it produced, until the finaliser has looked
    ended_at_ms: int | None = None
    outcome: str | None = None  # an ErrorCode, or "succeeded"
    gone_at_ms: int | None = None  # the executor confirmed that nothing of it runs any more

    @property
    def live(self) -> bool:
        return self.ended_at_ms is None

    def ran_ms(self, now_ms: int) -> int:
        """From its launch to its end, or until now."""
        if self.launched_at_ms is None:
            return 0
        return (now_ms if self.ended_at_ms is None else self.ended_at_ms) - self.launched_at_ms


@dataclass(frozen=True, slots=True)
class Run:
    """A job and one of its attempts: the current one, or the older one that an event came from."""

    job: Job
    attempt: Attempt | None = None

    @property
    def current(self) -> bool:
        """The attempt is live and is the one that the job waits for."""
        attempt = self.attempt
        return attempt is not None and attempt.live and attempt.number == self.job.attempt
