"""What is told of a job in the log of its callers, as rows that are the same however often they are made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from eyebright.core.callers import CallersModel, LogLevel, LogLine, row_id
from eyebright.core.job import Job
from eyebright.core.records import StoredEvent
from eyebright.services.training_agent.orders import PROJECT
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Progress
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import ArtifactView

FRAMEWORK = "pytorch"
_LOSS = "loss"
_IMPORTED, _ENDED = 1, 900


def began(job: Job) -> LogLine:
    message = f"Training {job.model} for {job.resolved.get('epochs')} epochs."
    if job.kind is JobKind.IMPORT:
        message = "Training started: its data set is fetched and inspected first."
    return line(job, "began", message, job.created_at_ms, _IMPORTED + 1 if job.kind is JobKind.TRAINING else 0)


def imported(job: Job, report: DatasetReport) -> LogLine:
    images = ", ".join(f"{count} in {split}" for split, count in report.images.items())
    message = f"Dataset ready: {len(report.classes)} classes, {sum(report.images.values())} images ({images})."
    return line(job, "imported", message, job.finished_at_ms or job.created_at_ms, _IMPORTED)


def epochs(job: Job, events: Iterable[StoredEvent]) -> Iterator[LogLine]:
    """One for each epoch that has been finished, in an attempt that trained it again too."""
    for event in events:
        told = Progress.model_validate(event.data)
        if told.epoch_finished:
            loss = f" Loss: {told.metrics[_LOSS]:.3f}" if _LOSS in told.metrics else ""
            message = f"Epoch {told.epoch}/{told.epochs} completed.{loss}"
            place = min(_IMPORTED + 1 + told.epoch, _ENDED - 1)
            yield line(job, f"epoch/{event.attempt}/{told.epoch}", message, event.at_ms, place)


def ended(job: Job, address: str, now_ms: int) -> Sequence[LogLine]:
    at_ms = job.finished_at_ms or job.created_at_ms
    accuracy = f" Accuracy: {job.metrics['top1']:.3f}." if "top1" in job.metrics else ""
    return (
        line(job, "trained", f"Training completed in {training_seconds(job)} seconds.{accuracy}", at_ms, _ENDED),
        line(job, "model", f"Model uploaded to {address}", now_ms, _ENDED + 1),
    )


def kept(job: Job, problem: str) -> LogLine:
    """Of a model that its callers do not get."""
    return line(job, "not put", problem, job.finished_at_ms or job.created_at_ms, _ENDED, "error")


def failed(job: Job) -> LogLine:
    """With the class of what went wrong, as programs tell them apart."""
    cancelled = job.state is JobState.CANCELLED
    reason = job.reason or (ErrorCode.USER_CANCELLED if cancelled else ErrorCode.INTERNAL_ERROR)
    message = "Training cancelled." if cancelled else f"Training failed ({reason}): {job.message}"
    level: LogLevel = "warning" if cancelled else "error"
    return line(job, "failed", message, job.finished_at_ms or job.created_at_ms, _ENDED, level)


def line(job: Job, what: str, message: str, at_ms: int, place: int = 0, level: LogLevel = "info") -> LogLine:
    """`place`: microseconds, by which lines of one millisecond are read in the order of the story."""
    return LogLine(
        id=row_id("log", job.id, what),
        project_id=job.labels[PROJECT],
        message=message,
        level=level,
        created_at=datetime.fromtimestamp(at_ms // 1000, UTC)
        + timedelta(milliseconds=at_ms % 1000, microseconds=place),
    )


def model(
    job: Job, address: str, weights: ArtifactView, classes: Sequence[str], losses: Sequence[float]
) -> CallersModel:
    """`classes` in the order of the model's outputs; `losses` of training, one for each epoch."""
    return CallersModel(
        id=row_id("model", job.id),
        project_id=job.labels[PROJECT],
        name=job.name,
        framework=FRAMEWORK,
        gcs_url=address,
        metadata=_about(job, weights, classes, losses),
    )


def _about(job: Job, weights: ArtifactView, classes: Sequence[str], losses: Sequence[float]) -> Mapping[str, Any]:
    return {
        "epochs": len(losses),
        "final_loss": losses[-1] if losses else None,
        "training_time_seconds": training_seconds(job),
        "architecture": job.model,
        "classes": list(classes),
        "imgsz": job.resolved.get("imgsz"),
        "metrics": dict(job.metrics),
        "sha256": weights.sha256,
        "size_bytes": weights.size_bytes,
        "job_id": job.id,
        "model_id": job.model_id,
    }


def training_seconds(job: Job) -> int:
    return round(((job.finished_at_ms or 0) - (job.started_at_ms or 0)) / 1000)
