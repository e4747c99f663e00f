"""Everything a trainer may say about its attempt.

An event is an envelope (`Event`) whose `data` is one of the bodies below, chosen by `kind`. Events of one attempt are numbered
1, 2, 3 … without holes. Heartbeats are not events: they carry no number and are never stored.
"""

from enum import StrEnum
from math import isfinite
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError

from eyebright_wire.artifacts import ArtifactRef, ExportRef
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import Resources, Stage
from eyebright_wire.model import Counted, Note, Whole, WireModel


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isfinite(value)}


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _share_or_none(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= 1 else None


#: Measured values. JSON has no word for infinity or for what is not a number: such a one is left out, because a job must stay
#: readable whatever its training came to.
Metrics = Annotated[dict[str, float], AfterValidator(_finite)]
Estimate = Annotated[float | None, AfterValidator(_finite_or_none)]
#: A part of the whole, 0…1. Anything else, such as a percentage, is left out rather than guessed at.
Share = Annotated[float | None, AfterValidator(_share_or_none)]


class EventKind(StrEnum):
    STARTED = "started"
    STAGE = "stage"
    PROGRESS = "progress"
    CHECKPOINT = "checkpoint"
    ARTIFACT = "artifact"
    PREEMPTED = "preempted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: After one of these an attempt says nothing more.
LAST_WORDS = frozenset({EventKind.PREEMPTED, EventKind.SUCCEEDED, EventKind.FAILED, EventKind.CANCELLED})


class Event(WireModel):
    """One numbered statement. `kind` is a plain string: a reader ignores kinds it does not know."""

    seq: Counted
    kind: str = Field(max_length=64)
    at_ms: Whole = Field(description="When it happened by the trainer's clock, milliseconds since 1970 UTC")
    data: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def from_line(cls, line: bytes) -> Self | None:
        """What a line of a spool says; None if it is damaged, or torn: without its end, even if what is there would parse."""
        if not line.endswith(b"\n"):
            return None
        try:
            return cls.model_validate_json(line)
        except ValidationError:
            return None


class Started(WireModel):
    """The process is up and has read its spec."""

    pid: int
    host: str
    resumed_from_step: Whole | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    resources: Resources | None = Field(default=None, description="What it was given of the machine")


class StageChange(WireModel):
    stage: Stage


class Unit(StrEnum):
    """What a step is where nothing is optimised."""

    BYTES = "bytes"
    FILES = "files"
    IMAGES = "images"
    CHECKS = "checks"


class Progress(WireModel):
    """Where training stands. Counts begin at 1; `epoch` is the one under way or just finished.

    An import has one epoch: it takes `step` of `steps` bytes, files or images, as `unit` says. So has a rehearsal, of checks.
    """

    epoch: Whole
    epochs: Counted
    step: Whole = Field(default=0, description="Optimiser steps since the first epoch")
    steps: Whole | None = Field(default=None, description="Optimiser steps in the whole run")
    epoch_finished: bool = False
    metrics: Metrics = Field(default_factory=dict)
    images_per_second: Estimate = None
    eta_seconds: Estimate = None
    unit: Unit | None = Field(default=None, description="What a step is; default: a step of the optimiser")
    fraction: Share = Field(default=None, description="Done of the whole, 0…1; default: as steps or epochs tell")
    note: Note | None = Field(default=None, description="What it is at, in its own words")


class CheckpointSaved(WireModel):
    """`manifest` lists the checkpoint's files with their sha256; it is written last, so its presence means whole."""

    manifest: ArtifactRef
    epoch: Whole
    step: Whole
    metrics: Metrics = Field(default_factory=dict)
    best: bool = False


class ArtifactSaved(WireModel):
    artifact: ArtifactRef


class Preempted(WireModel):
    """The process was told to leave, and left a checkpoint if it could."""

    step: Whole | None = None


class PreparedDataset(WireModel):
    """What an import has laid ready below its output, to be verified before it becomes a version."""

    manifest_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    blobs: Whole = Field(description="Files that the manifest names, equal ones counted once")


class Succeeded(WireModel):
    """The last word of a good run: everything it produced, to be verified before the model or version is registered."""

    artifacts: tuple[ArtifactRef, ...]
    metrics: Metrics
    classes: tuple[str, ...] = ()
    exports: tuple[ExportRef, ...] = ()
    dataset: PreparedDataset | None = Field(default=None, description="Of an import that is to be kept")
    peak_memory_bytes: Whole | None = Field(default=None, description="Most that its process held in main memory")
    peak_device_bytes: Whole | None = Field(default=None, description="Most that it held on one GPU")
    checkpoint_bytes: Whole | None = Field(default=None, description="Largest of the checkpoints that it left")
    checkpoint: str | None = Field(
        default=None, description="Address that it left its result at, such as s3://…; it is fetched from there"
    )


class Failed(WireModel):
    code: ErrorCode
    message: str
    retryable: bool | None = None  # None: decided by the code
    detail: str | None = None  # the traceback, for whoever debugs
    errors: tuple[dict[str, Any], ...] | None = Field(
        default=None, description="What is wrong with the data, one by one"
    )


class Cancelled(WireModel):
    """The trainer stopped because it was asked to."""

    step: Whole | None = None


#: The body of each kind.
BODIES: dict[str, type[WireModel]] = {
    EventKind.STARTED: Started,
    EventKind.STAGE: StageChange,
    EventKind.PROGRESS: Progress,
    EventKind.CHECKPOINT: CheckpointSaved,
    EventKind.ARTIFACT: ArtifactSaved,
    EventKind.PREEMPTED: Preempted,
    EventKind.SUCCEEDED: Succeeded,
    EventKind.FAILED: Failed,
    EventKind.CANCELLED: Cancelled,
}


class EventBatch(WireModel):
    """POST {events_url}: contiguous events, oldest first."""

    events: tuple[Event, ...] = Field(min_length=1, max_length=1000)


class Ack(WireModel):
    """The answer to a batch or a heartbeat: `acked` is the highest number stored; `cancel` asks the trainer to stop."""

    acked: int
    cancel: bool = False


class Heartbeat(WireModel):
    """POST {events_url}/heartbeat: I live; `moved_at_ms` is when training last took a step, so that hung differs from dead."""

    at_ms: Whole
    moved_at_ms: Whole
    step: Whole = 0
