"""Project Training: the API by which projects with folders of their own train on a release and look at what comes of it.

Its words (`project_id`, `training_name`, `completed`, …) live here only; each endpoint is a few native verbs.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from eyebright.doors.compat.project_training.settings import Wanted, wanted
from eyebright.doors.compat.project_training.words import (
    STATUS,
    framework_word,
    place_of,
    recipe_of,
    task_of,
    task_word,
    trainer_of,
)
from eyebright.doors.door import Given, Verbs
from eyebright.doors.problems import refusals
from eyebright.doors.strict import StrictRoute
from eyebright.errors import Conflict, EyebrightError, NotFound
from eyebright.ports.jobs import JobQuery
from eyebright.services import Services
from eyebright.services.history import LogLines
from eyebright.services.project_journal import broken, category, invalid, operations
from eyebright.services.project_tree import (
    DATASET_PATH,
    PROJECT,
    PROJECT_ID,
    TRAINING,
    Training,
    best_name,
    best_weights,
)
from eyebright.services.settings_file import as_yaml
from eyebright_wire.jobs import FINAL_STATES, JobKind, JobState, PreflightRequest
from eyebright_wire.model import Line
from eyebright_wire.names import plain
from eyebright_wire.resources import (
    DatasetImport,
    JobView,
    RecipeView,
    Resolution,
    ResolutionRequest,
)

backend = category("app.backend")


class CategorisedRoute(StrictRoute):
    """Each call is logged as `app.backend`, and what is refused or fails as `errors.validation` or `errors.system`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            backend.info("called", operation=self.operation_id)
            try:
                return await handle(request)
            except (RequestValidationError, HTTPException):
                invalid.warning("not understood", operation=self.operation_id)
                raise
            except EyebrightError as error:
                log = broken.error if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else invalid.warning
                log("refused", operation=self.operation_id, code=error.code, message=error.message)
                raise
            except Exception:
                broken.exception("broke", operation=self.operation_id)
                raise

        return told


router = APIRouter(prefix="/api/v1/training", tags=["project training"], route_class=CategorisedRoute)

_LINES = 200
_PAGE = 500
_UNKNOWN = object()


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


@router.get(
    "/config/default",
    operation_id="project_default_config",
    summary="The base configuration of a framework and task",
    responses=refusals(404, 503),
)
async def default_config(verbs: Verbs, asked: Annotated[Recipe, Query()]) -> DefaultConfig:
    recipe = await verbs.recipes.get(recipe_of(asked.framework, asked.task))
    return DefaultConfig(
        base_config=f"{framework_word(recipe.trainer)}/{task_word(recipe.task)}",
        framework=asked.framework,
        task=asked.task,
        config={"model": recipe.default_model, **recipe.config},
        config_schema=_with_model(recipe),
        models=recipe.models,
    )


@router.post(
    "/config/resolve",
    operation_id="project_resolve_config",
    summary="Lay overrides on a base configuration",
    responses=refusals(404, 503),
)
async def resolve_config(asked: Resolve, verbs: Verbs) -> ResolvedConfig:
    base = asked.base
    recipe = recipe_of(base.framework, base.task)
    plan = await _plan(verbs, recipe, {**base.config, **asked.overrides}, asked.model)
    operations.info("resolved", recipe=plan.found.recipe, config=plan.config, command=plan.found.command)
    return ResolvedConfig(
        resolved_config=plan.config,
        resolved_yaml=as_yaml(plan.config),
        changes=plan.changes,
        cli_preview=plan.found.command,
        warnings=(*plan.meant.warnings, *plan.found.warnings),
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
    taken; one whose training failed or was stopped can be used again, or resumed: on the data that it began with."""
    folder = await verbs.releases.folder(asked.dataset_path)
    project = asked.dataset_path.split("/")[1]
    Training.named(project, asked.training_name)
    earlier = await _last(verbs, asked)
    _require_free(asked, earlier)
    plan = await _plan(verbs, recipe_of(asked.framework, asked.task), asked.config, asked.model)
    about = {"project": project, "training": asked.training_name}
    if plan.meant.resume:
        job = await _resume(verbs, asked, earlier, plan)
        operations.info("resumed", **about, job=job.id, after=job.rerun_of)
    else:
        job = await _begin(verbs, asked, earlier, folder, plan)
        operations.info("ordered", **about, job=job.id, config=plan.config, command=plan.found.command)
    return _status(asked, job)


@router.post("/stop", operation_id="project_stop", summary="Stop a training", responses=refusals(404, 409))
async def stop(asked: Named, verbs: Verbs) -> Status:
    job = await _newest(verbs, asked)
    if _is_between(job):
        raise Conflict(
            f"training {asked.training_name!r} is just being ordered, as its data have come; stop it again now"
        )
    return _status(asked, await verbs.jobs.cancel(job.id))


@router.get("/status", operation_id="project_status", summary="Where a training stands", responses=refusals(404))
async def status(verbs: Verbs, asked: Annotated[Named, Query()]) -> Status:
    return _status(asked, await _newest(verbs, asked))


class _LogQuery(Named):
    page: int = Field(default=1, ge=1, description=f"Of {_LINES} lines each, from `offset` on")
    offset: int = Field(default=0, ge=0, description="0, or `next_offset` of the answer before")


@router.get("/logs", operation_id="project_logs", summary="What a training printed", responses=refusals(404))
async def logs(verbs: Verbs, asked: Annotated[_LogQuery, Query()]) -> Logs:
    """Its own: nothing while its data are on their way, so that who follows by `next_offset` begins at its first line."""
    job = await _newest(verbs, asked)
    told = LogLines((), asked.offset, complete=False)
    if job.kind is JobKind.TRAINING or _word(job) != "queued":
        told = await verbs.history.lines(job.id, asked.offset, (asked.page - 1) * _LINES, _LINES)
    return Logs(
        status=_word(job),
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
            path=f"{_place(job).folder}/weights/{saved.path.rpartition('/')[0]}",
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
    """One for each training: what was run again outside the project has its files in the registry only."""
    shown: dict[Training, JobView] = {}
    async for job in _completed(verbs, project_id):
        if (training := Training.of(job.labels)) is None:
            continue
        if training not in shown or await verbs.project_tree.owner(training) == job.id:
            shown[training] = job
    models = [await _model_still_there(verbs, job) for job in shown.values()]
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


def _with_model(recipe: RecipeView) -> dict[str, Any]:
    """The schema of a configuration, in which a model is a setting like the others."""
    model = {
        "type": "string",
        "description": "What is trained; with .pt behind it, from its published weights",
        "default": recipe.default_model,
        "examples": list(recipe.models),
        "x-view": "user",
    }
    known = recipe.config_schema
    return {**known, "properties": {"model": model, **known.get("properties", {})}}


@dataclass(frozen=True, slots=True)
class _Plan:
    """A configuration, as it was meant and as it would run."""

    meant: Wanted
    found: Resolution
    default_model: str

    @property
    def config(self) -> dict[str, Any]:
        return {"model": self.found.model, **self.found.config}

    @property
    def changes(self) -> dict[str, Any]:
        other = {} if self.found.model == self.default_model else {"model": self.found.model}
        return {**other, **self.found.changes}


async def _plan(verbs: Services, name: str, config: dict[str, Any], model: str | None) -> _Plan:
    """A configuration that repeats the base says nothing by it, so nothing is told of that. Raises ConfigInvalid."""
    recipe = await verbs.recipes.get(name)
    meant = wanted({**config, "model": model or config.get("model")}, recipe.config)
    changes = {key: value for key, value in meant.settings.items() if recipe.config.get(key, _UNKNOWN) != value}
    found = await verbs.recipes.resolve(name, ResolutionRequest(model=meant.model, config=changes))
    return _Plan(meant, found, recipe.default_model)


async def _begin(verbs: Services, asked: Start, earlier: JobView | None, folder: Path, plan: _Plan) -> JobView:
    project = asked.dataset_path.split("/")[1]
    labels = {
        PROJECT: project,
        PROJECT_ID: asked.project_id,
        TRAINING: asked.training_name,
        DATASET_PATH: asked.dataset_path,
    }
    train = PreflightRequest(
        name=plain(asked.training_name, "training"),
        task=task_of(asked.task),
        trainer=trainer_of(asked.framework),
        model=plan.meant.model,
        config=plan.meant.settings,
        labels=labels,
    )
    order = DatasetImport(path=str(folder), train=train, labels=labels)
    key = f"{asked.project_id}/{asked.training_name}/{earlier.id if earlier else ''}"
    return await verbs.datasets.order(order, source="project_training", key=key)


async def _resume(verbs: Services, asked: Start, earlier: JobView | None, plan: _Plan) -> JobView:
    """Raises Conflict where there is nothing to go on from, or where it could not go on in the way that is asked for."""
    if earlier is None or earlier.kind is not JobKind.TRAINING:
        raise Conflict(f"training {asked.training_name!r} has not begun yet; start it without resume")
    resolved = await verbs.jobs.resolved(earlier.id)
    before = {**resolved, "task": f"{earlier.trainer}/{earlier.task}", "model": earlier.model}
    given = {"task": plan.found.recipe, **({"model": plan.found.model} if plan.meant.model else {})}
    given |= {key: plan.found.config[key] for key in plan.meant.settings}
    if changed := [key for key, value in given.items() if before.get(key, _UNKNOWN) != value]:
        raise Conflict(
            f"a resumed training keeps its settings, and these would change: {', '.join(changed)}. Leave them out, or start "
            "without resume"
        )
    return await verbs.jobs.resume(earlier.id)


async def _last(verbs: Services, asked: Named) -> JobView | None:
    """The newest import or training of that name."""
    labels = {PROJECT_ID: asked.project_id, TRAINING: asked.training_name}
    found = await verbs.jobs.list(JobQuery(labels=labels, limit=1))
    return found.items[0] if found.items else None


async def _newest(verbs: Services, asked: Named) -> JobView:
    """The training; while its data are still on their way, their import."""
    job = await _last(verbs, asked)
    if job is None or Training.of(job.labels) is None:
        raise NotFound(f"project {asked.project_id} has no training named {asked.training_name!r}")
    return await verbs.jobs.get(job.id)


async def _completed(verbs: Services, project_id: str) -> AsyncIterator[JobView]:
    """Newest first."""
    query = JobQuery(
        kind=JobKind.TRAINING, states=frozenset({JobState.SUCCEEDED}), labels={PROJECT_ID: project_id}, limit=_PAGE
    )
    while True:
        page = await verbs.jobs.list(query)
        for job in page.items:
            yield job
        if page.next is None:
            return
        query = replace(query, after=page.next)


def _is_between(job: JobView) -> bool:
    """Its data have come, and its training is about to be ordered."""
    return job.kind is JobKind.IMPORT and job.state is JobState.SUCCEEDED


def _require_free(asked: Named, newest: JobView | None) -> None:
    if newest is None:
        return
    if _is_between(newest) or newest.state not in FINAL_STATES:
        raise Conflict(f"training {asked.training_name!r} is {_word(newest)} already (job {newest.id})")
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


def _place(job: JobView) -> Training:
    return Training.named(job.labels[PROJECT], job.labels[TRAINING])


async def _model_still_there(verbs: Services, job: JobView) -> AiModel | None:
    """None when it was deleted since."""
    try:
        return await _ai_model(verbs, job)
    except NotFound:
        return None


async def _ai_model(verbs: Services, job: JobView) -> AiModel:
    model = await verbs.models.get(job.model_id or "")
    training = _place(job)
    best = best_weights(await verbs.history.artifacts(job.id))
    resolved = await verbs.jobs.resolved(job.id)
    return AiModel(
        id=model.id,
        project_id=_number(job.labels[PROJECT_ID]),
        name=training.name,
        file_path=f"{training.folder}/weights/{best_name(best)}" if best else "",
        type=task_word(model.task),
        format=best_name(best).rpartition(".")[2] if best else "",
        training_input_size=resolved.get("imgsz"),
        classes=model.classes,
        metadata={
            "framework": framework_word(model.trainer),
            "architecture": model.architecture,
            "metrics": model.metrics,
            "job_id": job.id,
            "dataset_version": model.dataset_version,
            "exports": [export.format for export in model.exports],
        },
    )
