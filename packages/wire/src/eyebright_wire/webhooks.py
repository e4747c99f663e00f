"""Outgoing webhooks: the endpoints that are told, and the deliveries to them."""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, Field

from eyebright_wire.model import Line, RequestModel, Whole, WireModel


class WebhookEvent(StrEnum):
    """What an endpoint can be told of."""

    JOB_CREATED = "job.created"
    JOB_QUEUED = "job.queued"  # once more, after an attempt that failed, was lost or made room
    JOB_STARTING = "job.starting"
    JOB_RUNNING = "job.running"
    JOB_PROGRESS = "job.progress"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    DATASET_VALIDATED = "dataset.validated"
    MODEL_REGISTERED = "model.registered"
    MODEL_EXPORTED = "model.exported"
    WEBHOOK_TEST = "webhook.test"


def wanted(event: str, patterns: Iterable[str]) -> bool:
    """Does one of the patterns (`job.*`, `model.registered`, `*`) name the event?"""
    return any(fnmatchcase(event, pattern) for pattern in patterns)


def _names_an_event(pattern: str) -> str:
    if not any(wanted(event, [pattern]) for event in WebhookEvent):
        raise ValueError(f"{pattern!r} names no event; expected * or job.*, or one of {', '.join(WebhookEvent)}")
    return pattern


EventPattern = Annotated[Line, AfterValidator(_names_an_event), Field(max_length=50)]
_Events = Annotated[tuple[EventPattern, ...], Field(min_length=1, max_length=50)]
_Url = Annotated[Line, Field(min_length=1, max_length=2000)]
_Seconds = Annotated[float, Field(ge=0, le=86_400)]
_EVENTS = "Which events: names, or patterns such as job.*"
_PROGRESS = "Least time between two job.progress of one job; default: the dialect's own"


class WebhookCreate(RequestModel):
    """Somebody who wants to be told."""

    url: _Url = Field(description="Where to: https://…, at a public address unless the operator permits others")
    events: _Events = Field(default=("*",), description=_EVENTS)
    description: Annotated[Line, Field(max_length=500)] = ""
    labels: dict[Line, Line] = Field(default_factory=dict, description="Only jobs that have all of these")
    dialect: Line = Field(default="standard", description="What is said, and how")
    progress_seconds: _Seconds | None = Field(default=None, description=_PROGRESS)


class WebhookUpdate(RequestModel):
    """What is to be otherwise; what is left out stays."""

    url: _Url | None = None
    events: _Events | None = Field(default=None, description=_EVENTS)
    description: Annotated[Line, Field(max_length=500)] | None = None
    labels: dict[Line, Line] | None = Field(default=None, description="Only jobs that have all of these")
    progress_seconds: _Seconds | None = Field(default=None, description=_PROGRESS)
    enabled: bool | None = Field(
        default=None, description="False: what is undelivered is given up, and can be replayed"
    )


class WebhookView(WireModel):
    """An endpoint, without its secret."""

    id: str
    url: str
    events: tuple[str, ...]
    description: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    dialect: str = "standard"
    progress_seconds: float
    enabled: bool
    disabled_reason: str = Field(default="", description="Why it is disabled, in words")
    managed: bool = Field(default=False, description="Declared by the server's settings, and changed only there")
    failing_since_ms: int | None = Field(
        default=None, description="Nothing has been delivered since; none: all is well"
    )
    created_at_ms: int


class WebhookSecret(WebhookView):
    """An endpoint with its secret, which is shown this once."""

    secret: str = Field(repr=False, description="whsec_…; keep it where the receiver can read it")
    previous_until_ms: int | None = Field(default=None, description="Until then the secret before is signed with, too")


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; a replay brings it back


class DeliveryView(WireModel):
    """One message to one endpoint, which is sent until it is taken or given up."""

    id: str = Field(description="The webhook-id, the same in every try")
    webhook_id: str = Field(description="The endpoint")
    event: str
    job_id: str | None = None
    version: int = Field(description="Of the job: deliveries of one job to one endpoint go out in this order")
    status: DeliveryStatus
    attempts: int
    answer: int | None = Field(default=None, description="HTTP status of the last try; none: nothing was answered")
    reason: str = Field(default="", description="What went wrong last, or why it was given up")
    next_at_ms: int | None = Field(
        default=None, description="When it is tried next, unless an earlier one is not done yet"
    )
    tried_at_ms: int | None = None
    created_at_ms: int


class ReplayRequest(RequestModel):
    """All that was given up since a time."""

    since_ms: Whole = Field(default=0, description="Created at this time or later")


class ReplayReport(WireModel):
    replayed: int
