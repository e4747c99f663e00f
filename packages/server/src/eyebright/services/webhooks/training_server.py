"""The dialect that callers of a Training Server understand: `POST complete`, `POST failed` and `PATCH progress` of a style.

They hear of jobs that were ordered for a style and of no others. The import of its images and the training are one story to them:
an import only speaks when it fails.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson

from eyebright.core.pace import fraction, seconds_left
from eyebright.core.webhook import Endpoint, Happening, Outgoing
from eyebright.services.styles import TOLD, StyleTask
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobKind
from eyebright_wire.resources import JobView
from eyebright_wire.webhooks import WebhookEvent

NAME = "training_server"
#: Below the callers' API.
PATH = "/api/webhooks/training"
VERBS = (COMPLETE, FAILED, PROGRESS) = ("complete", "failed", "progress")
EVENTS = (
    WebhookEvent.JOB_PROGRESS,
    WebhookEvent.JOB_SUCCEEDED,
    WebhookEvent.JOB_FAILED,
    WebhookEvent.JOB_CANCELLED,
)
#: What a caller can act on: other images, other parameters, a smaller run, wait, or ask whoever runs the server.
ERROR_CODES = {
    ErrorCode.DATASET_INVALID: "INVALID_IMAGES",
    ErrorCode.CONFIG_INVALID: "INVALID_PARAMETERS",
    ErrorCode.LICENCE_DENIED: "INVALID_PARAMETERS",
    ErrorCode.OUT_OF_MEMORY: "OUT_OF_MEMORY",
    ErrorCode.MAX_DURATION_EXCEEDED: "TIMEOUT",
    ErrorCode.HUNG: "TIMEOUT",
    ErrorCode.USER_CANCELLED: "CANCELLED",
    ErrorCode.STORAGE_ERROR: "STORAGE_ERROR",
    ErrorCode.DISK_FULL: "STORAGE_ERROR",
    ErrorCode.TRAINER_ERROR: "TRAINING_FAILED",
    ErrorCode.NAN_LOSS: "TRAINING_FAILED",
    ErrorCode.NO_PROGRESS: "TRAINING_FAILED",
    ErrorCode.EXPORT_FAILED: "TRAINING_FAILED",
    ErrorCode.NO_CAPACITY: "SERVER_ERROR",
    ErrorCode.PREEMPTED: "SERVER_ERROR",
    ErrorCode.WORKER_LOST: "SERVER_ERROR",
    ErrorCode.INTERNAL_ERROR: "SERVER_ERROR",
}
_UNKNOWN = "SERVER_ERROR"


class TrainingServer:
    """`published` puts the weights of a job in their place and answers their address, or raises Unavailable."""

    progress_interval_seconds: float = 30.0
    first_waits_seconds: Sequence[float] = (1.0, 2.0, 4.0)
    #: Anybody may tell this dialect to an address of his own: the callers' token goes to their own address, by the sender.
    headers: Mapping[str, str] = {}

    def __init__(self, published: Callable[[str], Awaitable[str | None]]) -> None:
        self._published = published

    async def request(self, happening: Happening, endpoint: Endpoint) -> Outgoing | None:
        """`complete` is not said before the weights lie in their place. Raises Unavailable until they do."""
        del endpoint
        job, task = happening.job, StyleTask.of(happening.job.labels)
        if task is None or job.kind not in TOLD:
            return None
        match happening.event:
            case WebhookEvent.JOB_FAILED | WebhookEvent.JOB_CANCELLED:
                return _failed(task, job)
            case WebhookEvent.JOB_SUCCEEDED if job.kind is JobKind.TRAINING:
                return await self._complete(task, job)
            case WebhookEvent.JOB_PROGRESS if job.kind is JobKind.TRAINING:
                return _progress(task, job, happening.message.at_ms)
            case _:
                return None

    def trial(self, endpoint: Endpoint, at_ms: int) -> Outgoing | None:
        """Each of their three words is about a style, and would be taken for one."""
        return None

    async def _complete(self, task: StyleTask, job: JobView) -> Outgoing:
        path = await self._published(job.id)
        if path is None:
            return _outgoing(FAILED, task, error_message=_NOTHING_LEFT, error_code=_UNKNOWN)
        return _outgoing(COMPLETE, task, model_path=path, training_metric=_metric(job))


_NOTHING_LEFT = "the training succeeded, and its weights were deleted before they could be put in their place"


def _failed(task: StyleTask, job: JobView) -> Outgoing:
    reason = job.reason or ErrorCode.INTERNAL_ERROR
    code = ERROR_CODES.get(reason, _UNKNOWN)
    return _outgoing(FAILED, task, error_message=job.message or str(reason), error_code=code)


def _metric(job: JobView) -> dict[str, Any]:
    """`loss` is null where a training measured none."""
    planned = job.progress.epochs if job.progress else None
    epochs = job.metrics.get("epochs", planned)
    return {"loss": job.metrics.get("loss"), "epochs": None if epochs is None else int(epochs)}


def _progress(task: StyleTask, job: JobView, at_ms: int) -> Outgoing | None:
    """None before there is any: then nobody can say how long the rest will take."""
    if (progress := job.progress) is None:
        return None
    left = seconds_left(progress, (at_ms - (job.started_at_ms or at_ms)) / 1000)
    if left is None:
        return None
    return _outgoing(
        PROGRESS,
        task,
        method="PATCH",
        current_epoch=progress.epoch,
        total_epochs=progress.epochs,
        progress_percent=int(100 * fraction(progress)),
        estimated_seconds=round(left),
    )


def _outgoing(verb: str, task: StyleTask, *, method: str = "POST", **said: Any) -> Outgoing:
    body = orjson.dumps({"style_id": task.style, "task_id": task.task_id, **said})
    return Outgoing(method=method, path=f"{PATH}/{verb}", body=body, headers={"Content-Type": "application/json"})
