"""Project Training: the API by which projects with folders of their own train on a release and look at what comes of it.

Its words (`project_id`, `training_name`, `completed`, …) live here only; each endpoint is a few native verbs.
"""

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from eyebright.doors.door import Given, Verbs
from eyebright.doors.problems import refusals
from eyebright.doors.strict import StrictRoute
from eyebright.errors import Conflict, EyebrightError, NotFound
from eyebright.ports.jobs import JobQuery
from eyebright.services import Services
from eyebright.services.project_tree import PROJECT, PROJECT_ID, TRAINING, Training, best_name, best_weights
from eyebright_wire.jobs import FINAL_STATES, JobKind, JobState, PreflightRequest
from eyebright_wire.model import Line
from eyebright_wire.names import plain
from eyebright_wire.resources import DatasetImport, JobView, ResolutionRequest


def _log(category: str) -> structlog.stdlib.BoundLogger:
    """Its operators filter by these categories."""
    return structlog.stdlib.get_logger(category, category=category)


operations, backend = _log("operations.training"), _log("app.backend")
invalid, broken = _log("errors.validation"), _log("errors.system")


class CategorisedRoute(StrictRoute):
    """Each call is logged as `app.backend`, and what is refused or fails as `errors.validation` or `errors.system`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            backend.info("called", operation=self.operation_id)
            try:
                return await handle(request)
            except RequestValidationError:
                invalid.warning("not understood", operation=self.operation_id)
                raise
            except EyebrightError as error:
                log = broken.error if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else invalid.warning
                log("refused", operation=self.operation_id, code=error.code, message=error.message)
                raise

        return told


router = APIRouter(prefix="/api/v1/training", tags=["project training"], route_class=CategorisedRoute)

#: Its names of what is trained with what, and ours.
FRAMEWORKS: Mapping[str, str] = MappingProxyType({"mmdetection": "mmdet"})
TASKS: Mapping[str, str] = MappingProxyType(
    {
        "segmentation": "instance_segmentation",
        "pose": "keypoint_detection",
        "obb": "oriented_detection",
        "detect": "detection",
        "segment": "instance_segmentation",
        "classify": "classification",
    }
)
STATUS: Mapping[JobState, str] = MappingProxyType(
    {
        JobState.QUEUED: "queued",
        JobState.STARTING: "queued",
        JobState.RUNNING: "running",
        JobState.SUCCEEDED: "completed",
        JobState.FAILED: "failed",
        JobState.CANCELLED: "stopped",
    }
)
_LINES = 200


class Said(BaseModel):
    """What its callers send; unknown fields are ignored, as they always were."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


class Named(Said):
    """One training of a project."""

    project_id: Line = Field(description="A number, or text", max_length=100)
    training_name: Line = Field(max_length=100)


class Start(Named):
    framework: str = "ultralytics"
    task: str = "detection"
    dataset_path: Line = Field(description="projects/<Project>/training_data/<release_slug>/")
    model: str | None = None
    config: dict[str, Any] = Field(default_factory=dict, description="Only what differs from the base configuration")


class Resolve(Said):
    base_config: str = Field(description="<framework>/<task>, as config/default names it")
    overrides: dict[str, Any] = Field(default_factory=dict)
    model: str | None = None


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


@router.get(
    "/config/default",
    operation_id="project_default_config",
    summary="The base configuration of a framework and task",
    responses=refusals(404, 503),
)
async def default_config(verbs: Verbs, framework: str = "ultralytics", task: str = "detection") -> DefaultConfig:
    name = _recipe(framework, task)
    recipe = await verbs.recipes.get(name)
    return DefaultConfig(
        base_config=name,
        framework=framework,
        task=task,
        config=recipe.config,
        config_schema=recipe.config_schema,
        models=recipe.models,
    )


@router.post(
    "/config/resolve",
    operation_id="project_resolve_config",
    summary="Lay overrides on a base configuration",
    responses=refusals(404, 503),
)
async def resolve_config(asked: Resolve, verbs: Verbs) -> ResolvedConfig:
    framework, _, task = asked.base_config.removesuffix(".yaml").removesuffix("/default").partition("/")
    found = await verbs.recipes.resolve(
        _recipe(framework, task), ResolutionRequest(model=asked.model, config=asked.overrides)
    )
    operations.info("resolved", recipe=found.recipe, changes=found.changes, command=found.command)
    return ResolvedConfig(
        resolved_config=found.config,
        resolved_yaml=found.yaml,
        changes=found.changes,
        cli_preview=found.command,
        warnings=found.warnings,
    )


@router.post(
    "/start",
    operation_id="project_start",
    summary="Train on an unpacked release",
    status_code=202,
    responses=refusals(404, 409, 503),
)
async def start(asked: Start, verbs: Verbs) -> Status:
    """The data are imported first and must be ready for the task. A name that has a training under way, or a finished one, is
    taken; one whose training failed or was stopped can be used again."""
    folder = await verbs.releases.folder(asked.dataset_path)
    project = asked.dataset_path.split("/")[1]
    Training.named(project, asked.training_name)
    earlier = await _jobs(verbs, asked)
    _require_free(asked, earlier)
    labels = {PROJECT: project, PROJECT_ID: asked.project_id, TRAINING: asked.training_name}
    train = PreflightRequest(
        name=plain(asked.training_name, "training"),
        task=TASKS.get(asked.task, asked.task),
        trainer=FRAMEWORKS.get(asked.framework, asked.framework),
        model=asked.model,
        config=asked.config,
        labels=labels,
    )
    order = DatasetImport(path=str(folder), train=train, labels=labels)
    key = f"{asked.project_id}/{asked.training_name}/{len(earlier)}"
    job = await verbs.datasets.order(order, source="project_training", key=key)
    operations.info("ordered", project=project, training=asked.training_name, job=job.id)
    return _status(asked, job)


@router.post("/stop", operation_id="project_stop", summary="Stop a training", responses=refusals(404, 409))
async def stop(asked: Named, verbs: Verbs) -> Status:
    job = await _newest(verbs, asked)
    return _status(asked, await verbs.jobs.cancel(job.id))


@router.get("/status", operation_id="project_status", summary="Where a training stands", responses=refusals(404))
async def status(verbs: Verbs, asked: Annotated[Named, Query()]) -> Status:
    return _status(asked, await _newest(verbs, asked))


class _LogQuery(Named):
    page: int = Field(default=1, ge=1, description=f"Of {_LINES} lines each, from `offset` on")
    offset: int = Field(default=0, ge=0, description="In bytes; `next_offset` of the answer before")


@router.get("/logs", operation_id="project_logs", summary="What a training printed", responses=refusals(404))
async def logs(verbs: Verbs, asked: Annotated[_LogQuery, Query()]) -> Logs:
    job = await _newest(verbs, asked)
    told = await verbs.history.lines(job.id, asked.offset, (asked.page - 1) * _LINES, _LINES)
    return Logs(
        status=STATUS[job.state],
        progress=_percent(job),
        lines=told.lines,
        page=asked.page,
        offset=asked.offset,
        next_offset=told.next_offset,
        complete=told.complete,
    )


@router.get(
    "/checkpoints",
    operation_id="project_checkpoints",
    summary="The checkpoints of a training that are still there, newest first",
    responses=refusals(404),
)
async def checkpoints(verbs: Verbs, asked: Annotated[Named, Query()]) -> tuple[CheckpointFile, ...]:
    job = await _newest(verbs, asked)
    return tuple(
        CheckpointFile(
            name=f"epoch-{saved.epoch}",
            epoch=saved.epoch,
            step=saved.step,
            best=saved.best,
            metrics=saved.metrics,
            created_at_ms=saved.at_ms,
        )
        for saved in await verbs.history.checkpoints(job.id)
    )


@router.post(
    "/export-best",
    operation_id="project_export_best",
    summary="Put the best weights in their place in the project's tree",
    responses=refusals(404, 409),
)
async def export_best(asked: Named, given: Given) -> AiModel:
    """They are put there when a training completes, too; this repairs what somebody has removed since."""
    verbs = given.services
    job = await _newest(verbs, asked)
    if job.state is not JobState.SUCCEEDED:
        raise Conflict(
            f"training {asked.training_name!r} is {STATUS[job.state]}; it has best weights once it is completed"
        )
    await verbs.project_tree.show(job.id)
    return await _ai_model(verbs, job)


@router.get(
    "/models", operation_id="project_models", summary="The models of a project, newest first", responses=refusals()
)
async def models(verbs: Verbs, project_id: Annotated[str, Query(max_length=100)]) -> tuple[AiModel, ...]:
    found = await verbs.jobs.list(
        JobQuery(
            kind=JobKind.TRAINING, states=frozenset({JobState.SUCCEEDED}), labels={PROJECT_ID: project_id}, limit=500
        )
    )
    models = [await _model_still_there(verbs, job) for job in found.items]
    return tuple(model for model in models if model)


@router.get(
    "/check-extracted",
    operation_id="project_check_extracted",
    summary="Whether a release is unpacked",
    responses=refusals(404),
)
async def check_extracted(verbs: Verbs, asked: Annotated[ReleasePath, Query()]) -> ReleaseView:
    return ReleaseView.model_validate(await verbs.releases.look(asked.zip_path), from_attributes=True)


@router.post(
    "/extract-release",
    operation_id="project_extract_release",
    summary="Unpack a release",
    responses=refusals(404, 409),
)
async def extract_release(asked: ReleasePath, verbs: Verbs) -> ReleaseView:
    """All or nothing; an archive with anything suspicious in it is refused. Unpacked once, it is not unpacked again."""
    return ReleaseView.model_validate(await verbs.releases.extract(asked.zip_path), from_attributes=True)


@router.delete(
    "/release",
    operation_id="project_delete_release",
    summary="Remove a release and what was unpacked of it",
    status_code=204,
    responses=refusals(),
)
async def delete_release(verbs: Verbs, asked: Annotated[ReleasePath, Query()]) -> None:
    """Never what was trained on it."""
    await verbs.releases.discard(asked.zip_path)


class ProjectTrainingDoor:
    routes = tuple(router.routes)
    public = frozenset[str]()
    job_paths = ()


def _number(project_id: str) -> int | str:
    """Callers that count their projects get a number back."""
    return int(project_id) if project_id.isascii() and project_id.isdecimal() else project_id


def _recipe(framework: str, task: str) -> str:
    return f"{FRAMEWORKS.get(framework, framework)}/{TASKS.get(task, task)}"


async def _jobs(verbs: Services, asked: Named) -> tuple[JobView, ...]:
    """Imports and trainings of that name, newest first."""
    labels = {PROJECT_ID: asked.project_id, TRAINING: asked.training_name}
    return (await verbs.jobs.list(JobQuery(labels=labels, limit=500))).items


async def _newest(verbs: Services, asked: Named) -> JobView:
    """The training; while its data are still on their way, their import."""
    found = await _jobs(verbs, asked)
    if not found:
        raise NotFound(f"project {asked.project_id} has no training named {asked.training_name!r}")
    return await verbs.jobs.get(found[0].id)


def _require_free(asked: Named, earlier: tuple[JobView, ...]) -> None:
    if not earlier:
        return
    newest = earlier[0]
    pending = (
        newest.kind is JobKind.IMPORT and newest.state is JobState.SUCCEEDED
    )  # its training is about to be ordered
    if pending or newest.state not in FINAL_STATES:
        raise Conflict(f"training {asked.training_name!r} is {STATUS[newest.state]} already (job {newest.id})")
    if newest.state is JobState.SUCCEEDED:
        raise Conflict(f"training {asked.training_name!r} is completed; its outputs are kept: choose another name")


def _status(asked: Named, job: JobView) -> Status:
    return Status(
        project_id=_number(asked.project_id),
        training_name=asked.training_name,
        status=_word(job),
        progress=_percent(job),
        message=job.message,
        metrics=job.metrics,
        job_id=job.id,
    )


def _word(job: JobView) -> str:
    """Data on their way, or just arrived, are a training that waits."""
    if job.kind is JobKind.IMPORT and job.state not in (JobState.FAILED, JobState.CANCELLED):
        return "queued"
    return STATUS[job.state]


def _percent(job: JobView) -> float:
    if job.kind is JobKind.TRAINING and job.state is JobState.SUCCEEDED:
        return 100.0
    if job.kind is JobKind.IMPORT or job.progress is None:
        return 0.0
    progress = job.progress
    share = progress.step / progress.steps if progress.steps else progress.epoch / max(1, progress.epochs)
    return round(100 * min(1.0, share), 1)


async def _model_still_there(verbs: Services, job: JobView) -> AiModel | None:
    """None when it was deleted since."""
    try:
        return await _ai_model(verbs, job)
    except NotFound:
        return None


async def _ai_model(verbs: Services, job: JobView) -> AiModel:
    model = await verbs.models.get(job.model_id or "")
    training = Training.named(job.labels[PROJECT], job.labels[TRAINING])
    best = best_weights(await verbs.history.artifacts(job.id))
    resolved = await verbs.jobs.resolved(job.id)
    return AiModel(
        id=model.id,
        project_id=_number(job.labels[PROJECT_ID]),
        name=training.name,
        file_path=f"{training.folder}/weights/{best_name(best)}" if best else "",
        type=model.task,
        format=best.path.rpartition(".")[2] if best else "",
        training_input_size=resolved.get("imgsz"),
        classes=model.classes,
        metadata={
            "framework": model.trainer,
            "architecture": model.architecture,
            "metrics": model.metrics,
            "job_id": job.id,
            "dataset_version": model.dataset_version,
            "exports": [export.format for export in model.exports],
        },
    )
