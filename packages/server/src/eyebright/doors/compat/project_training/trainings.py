"""A project's training, which has a name, as native jobs: the import of its data, then the training itself."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from eyebright.core.pace import fraction
from eyebright.doors.compat.project_training.bodies import AiModel, Named, Start, Status
from eyebright.doors.compat.project_training.configuration import UNKNOWN, Plan
from eyebright.doors.compat.project_training.words import STATUS, framework_word, task_of, task_word, trainer_of
from eyebright.errors import Conflict, NotFound
from eyebright.ports.jobs import JobQuery
from eyebright.services import Services
from eyebright.services.project_tree import (
    DATASET_PATH,
    PROJECT,
    PROJECT_ID,
    TRAINING,
    Training,
    best_name,
    best_weights,
)
from eyebright_wire.jobs import FINAL_STATES, JobKind, JobState, PreflightRequest
from eyebright_wire.names import plain
from eyebright_wire.resources import DatasetImport, JobView

_PAGE = 500


async def begin(verbs: Services, asked: Start, earlier: JobView | None, folder: Path, plan: Plan) -> JobView:
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


async def resume(verbs: Services, asked: Start, earlier: JobView | None, plan: Plan) -> JobView:
    """Raises Conflict where there is nothing to go on from, or where it could not go on in the way that is asked for."""
    if earlier is None or earlier.kind is not JobKind.TRAINING:
        raise Conflict(f"training {asked.training_name!r} has not begun yet; start it without resume")
    resolved = await verbs.jobs.resolved(earlier.id)
    before = {**resolved, "task": f"{earlier.trainer}/{earlier.task}", "model": earlier.model}
    given = {"task": plan.found.recipe, **({"model": plan.found.model} if plan.meant.model else {})}
    given |= {key: plan.found.config[key] for key in plan.meant.settings}
    if changed := [key for key, value in given.items() if before.get(key, UNKNOWN) != value]:
        raise Conflict(
            f"a resumed training keeps its settings, and these would change: {', '.join(changed)}. Leave them out, or start "
            "without resume"
        )
    return await verbs.jobs.resume(earlier.id)


async def last_of(verbs: Services, asked: Named) -> JobView | None:
    """The newest import or training of that name."""
    labels = {PROJECT_ID: asked.project_id, TRAINING: asked.training_name}
    found = await verbs.jobs.list(JobQuery(labels=labels, limit=1))
    return found.items[0] if found.items else None


async def newest_of(verbs: Services, asked: Named) -> JobView:
    """The training; while its data are still on their way, their import."""
    job = await last_of(verbs, asked)
    if job is None or Training.of(job.labels) is None:
        raise NotFound(f"project {asked.project_id} has no training named {asked.training_name!r}")
    return await verbs.jobs.get(job.id)


async def completed(verbs: Services, project_id: str) -> AsyncIterator[JobView]:
    """Newest first."""
    query = JobQuery(
        kinds=frozenset({JobKind.TRAINING}),
        states=frozenset({JobState.SUCCEEDED}),
        labels={PROJECT_ID: project_id},
        limit=_PAGE,
    )
    while True:
        page = await verbs.jobs.list(query)
        for job in page.items:
            yield job
        if page.next is None:
            return
        query = replace(query, after=page.next)


def is_between(job: JobView) -> bool:
    """Its data have come, and its training is about to be ordered."""
    return job.kind is JobKind.IMPORT and job.state is JobState.SUCCEEDED


def require_free(asked: Named, newest: JobView | None) -> None:
    if newest is None:
        return
    if is_between(newest) or newest.state not in FINAL_STATES:
        raise Conflict(f"training {asked.training_name!r} is {word_of(newest)} already (job {newest.id})")
    if newest.state is JobState.SUCCEEDED:
        raise Conflict(f"training {asked.training_name!r} is completed; its outputs are kept: choose another name")


def status_of(asked: Named, job: JobView) -> Status:
    return Status(
        project_id=number_of(asked.project_id),
        training_name=asked.training_name,
        status=word_of(job),
        progress=percent_of(job),
        message=job.message or (job.progress and job.progress.note) or "",
        metrics=job.metrics,
        job_id=job.id,
    )


def word_of(job: JobView) -> str:
    """Data on their way, or just arrived, are a training that waits."""
    if job.kind is JobKind.IMPORT and job.state not in (JobState.FAILED, JobState.CANCELLED):
        return "queued"
    return STATUS[job.state]


def percent_of(job: JobView) -> float:
    if job.kind is JobKind.TRAINING and job.state is JobState.SUCCEEDED:
        return 100.0
    if job.kind is JobKind.IMPORT or job.progress is None:
        return 0.0
    return round(100 * fraction(job.progress), 1)


def place(job: JobView) -> Training:
    return Training.named(job.labels[PROJECT], job.labels[TRAINING])


async def model_still_there(verbs: Services, job: JobView) -> AiModel | None:
    """None when it was deleted since."""
    try:
        return await ai_model(verbs, job)
    except NotFound:
        return None


async def ai_model(verbs: Services, job: JobView) -> AiModel:
    model = await verbs.models.get(job.model_id or "")
    training = place(job)
    best = best_weights(await verbs.history.artifacts(job.id))
    resolved = await verbs.jobs.resolved(job.id)
    return AiModel(
        id=model.id,
        project_id=number_of(job.labels[PROJECT_ID]),
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


def number_of(project_id: str) -> int | str:
    """Callers that count their projects get a number back."""
    return int(project_id) if project_id.isascii() and project_id.isdecimal() else project_id
