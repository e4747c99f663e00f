"""What Project Training's callers send, and what they are answered."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from eyebright.doors.compat.project_training.words import place_of
from eyebright_wire.model import Line

LINES = 200  # of a log, in one answer


class Said(BaseModel):
    """What its callers send; unknown fields are ignored, as they always were."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


class Named(Said):
    """One training of a project."""

    project_id: Line = Field(description="A number, or text", max_length=100)
    training_name: Line = Field(max_length=100)


class Recipe(Said):
    framework: str = "ultralytics"
    task: str = "detection"


class Start(Named, Recipe):
    dataset_path: Line = Field(description="projects/<Project>/training_data/<release_slug>/")
    model: str | None = Field(default=None, description="As `model` in config")
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="The whole configuration, or what differs from the base; `resume: true` goes on where it was stopped",
    )


class BaseConfig(Said):
    """The answer of config/default, or what has been made of it."""

    framework: str
    task: str
    config: dict[str, Any] = Field(default_factory=dict)


class Resolve(Said):
    base_config: str | BaseConfig = Field(
        description="<framework>/<task>, the path of its default.yaml, or the answer of config/default"
    )
    overrides: dict[str, Any] = Field(default_factory=dict)
    model: str | None = Field(default=None, description="As `model` in overrides")

    @property
    def base(self) -> BaseConfig:
        if isinstance(self.base_config, BaseConfig):
            return self.base_config
        framework, task = place_of(self.base_config)
        return BaseConfig(framework=framework, task=task)


class ReleasePath(Said):
    zip_path: Line = Field(description="projects/<Project>/releases/<zip>")


class DefaultConfig(BaseModel):
    base_config: str
    framework: str
    task: str
    config: dict[str, Any]
    config_schema: dict[str, Any] = Field(
        description="JSON Schema; `x-view` says who meets a setting: user or developer"
    )
    models: tuple[str, ...]


class ResolvedConfig(BaseModel):
    resolved_config: dict[str, Any]
    resolved_yaml: str
    changes: dict[str, Any]
    cli_preview: str = Field(description="For people to read; nothing runs it")
    warnings: tuple[str, ...] = ()


class Status(BaseModel):
    project_id: int | str
    training_name: str
    status: str = Field(description="queued, running, completed, failed or stopped")
    progress: float = Field(description="Percent of the epochs")
    message: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    job_id: str = Field(description="The native job: the import of the data first, then the training")


class Logs(BaseModel):
    status: str
    progress: float
    lines: tuple[str, ...]
    page: int
    offset: int
    next_offset: int = Field(description="Behind the last of these lines; to go on, ask for page 1 from there")
    complete: bool


class CheckpointFile(BaseModel):
    name: str
    path: str = Field(description="Its folder, relative to the projects' root, once the training has ended")
    epoch: int
    step: int
    best: bool
    metrics: dict[str, float]
    created_at_ms: int


class ReleaseView(BaseModel):
    zip_path: str
    extracted: bool
    target_dir: str
    classes: tuple[str, ...] = ()


class AiModel(BaseModel):
    """A registered model, as a project lists it."""

    id: str
    project_id: int | str
    name: str
    file_path: str = Field(description="Relative to the projects' root")
    type: str
    format: str
    training_input_size: int | None
    classes: tuple[str, ...]
    status: str = "Ready"
    metadata: dict[str, Any]


class LogQuery(Named):
    page: int = Field(default=1, ge=1, description=f"Of {LINES} lines each, from `offset` on")
    offset: int = Field(default=0, ge=0, description="0, or `next_offset` of the answer before")
