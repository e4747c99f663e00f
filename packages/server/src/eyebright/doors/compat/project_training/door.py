"""Project Training: the API by which projects with folders of their own train on a release and look at what comes of it.

Its words (`project_id`, `training_name`, `completed`, …) live in this package only; each endpoint is a few native verbs.
"""

from typing import Annotated

from fastapi import APIRouter, Query

from eyebright.doors.compat.project_training.bodies import (
    LINES,
    AiModel,
    CheckpointFile,
    DefaultConfig,
    LogQuery,
    Logs,
    Named,
    Recipe,
    ReleasePath,
    ReleaseView,
    Resolve,
    ResolvedConfig,
    Start,
    Status,
)
from eyebright.doors.compat.project_training.configuration import plan_of, with_model
from eyebright.doors.compat.project_training.route import CategorisedRoute
from eyebright.doors.compat.project_training.trainings import (
    ai_model,
    begin,
    completed,
    is_between,
    last_of,
    model_still_there,
    newest_of,
    percent_of,
    place,
    require_free,
    resume,
    status_of,
    word_of,
)
from eyebright.doors.compat.project_training.words import STATUS, framework_word, recipe_of, task_word
from eyebright.doors.door import Given, Verbs
from eyebright.doors.problems import refusals
from eyebright.errors import Conflict
from eyebright.services.history import LogLines
from eyebright.services.project_journal import operations
from eyebright.services.project_tree import Training
from eyebright.services.settings_file import as_yaml
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import JobView

router = APIRouter(prefix="/api/v1/training", tags=["project training"], route_class=CategorisedRoute)


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
        config_schema=with_model(recipe),
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
    plan = await plan_of(verbs, recipe, {**base.config, **asked.overrides}, asked.model)
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
    earlier = await last_of(verbs, asked)
    require_free(asked, earlier)
    plan = await plan_of(verbs, recipe_of(asked.framework, asked.task), asked.config, asked.model)
    about = {"project": project, "training": asked.training_name}
    if plan.meant.resume:
        job = await resume(verbs, asked, earlier, plan)
        operations.info("resumed", **about, job=job.id, after=job.rerun_of)
    else:
        job = await begin(verbs, asked, earlier, folder, plan)
        operations.info("ordered", **about, job=job.id, config=plan.config, command=plan.found.command)
    return status_of(asked, job)


@router.post("/stop", operation_id="project_stop", summary="Stop a training", responses=refusals(404, 409))
async def stop(asked: Named, verbs: Verbs) -> Status:
    job = await newest_of(verbs, asked)
    if is_between(job):
        raise Conflict(
            f"training {asked.training_name!r} is just being ordered, as its data have come; stop it again now"
        )
    return status_of(asked, await verbs.jobs.cancel(job.id))


@router.get("/status", operation_id="project_status", summary="Where a training stands", responses=refusals(404))
async def status(verbs: Verbs, asked: Annotated[Named, Query()]) -> Status:
    return status_of(asked, await newest_of(verbs, asked))


@router.get("/logs", operation_id="project_logs", summary="What a training printed", responses=refusals(404))
async def logs(verbs: Verbs, asked: Annotated[LogQuery, Query()]) -> Logs:
    """Its own: nothing while its data are on their way, so that who follows by `next_offset` begins at its first line."""
    job = await newest_of(verbs, asked)
    told = LogLines((), asked.offset, complete=False)
    if job.kind is JobKind.TRAINING or word_of(job) != "queued":
        told = await verbs.history.lines(job.id, asked.offset, (asked.page - 1) * LINES, LINES)
    return Logs(
        status=word_of(job),
        progress=percent_of(job),
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
    job = await newest_of(verbs, asked)
    return tuple(
        CheckpointFile(
            name=f"epoch-{saved.epoch}",
            path=f"{place(job).folder}/weights/{saved.path.rpartition('/')[0]}",
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
    job = await newest_of(verbs, asked)
    if job.state is not JobState.SUCCEEDED:
        raise Conflict(
            f"training {asked.training_name!r} is {STATUS[job.state]}; it has best weights once it is completed"
        )
    await verbs.project_tree.show(job.id)
    return await ai_model(verbs, job)


@router.get(
    "/models", operation_id="project_models", summary="The models of a project, newest first", responses=refusals()
)
async def models(verbs: Verbs, project_id: Annotated[str, Query(max_length=100)]) -> tuple[AiModel, ...]:
    """One for each training: what was run again outside the project has its files in the registry only."""
    shown: dict[Training, JobView] = {}
    async for job in completed(verbs, project_id):
        if (training := Training.of(job.labels)) is None:
            continue
        if training not in shown or await verbs.project_tree.owner(training) == job.id:
            shown[training] = job
    models = [await model_still_there(verbs, job) for job in shown.values()]
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
