"""What is written beside a job when it changes: kept as history, never changed afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eyebright.core.job import Job, Run
from eyebright.core.scope import DEFAULT_PROJECT
from eyebright.errors import no_dataset, no_version_of, version_deleted
from eyebright_wire.artifacts import ArtifactRef, ExportRef
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState

#: Of a message about a change that left the state as it was.
PROGRESS_TOPIC = "job.progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A trainer's event as accepted. `position` counts over all attempts of the job."""

    job_id: str
    attempt: int
    seq: int
    position: int
    kind: str
    at_ms: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    job_id: str
    attempt: int
    epoch: int
    step: int
    best: bool
    manifest: ArtifactRef
    metrics: Mapping[str, float]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A verified file of a succeeded attempt."""

    job_id: str
    attempt: int
    ref: ArtifactRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A registered model and its origin: one of the versions that have its name."""

    id: str
    name: str
    number: int  # 1, 2, … among those of its name; 0 until the store has given it. Never used twice
    job_id: str
    attempt: int
    trainer: str
    task: str
    architecture: str
    dataset_version: str
    classes: tuple[str, ...]
    metrics: Mapping[str, float]
    exports: tuple[ExportRef, ...]
    artifacts: tuple[ArtifactRef, ...]
    project: str = DEFAULT_PROJECT  # in which its name is
    parent: str | None = None  # the model that its training began from
    licence: str | None = None  # SPDX, of its trainer when it was ordered; None: that was not recorded yet
    aliases: tuple[str, ...] = ()  # that point to it, in order
    created_at_ms: int
    deleted_at_ms: int | None = None
    cleared_at_ms: int | None = None  # its files have been removed, too

    @property
    def title(self) -> str:
        """`cats@3`."""
        return f"{self.name}@{self.number}"


@dataclass(frozen=True, slots=True)
class Exported:
    """A form that a registered model has now, too."""

    model_id: str
    exports: tuple[ExportRef, ...]
    artifacts: tuple[ArtifactRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of state."""

    job_id: str
    version: int
    state: JobState
    at_ms: int
    reason: ErrorCode | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One outbox row: what the world is told about version `version` of a job, in order per job, at least once."""

    job_id: str
    version: int
    topic: str  # job.queued … job.succeeded, or PROGRESS_TOPIC
    at_ms: int
    attempt: int
    trainer: str
    state: JobState
    reason: ErrorCode | None = None
    project: str = DEFAULT_PROJECT  # whose job it is
    ran_ms: int | None = None  # with the last state: from the first start of a trainer to the end


@dataclass(frozen=True, slots=True)
class Change:
    """One decision, to be written whole or not at all: the run before, the run after, and the records that go with it.

    The store compares `before` (version, attempt) under the row lock; `after.job.version` is `before.job.version + 1`,
    or equal when only the attempt changed (a heartbeat).
    """

    before: Run
    after: Run
    at_ms: int
    events: tuple[StoredEvent, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    model: Model | None = None
    imported: "Version | None" = None
    exported: Exported | None = None

    @property
    def job_changed(self) -> bool:
        return self.after.job != self.before.job

    @property
    def transition(self) -> Transition | None:
        """The history row, when the state changed."""
        job = self.after.job
        if job.state is self.before.job.state:
            return None
        return transition_to(job, self.at_ms)

    @property
    def message(self) -> Message | None:
        """The outbox row, when anything about the job changed."""
        return message_about(self.after.job, self.before.job, self.at_ms) if self.job_changed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An immutable data set version; `id` is the sha256 of its manifest with the prefix `dsv_` and 24 hex digits."""

    id: str
    dataset: str
    number: int
    manifest_sha256: str
    report: Mapping[str, Any]  # a wire DatasetReport, as JSON
    created_at_ms: int
    project: str = DEFAULT_PROJECT  # other projects may have the same content under the same id
    deleted_at_ms: int | None = None  # what it held may be gone; jobs and models that came of it still name it

    @property
    def title(self) -> str:
        return f"{self.dataset} version {self.number}"

    def require_there(self) -> None:
        """Raises NotFound once it was deleted."""
        if self.deleted_at_ms is not None:
            raise version_deleted(self.id, self.title, self.deleted_at_ms)


def changes_of(version: Version) -> str | None:
    """The sha256 of the list of what was changed, if anything was."""
    changes: Mapping[str, str] | None = version.report.get("changes")
    return changes["sha256"] if changes else None


def to_delete(versions: Sequence[Version], name: str, number: int | None) -> Sequence[Version]:
    """Of all that a data set ever had, or of the one of this number, what is still there. Raises NotFound without any."""
    there = [version for version in versions if version.deleted_at_ms is None]
    if not there and number is None:
        raise no_dataset(name)
    if not versions and number is not None:
        raise no_version_of(name, number)
    if not there:
        versions[0].require_there()
    return there


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    name: str
    created_at_ms: int
    versions: tuple[Version, ...] = field(default=())


def with_exports(model: Model, exported: Exported) -> Model:
    return replace(
        model, exports=(*model.exports, *exported.exports), artifacts=(*model.artifacts, *exported.artifacts)
    )


def changed(before: Run, after: Run, at_ms: int, **records: Any) -> Change:
    """Seal a decision: the job's version rises by one if the job is not what it was."""
    if after.job != before.job:
        after = replace(after, job=replace(after.job, version=before.job.version + 1))
    return Change(before, after, at_ms, **records)


def transition_to(job: Job, at_ms: int) -> Transition:
    return Transition(
        job_id=job.id, version=job.version, state=job.state, at_ms=at_ms, reason=job.reason, message=job.message
    )


def message_about(job: Job, before: Job | None, at_ms: int) -> Message:
    moved = before is None or before.state is not job.state
    return Message(
        job_id=job.id,
        version=job.version,
        topic=f"job.{job.state}" if moved else PROGRESS_TOPIC,
        at_ms=at_ms,
        attempt=job.attempt,
        trainer=job.trainer,
        state=job.state,
        reason=job.reason,
        project=job.project,
        ran_ms=_ran_ms(job),
    )


def _ran_ms(job: Job) -> int | None:
    """None: it has not ended, or no trainer ever started."""
    if job.started_at_ms is None or job.finished_at_ms is None:
        return None
    return job.finished_at_ms - job.started_at_ms
