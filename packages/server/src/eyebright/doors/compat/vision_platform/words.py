"""A Vision AI Training Platform's words for where a job stands."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from eyebright.core.pace import fraction
from eyebright.core.platform_id import uuid_of
from eyebright.doors.compat.vision_platform.bodies import PlatformJobView, Status
from eyebright.services.platform_jobs import FRAMEWORK, MODEL, USER, PlatformJob
from eyebright_wire.jobs import JobState
from eyebright_wire.resources import JobView

FRAMEWORKS: Mapping[str, str] = MappingProxyType({"mmdetection": "mmdet", "huggingface": "transformers"})
_ENDS: Mapping[JobState, Status] = MappingProxyType(
    {JobState.SUCCEEDED: "completed", JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}
)


def trainer_of(framework: str) -> str:
    return FRAMEWORKS.get(framework.lower(), framework.lower())


def view_of(job: PlatformJob) -> PlatformJobView:
    first, now = job.first, job.now
    status = status_of(job)
    return PlatformJobView(
        id=uuid_of(first.id),
        user_id=first.labels[USER],
        model_name=first.labels[MODEL],
        framework=first.labels[FRAMEWORK],
        dataset_s3_uri=first.config["url"],
        config=first.config["train"].get("config", {}),
        status=status,
        progress=_progress(job, status),
        message=message_of(job),
        metrics=_metrics(job.training),
        checkpoint_s3_uri=job.checkpoint if status == "completed" else None,
        error=(now.message or str(now.reason)) if status == "failed" else None,
        callback_url=job.callback_url,
        created_at=_moment(first.created_at_ms),
        updated_at=_moment(max(_moments(first) + (_moments(job.training) if job.training else []))),
    )


def status_of(job: PlatformJob) -> Status:
    """Data that have come are on the way to their training."""
    if job.training is None and job.first.state is JobState.SUCCEEDED:
        return "running"
    return "pending" if job.first.held else _ENDS.get(job.now.state, "running")


def message_of(job: PlatformJob) -> str:
    now = job.now
    if job.first.held:
        return "ordered; it begins once it is started"
    if job.training is None and now.state is JobState.SUCCEEDED:
        return "the data have come; the training is being ordered"
    if now.state.final:
        return now.message
    if now.cancel_requested:
        return "asked to stop"
    if now.state is JobState.QUEUED:
        return _waiting(now, "to be trained" if job.training else "for its data to be imported")
    return _under_way(job.training) if job.training else "the data are being imported"


def _waiting(job: JobView, what: str) -> str:
    place = f", number {job.queue_position} in line" if job.queue_position else ""
    return f"waits {what}{place}{f': {job.message}' if job.message else ''}"


def _under_way(training: JobView) -> str:
    progress = training.progress
    if training.state is JobState.STARTING:
        return "the training is starting"
    if progress is None:
        return f"the training is {training.stage or 'running'}"
    return progress.note or f"epoch {progress.epoch} of {progress.epochs}"


def _progress(job: PlatformJob, status: Status) -> float:
    if status == "completed":
        return 1.0
    return round(fraction(job.training.progress), 4) if job.training and job.training.progress else 0.0


def _metrics(training: JobView | None) -> dict[str, int | float] | None:
    if training is None or not training.metrics:
        return None
    epoch = {"epoch": training.progress.epoch - 1} if training.progress and training.progress.epoch else {}
    return {**epoch, **training.metrics}


def _moments(job: JobView) -> list[int]:
    return [job.created_at_ms, job.started_at_ms or 0, job.finished_at_ms or 0]


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
