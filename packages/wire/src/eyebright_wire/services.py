"""What a training service is asked, and what it answers: one framework behind HTTP, each training in a process of its own."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.events import Event, Heartbeat
from eyebright_wire.jobs import JobSpec
from eyebright_wire.model import Counted, Line, Whole, WireModel
from eyebright_wire.runs import Handle, Liveness, Vital

_Address = Annotated[str, Field(min_length=1, max_length=4096)]


class TrainingStart(WireModel):
    """POST /training/start: train this, and tell `callback_url` how it goes."""

    job_id: Annotated[Line, Field(min_length=1, max_length=200)] = Field(
        description="What the caller calls the training; repeated in every callback"
    )
    config: dict[str, Any] = Field(default_factory=dict)
    dataset_s3_uri: _Address
    callback_url: _Address
    spec: JobSpec | None = Field(
        default=None, description="The sealed order of an Eyebright; then its config and its data count"
    )


class TrainingStarted(WireModel):
    status: Literal["started"] = "started"
    job_id: str


class ServiceModel(WireModel):
    name: str
    framework: str
    task: str


class ServiceModels(WireModel):
    """GET /models"""

    models: tuple[ServiceModel, ...]


class ServiceHealth(WireModel):
    """GET /health. `eyebright` is the version of the kit: whoever says it takes a `spec`."""

    status: Literal["healthy"] = "healthy"
    framework: str
    eyebright: str
    places: int = Field(description="Trainings at once")
    free: int = Field(description="Places where none runs")


class RunReport(WireModel):
    """One run as its service knows it. `exit_code` None with `gone`: nobody saw it end."""

    name: str
    job_id: str
    attempt: Counted
    vital: Vital
    exit_code: int | None = None
    out_of_memory: bool = False
    heartbeat: Heartbeat | None = None
    log_tail: str = ""

    @classmethod
    def of(cls, handle: Handle, liveness: Liveness) -> Self:
        return cls(
            name=f"{handle.job_id}-a{handle.attempt}",
            job_id=handle.job_id,
            attempt=handle.attempt,
            vital=liveness.vital,
            exit_code=liveness.exit_code,
            out_of_memory=liveness.out_of_memory,
            heartbeat=liveness.heartbeat,
            log_tail=liveness.log_tail,
        )

    @property
    def liveness(self) -> Liveness:
        return Liveness(self.vital, self.exit_code, self.out_of_memory, self.heartbeat, self.log_tail)


class RunReports(WireModel):
    """GET /runs"""

    runs: tuple[RunReport, ...]


class SpooledEvents(WireModel):
    """GET /runs/{name}/spool: the next events of a run, in their order."""

    events: tuple[Event, ...]


class DeadLetter(WireModel):
    """An update that could not be delivered. Its run has told nothing since."""

    id: str
    run: str
    at_ms: Whole
    reason: str
    update: TrainingUpdate


class DeadLetters(WireModel):
    """GET /dead"""

    letters: tuple[DeadLetter, ...]
