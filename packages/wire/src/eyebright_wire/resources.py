"""What the native API answers with: one model per resource, shared by server, client and CLI."""

import re
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, NonNegativeFloat, computed_field, model_validator

from eyebright_wire.artifacts import ArtifactRef, ExportRef
from eyebright_wire.datasets import DatasetPlan, DatasetReport
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Event, Progress
from eyebright_wire.jobs import JobKind, JobState, PreflightRequest, Stage, kind_of
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.model import Line, RequestModel, Whole, WireModel
from eyebright_wire.names import DatasetName
from eyebright_wire.predictions import ClassMask, ClassScore, FoundObject
from eyebright_wire.taxonomy import TAXONOMY

T = TypeVar("T")


class Page(WireModel, Generic[T]):
    """Keyset paging: pass `next` as `?after=` to go on; None means that was all."""

    items: tuple[T, ...]
    next: str | None = None


class Transition(WireModel):
    """One change of state, kept for ever."""

    version: int
    state: JobState
    at_ms: int
    reason: ErrorCode | None = None
    message: str = ""


class TimeForecast(WireModel):
    """How long a training is likely to run once it has started, by what earlier ones of the same model took on this machine."""

    seconds: NonNegativeFloat | None = Field(
        default=None, description="None while nothing is known; at most, if it may stop early"
    )
    low_seconds: NonNegativeFloat | None = None
    high_seconds: NonNegativeFloat | None = None
    fixed_seconds: NonNegativeFloat | None = Field(
        default=None, description="The part that grows with neither images nor epochs: start, data, exports"
    )
    runs: Whole = Field(default=0, description="Earlier trainings that it rests on")
    basis: Literal["measured", "scaled", "unknown"] = Field(
        description="Measured with the same image size, batch and device; or scaled from others that are not far from that"
    )
    how: str = Field(description="How it was found, or why nothing is known, in words")
    error: NonNegativeFloat | None = Field(
        default=None,
        description="By what share of the time that was taken past forecasts of this model were wrong, in the middle of them",
    )
    tested: Whole = Field(default=0, description="How many past forecasts that is said of")


class Needs(WireModel):
    """The memory and the disk space that a training was to take, as foretold when it was ordered, and what it took. What was not
    known is left out; so is what it took until it has succeeded, and in lists."""

    place: Literal["main", "gpu"] = Field(default="main", description="Which memory")
    memory_bytes: Whole | None = Field(default=None, description="Most that it was to hold; on one GPU, if it got one")
    held_bytes: Whole | None = Field(default=None, description="Most that it has held there")
    disk_bytes: Whole | None = Field(
        default=None, description="Checkpoints that are there at once, weights and exports"
    )
    written_bytes: Whole | None = Field(default=None, description="As much of that as it has written")


class JobView(WireModel):
    """A job as everybody outside sees it."""

    id: str
    name: str
    state: JobState
    stage: Stage | None = None
    reason: ErrorCode | None = None
    message: str = ""
    retryable: bool = False
    cancel_requested: bool = False
    trainer: str
    task: str
    model: str
    dataset_version: str = Field(description="What is trained on; empty for an import")
    parent: str | None = Field(default=None, description="The model that training begins from")
    config: dict[str, Any] = Field(default_factory=dict, description="Only what differs from the recipe")
    priority: int = 0
    executor: str = "local"
    max_duration_seconds: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    attempt: int = 0
    version: int = 1
    progress: Progress | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    queue_position: int | None = None  # 1 = next
    rerun_of: str | None = None
    resume_from: str | None = Field(default=None, description="The ended job whose checkpoints it goes on from")
    model_id: str | None = None  # once registered
    imported_version: str | None = Field(default=None, description="The data set version that an import has made")
    forecast: TimeForecast | None = Field(
        default=None, description="How long it was to take, as foretold when it was ordered; none: nothing was known"
    )
    needs: Needs | None = Field(default=None, description="What it was to take of memory and disk; none: not known")
    created_at_ms: int
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    not_before_ms: int = 0
    held: bool = Field(default=False, description="Ordered, and in no queue until whoever ordered it lets it begin")
    status_transitions: tuple[Transition, ...] = ()

    @computed_field
    @property
    def kind(self) -> JobKind:
        return kind_of(self.trainer)

    @computed_field(description="What to do about the reason; empty without one")
    @property
    def remedy(self) -> str:
        return TAXONOMY[self.reason].remedy if self.reason else ""


class PreflightFinding(WireModel):
    """Something that is wrong with an order, or may be."""

    severity: Literal["error", "warning"] = Field(
        description="With an error the order would be refused, or fail for certain"
    )
    code: str = Field(
        description="As the order would be refused with; of a warning: disk_full, out_of_memory, idle_setting or place_unknown"
    )
    message: str
    field: str = ""


class DiskForecast(WireModel):
    """Bytes that a run takes on one disk, beside what is free there now."""

    path: str
    dataset_bytes: Whole = Field(default=0, description="Copies of its images, where it may not be given links to them")
    checkpoint_bytes: Whole = Field(default=0, description="All that are kept, and the one that is being written")
    result_bytes: Whole = Field(default=0, description="Weights and exports")
    free_bytes: Whole
    basis: Literal["measured", "rule"] | None = Field(
        default=None,
        description="Of checkpoints and results: what earlier trainings wrote, or a rule of thumb; none: there are none here",
    )
    how: str = Field(default="", description="How it was found, in words")
    error: NonNegativeFloat | None = Field(
        default=None,
        description="By what share of what was written this was wrong of earlier trainings, as foretold when each was ordered, "
        "or from those before it where that was not kept; in the middle of them",
    )
    tested: Whole = Field(default=0, description="How many earlier trainings that is said of")

    @property
    def needed_bytes(self) -> int:
        return self.dataset_bytes + self.checkpoint_bytes + self.result_bytes


class MemoryForecast(WireModel):
    """The most memory that a run is likely to hold, on one GPU if it gets one."""

    place: Literal["main", "gpu"]
    needed_bytes: Whole
    free_bytes: Whole | None = Field(default=None, description="Now; none: it is not known")
    basis: Literal["measured", "scaled", "rule"] = Field(
        description="Measured in a run with the same model, image size and batch; scaled from another; or by a rule of thumb"
    )
    how: str = Field(description="How it was found, in words")
    error: NonNegativeFloat | None = Field(
        default=None,
        description="By what share of what was held this was wrong of earlier runs, as foretold when each was ordered, or from "
        "those before it where that was not kept; in the middle of them",
    )
    tested: Whole = Field(default=0, description="How many earlier runs that is said of")


class Preflight(WireModel):
    """What an order would run as, everything that is wrong with it, and what it would take. What is not known is left out."""

    trainer: str = ""
    task: str = ""
    model: str = ""
    config: dict[str, Any] = Field(default_factory=dict, description="Every setting with its value")
    dataset_version: str = ""
    executor: str = Field(default="", description="Where it would run")
    classes: tuple[str, ...] = ()
    images: dict[str, int] = Field(default_factory=dict, description="Of each split")
    findings: tuple[PreflightFinding, ...] = ()
    disk: tuple[DiskForecast, ...] = ()
    memory: MemoryForecast | None = None
    time: TimeForecast | None = Field(default=None, description="Once a data set is named")

    @computed_field
    @property
    def ok(self) -> bool:
        """Nothing is known that forbids it."""
        return not self.errors

    @property
    def errors(self) -> tuple[PreflightFinding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")


class EventView(Event):
    """An event as stored: `position` counts over all attempts of the job and is the cursor of `?after=`."""

    position: int
    attempt: int


class CheckpointView(WireModel):
    attempt: int
    epoch: int
    step: int
    best: bool
    metrics: dict[str, float] = Field(default_factory=dict)
    path: str
    at_ms: int


class ArtifactView(ArtifactRef):
    attempt: int


class MetricPoint(WireModel):
    epoch: int
    step: int
    at_ms: int
    value: float


class MetricSeries(WireModel):
    name: str
    points: tuple[MetricPoint, ...]


class LogChunk(WireModel):
    """Bytes `offset`…`next_offset` of an attempt's output, decoded leniently."""

    attempt: int
    offset: int
    next_offset: int
    text: str
    complete: bool  # the attempt ended and nothing follows
    elsewhere: str | None = None  # where the output is to be had, if not at the server that answers


class DatasetVersionView(WireModel):
    id: str
    dataset: str
    number: int
    created_at_ms: int
    manifest_sha256: str
    report: DatasetReport


class DatasetView(WireModel):
    name: str
    created_at_ms: int
    versions: tuple[DatasetVersionView, ...] = ()


_SOURCES = ("path", "upload", "url", "images", "version")
#: Images that one order may list. What is larger lies better in one folder, which is one address.
MOST_IMAGES = 10_000


class ImageSource(RequestModel):
    """An image that lies elsewhere, by itself."""

    url: Line = Field(description="https://…, s3://…, gs://… or az://…, fetched by the server")
    caption: Line | None = Field(default=None, description="What it shows, in words")


class DatasetSource(RequestModel):
    """Where the data are: exactly one of `path`, `upload`, `url`, `images` and `version`."""

    path: Line | None = Field(default=None, description="A folder or zip that the server itself can read; absolute")
    upload: Line | None = Field(default=None, description="The id of a finished upload")
    url: Line | None = Field(default=None, description="https://…, s3://…, gs://… or az://…, fetched by the server")
    images: tuple[ImageSource, ...] = Field(
        default=(),
        max_length=MOST_IMAGES,
        description="Each by its own address, fetched by the server; their schemes and hosts may differ",
    )
    version: Line | None = Field(default=None, description="The id of a stored version, of which a plan makes another")
    leave_out_broken: bool = Field(
        default=False,
        description="Go on without files that mean to be images and cannot be used, instead of refusing",
    )
    plan: DatasetPlan | None = Field(default=None, description="What to make of them on the way")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name) not in (None, ())]
        if len(given) != 1:
            expected = f"{', '.join(_SOURCES[:-1])} and {_SOURCES[-1]}"
            raise ValueError(f"found {' and '.join(given) or 'none'}; expected exactly one of {expected}")
        return self


class DatasetInspection(DatasetSource):
    """Look at the data and keep nothing."""


class DatasetImport(DatasetSource):
    """Make an immutable version of the data."""

    name: DatasetName | None = Field(default=None, description="Default: the file's own")
    train: PreflightRequest | None = Field(
        default=None, description="An order to be placed on the version once it is there; it names no data set"
    )
    labels: dict[Line, Line] = Field(default_factory=dict, description="Of the job that imports")

    @model_validator(mode="after")
    def _trains_on_what_it_brings(self) -> Self:
        if self.train is not None and self.train.dataset is not None:
            raise ValueError("train names the data set itself; leave `dataset` out, it is the one that is imported")
        return self


def _is_alias(alias: str) -> str:
    if not re.fullmatch(_ALIAS, alias):
        raise ValueError(
            f"{alias!r} is no alias; expected a word of at most 63 lower-case letters, digits, dashes and underscores that "
            "begins with a letter, such as production"
        )
    return alias


_ALIAS = "[a-z][a-z0-9_-]{0,62}"
#: A word that points to one version of a model; a number alone is a version's own.
Alias = Annotated[str, AfterValidator(_is_alias), Field(json_schema_extra={"pattern": f"^{_ALIAS}$"})]


class Ancestor(WireModel):
    """A model that another one began from, directly or not. A deleted one is told of too: only its files are gone."""

    id: str
    name: str
    number: int
    architecture: str
    dataset_version: str
    job_id: str
    deleted_at_ms: int | None = None


class ModelView(WireModel):
    """A registered model and where it came from: one of the versions that have its name."""

    id: str
    name: str
    number: int = Field(description="1, 2, … among those of its name; never used twice")
    aliases: tuple[str, ...] = Field(default=(), description="Words that point to it, such as production")
    job_id: str
    attempt: int
    trainer: str
    task: str
    architecture: str
    dataset_version: str
    parent: str | None = Field(default=None, description="The model that its training began from")
    lineage: tuple[Ancestor, ...] = Field(
        default=(), description="What it began from, what that began from, …; lists of models leave this out"
    )
    classes: tuple[str, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    exports: tuple[ExportRef, ...] = ()
    artifacts: tuple[ArtifactRef, ...] = ()
    licence: str | None = Field(default=None, description="SPDX, of its trainer at that time; none: not recorded")
    created_at_ms: int


class Prediction(WireModel):
    """What a model makes of one image: a classifier gives scores, a semantic segmenter a mask, every other model the objects that
    it found."""

    model_id: str
    scores: tuple[ClassScore, ...] = Field(default=(), description="One for each class, best first")
    objects: tuple[FoundObject, ...] = Field(default=(), description="Best first")
    mask: ClassMask | None = Field(default=None, description="Which class each pixel is of")
    seconds: float


class MetricDifference(WireModel):
    """None where a model has no such metric."""

    name: str
    left: float | None
    right: float | None
    difference: float | None = Field(description="right − left")


class SettingDifference(WireModel):
    name: str
    left: Any = None
    right: Any = None
    only: Literal["left", "right"] | None = Field(default=None, description="The only one whose trainer knows it")


class ModelComparison(WireModel):
    """Two models side by side. Of the settings only those that differ."""

    left: ModelView
    right: ModelView
    metrics: tuple[MetricDifference, ...]
    settings: tuple[SettingDifference, ...]
    classes_only_left: tuple[str, ...] = ()
    classes_only_right: tuple[str, ...] = ()


class ExportRequest(RequestModel):
    """A form of a model that is wanted."""

    format: Line = Field(description="Such as onnx")


class ModelExport(WireModel):
    """A form of a model: there, or being made by a job."""

    model: ModelView
    export: ExportRef | None = None
    job: JobView | None = Field(default=None, description="That makes it; none when it is there")


class TrainerView(WireModel):
    name: str
    installed: bool
    version: str | None = None
    licence: str | None = None
    description: str = ""
    tasks: dict[str, tuple[str, ...]] = Field(
        default_factory=dict
    )  # task -> models, which are told once it is installed
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="What else a task is called")
    environment: str = ""  # where it is, or would be
    executors: tuple[str, ...] = Field(default=(), description="Places to run that have it; the first is the default")
    problem: str = ""  # why it cannot be used, and what to do
    stale: bool = Field(
        default=False, description="Its environment is there, and must be installed anew before it can be used"
    )

    @classmethod
    def of(cls, manifest: TrainerManifest, environment: str, executors: tuple[str, ...] = ()) -> Self:
        """One that is installed there, as it describes itself."""
        return cls(
            name=manifest.name,
            installed=True,
            version=manifest.version,
            licence=manifest.licence,
            description=manifest.description,
            tasks={task.name: tuple(model.name for model in task.models) for task in manifest.tasks},
            aliases={task.name: task.aliases for task in manifest.tasks if task.aliases},
            environment=environment,
            executors=executors,
        )

    def task_called(self, name: str) -> str | None:
        """The task of that name or alias, by its name."""
        return next((task for task in self.tasks if name in (task, *self.aliases.get(task, ()))), None)


class RecipeView(WireModel):
    name: str  # "torchvision/classification"
    trainer: str
    task: str
    aliases: tuple[str, ...] = Field(default=(), description="What else the task is called")
    models: tuple[str, ...]
    default_model: str
    config: dict[str, Any]
    config_schema: dict[str, Any]


class ResolutionRequest(RequestModel):
    """Overrides to be laid on a recipe, as an order would give them."""

    model: str | None = Field(default=None, description="Architecture; default: the recipe's own")
    config: dict[str, Any] = Field(default_factory=dict, description="Settings that differ from the recipe")


class Resolution(WireModel):
    """What would run: a recipe with overrides laid on it."""

    recipe: str  # "torchvision/classification"
    model: str
    config: dict[str, Any]  # every setting has its value
    changes: dict[str, Any]  # only what differs from the recipe
    yaml: str  # `config` as a file
    command: str  # for people to read; nothing runs it
    warnings: tuple[str, ...] = ()


class HealthView(WireModel):
    status: str
    version: str
    timestamp: datetime | None = Field(default=None, description="When this was answered, by the server's clock")
    checks: dict[str, str] = Field(default_factory=dict)
    leases: dict[str, str] = Field(
        default_factory=dict,
        description="What one of several servers does at a time, and which: `this server`, or its id",
    )


class ProblemDetails(WireModel):
    """RFC 9457; `code` is stable, `detail` says what was found, what was expected and what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    retryable: bool = Field(default=False, description="The very same request can succeed later")
    remedy: str = Field(default="", description="What helps against this kind of failure")
    errors: tuple[dict[str, Any], ...] = ()
    expected: int | None = None  # with code `gap`: the next event number
