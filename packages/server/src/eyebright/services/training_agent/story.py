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
_IMPORTED, _ENDED, _DELIVERED = 1, 900, 901


def began(job: Job) -> LogLine:
    message = f"Training {job.model} for {_counted(job.resolved.get('epochs', 0), 'epoch')}."
    if job.kind is JobKind.IMPORT:
        message = "Training started: its data set is fetched and inspected first."
    return line(job, "began", message, job.created_at_ms, _IMPORTED + 1 if job.kind is JobKind.TRAINING else 0)


def imported(job: Job, report: DatasetReport) -> LogLine:
    images = ", ".join(f"{count} in {split}" for split, count in report.images.items())
    classes, total = _counted(len(report.classes), "class", "classes"), _counted(sum(report.images.values()), "image")
    message = f"Dataset ready: {classes}, {total} ({images})."
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


def trained(job: Job) -> LogLine:
    """That it has its weights; where they go is another matter."""
    accuracy = f" Accuracy: {job.metrics['top1']:.3f}." if "top1" in job.metrics else ""
    message = f"Training completed in {_counted(training_seconds(job), 'second')}.{accuracy}"
    return line(job, "trained", message, job.finished_at_ms or job.created_at_ms, _ENDED)


def waits(job: Job, problem: str, until_ms: int, now_ms: int) -> LogLine:
    """Of a model whose place is away: told once, by the first problem."""
    message = (
        f"The model cannot be uploaded yet: {problem}. That is tried again until {_at(until_ms):%Y-%m-%d %H:%M:%S} UTC; then "
        "the project fails, and its model is kept"
    )
    return line(job, "waits", message, now_ms, _DELIVERED, "warning")


def kept(job: Job, problem: str, now_ms: int) -> LogLine:
    """Of a model that its callers do not get."""
    return line(job, "not put", problem, now_ms, _DELIVERED + 1, "error")


def uploaded(job: Job, address: str, now_ms: int) -> LogLine:
    return line(job, "model", f"Model uploaded to {address}", now_ms, _DELIVERED + 2)


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
        created_at=_at(at_ms) + timedelta(microseconds=place),
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


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC) + timedelta(milliseconds=at_ms % 1000)


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def training_seconds(job: Job) -> int:
    return round(((job.finished_at_ms or 0) - (job.started_at_ms or 0)) / 1000)
