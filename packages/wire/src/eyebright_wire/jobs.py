"""The order (`JobRequest`), the sealed envelope that a trainer opens (`JobSpec`), and the states between."""

from enum import StrEnum
from hashlib import sha256
from typing import Any

from pydantic import Field

from eyebright_wire import WIRE_VERSION
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef, Grant
from eyebright_wire.model import Line, RequestModel, WireModel
from eyebright_wire.names import JobName
from eyebright_wire.rehearsals import RehearsalOrder


class JobState(StrEnum):
    """`queued → starting → running → succeeded | failed | cancelled`; the last three are final."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in FINAL_STATES

    @property
    def live(self) -> bool:
        """An attempt is under way."""
        return self in LIVE_STATES


class JobKind(StrEnum):
    """What a job makes: a model, a version of a data set, another form of a model, or sure that an order can be carried out."""

    TRAINING = "training"
    IMPORT = "import"
    EXPORT = "export"
    REHEARSAL = "rehearsal"


#: The trainer of every import; of every export, which lets the model's own do it; and of every rehearsal, which lets the one that
#: was ordered do it. They come with the server, and no trainer of such a name can be registered beside them.
IMPORTER, EXPORTER, REHEARSER = "importer", "exporter", "rehearser"
#: The trainer of every job of that kind; all others train.
OWN_TRAINERS = {JobKind.IMPORT: IMPORTER, JobKind.EXPORT: EXPORTER, JobKind.REHEARSAL: REHEARSER}


def kind_of(trainer: str) -> JobKind:
    return next((kind for kind, own in OWN_TRAINERS.items() if own == trainer), JobKind.TRAINING)


def trace_id(job_id: str) -> str:
    """By which a job is followed through the logs of every process: 32 hex digits, as W3C Trace Context has them. Whoever knows
    the job knows it."""
    return sha256(job_id.encode()).hexdigest()[:32]


FINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
LIVE_STATES = frozenset({JobState.STARTING, JobState.RUNNING})


class Stage(StrEnum):
    """What a running attempt is busy with."""

    FETCHING = "fetching"
    VALIDATING = "validating"
    TRAINING = "training"
    EVALUATING = "evaluating"
    EXPORTING = "exporting"
    UPLOADING = "uploading"


class JobRequest(RequestModel):
    """An order for one training run. Only `dataset` must be given; everything else has a default that runs."""

    dataset: Line = Field(description="A data set version id, or a data set name (its newest ready version)")
    name: JobName | None = Field(default=None, description="Of the job, and of the model that comes of it")
    task: str = "classification"
    trainer: str | None = Field(
        default=None, description="Default: the first installed trainer that knows task and model"
    )
    model: str | None = Field(default=None, description="Default: the trainer's own default for the task")
    parent: Line | None = Field(
        default=None,
        description="A registered model to begin from, named as in a path; trainer, task and model are then its own",
    )
    config: dict[str, Any] = Field(
        default_factory=dict, description="Overrides on the recipe; unknown keys are refused"
    )
    priority: int = Field(default=0, ge=-100, le=100, description="Higher runs first")
    executor: str | None = Field(
        default=None, description="Where to run it; default: the first of the server's places that has the trainer"
    )
    max_duration_seconds: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="Longest running time, over all attempts together; then the job fails",
    )
    labels: dict[Line, Line] = Field(default_factory=dict)


class PreflightRequest(JobRequest):
    """An order to be checked and not carried out. Without `dataset`, everything but the data is."""

    dataset: Line | None = Field(  # pyright: ignore[reportIncompatibleVariableOverride] -- frozen: nobody can write a None
        default=None, description="As in an order; none while there are no data yet"
    )


class RehearsalRequest(JobRequest):
    """An order whose first batches, checkpoint and exports are to be tried; no model comes of it."""

    webhook: Line | None = Field(default=None, description="An address to connect to, without telling it anything")


class RetryRequest(RequestModel):
    """What the new job does otherwise."""

    config: dict[str, Any] = Field(
        default_factory=dict, description="How the model is handed over: exports, export_tolerance"
    )


class Resources(WireModel):
    """What this attempt may use. `devices` are CUDA indices; empty means CPU with `threads` threads."""

    devices: tuple[int, ...] = ()
    threads: int = Field(default=1, ge=1)


class DatasetGrant(WireModel):
    """The immutable data set version: `manifest` is a file below `blobs`, named by its sha256 like every other blob."""

    version_id: str
    name: str
    manifest_sha256: str
    blobs: Grant


#: Of a model, the files that its trainer needs to go on with it.
MODEL_FILES = frozenset({ArtifactKind.MODEL, ArtifactKind.LABELS, ArtifactKind.CONFIG})


class ModelGrant(WireModel):
    """A registered model to begin from. `files` are those that its weights are read from, below `source`."""

    id: str
    title: str  # cats@3
    architecture: str
    classes: tuple[str, ...] = ()
    source: Grant
    files: tuple[ArtifactRef, ...]


class ExportOrder(WireModel):
    """Make another form of the model that is granted as `parent`, instead of training."""

    format: str  # "onnx"


class ResumePoint(WireModel):
    """A checkpoint of an earlier attempt, readable through `source`; the kit verifies it before use."""

    source: Grant
    manifest: ArtifactRef
    epoch: int
    step: int


class JobSpec(WireModel):
    """The sealed order for one attempt: all that a trainer process needs, in one file of mode 0600."""

    wire: int = WIRE_VERSION
    job_id: str
    attempt: int = Field(ge=1)
    trainer: str
    task: str
    model: str
    config: dict[str, Any]  # fully resolved: every field has its value
    dataset: DatasetGrant | None = None  # None: an import, which is to make one
    parent: ModelGrant | None = None  # what training begins from, unless there is a checkpoint
    export: ExportOrder | None = None  # None: train
    output: Grant  # this attempt's own prefix
    resume: tuple[ResumePoint, ...] = ()  # newest first
    resources: Resources = Resources()
    callback_url: str | None = Field(
        default=None, description="Where a training service that keeps this attempt tells of it"
    )
    spool_url: str | None = Field(
        default=None,
        repr=False,
        description="Where that service puts a copy of the spool while nobody hears it: file:///… or a signed URL",
    )
    events_url: str | None = None  # POST batches here; None = spool only
    token: str = Field(default="", repr=False)  # this attempt's own; good for nothing else
    heartbeat_seconds: float = 15.0
    fetching: dict[str, Any] | None = None  # the operator's rules, for a trainer that fetches what its order names
    rehearsal: RehearsalOrder | None = None  # None: it is meant
    provenance: dict[str, str] = Field(default_factory=dict)  # environment lock hash, server version, …
