"""Endpoints of outgoing webhooks and the deliveries to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from eyebright.core.records import Message
from eyebright.core.scope import DEFAULT_PROJECT
from eyebright_wire.resources import DatasetVersionView, JobView, ModelView
from eyebright_wire.webhooks import DeliveryStatus, WebhookEvent

#: How long the secret before is signed with, too, after a rotation.
ROTATION_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Somebody who wants to be told. A managed one is declared by the settings; without a secret it is not signed."""

    id: str
    url: str
    secret: str = field(repr=False)
    project: str = DEFAULT_PROJECT  # of whose jobs it is told, and of no others
    events: tuple[str, ...] = ("*",)
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    dialect: str = "standard"
    progress_seconds: float | None = None  # None: the dialect's own
    previous_secret: str | None = field(default=None, repr=False)
    previous_until_ms: int = 0
    enabled: bool = True
    disabled_reason: str = ""
    managed: bool = False
    failing_since_ms: int | None = None  # nothing has been delivered since
    created_at_ms: int

    def secrets(self, now_ms: int) -> tuple[str, ...]:
        """Those that are signed with, the newest first."""
        old = self.previous_secret if now_ms < self.previous_until_ms else None
        return tuple(each for each in (self.secret, old) if each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What there is to tell: an event of a job, the job as it was then, and what came of it.

    `resource` is the data set version of dataset.validated and the model of model.registered and model.exported.
    """

    event: WebhookEvent
    message: Message
    job: JobView
    resource: DatasetVersionView | ModelView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request as a dialect words it. `path` is appended to the endpoint's URL as it is."""

    body: bytes
    method: str = "POST"
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


#: What the settings say of an endpoint.
DECLARED = ("url", "secret", "events", "description", "labels", "dialect", "progress_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one endpoint. Those with the same subject go out in the order of (version, ordinal)."""

    id: str  # the webhook-id
    endpoint_id: str
    subject: str  # a job's id; of a test its own
    version: int
    ordinal: int = 0  # what a version brought about besides comes after the version itself
    event: str
    outgoing: Outgoing
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    next_at_ms: int
    tried_at_ms: int | None = None
    answer: int | None = None
    reason: str = ""
    ended_at_ms: int | None = None
    created_at_ms: int

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self.endpoint_id, self.subject, self.version, self.ordinal

    @property
    def lane(self) -> tuple[str, str]:
        """Of those in one lane only the first is under way."""
        return self.endpoint_id, self.subject

    @property
    def fleeting(self) -> bool:
        """A newer message says the same and more."""
        return self.event == WebhookEvent.JOB_PROGRESS


def event_of(message: Message) -> WebhookEvent:
    """The public name of what a message is about."""
    if message.topic == "job.queued" and message.version == 1:
        return WebhookEvent.JOB_CREATED
    return WebhookEvent(message.topic)


def as_told(job: JobView, message: Message) -> JobView:
    """A job as it was at the message's version, as far as that shows: state, attempt and reason, and no end before its end."""
    then: dict[str, Any] = {
        "state": message.state,
        "version": message.version,
        "attempt": message.attempt,
        "reason": message.reason,
        "queue_position": None,
    }
    if job.version != message.version:
        then["message"] = ""
    if not message.state.final:
        then |= {"finished_at_ms": None, "model_id": None, "imported_version": None}
    return job.model_copy(update=then)


def address(endpoint: Endpoint, outgoing: Outgoing) -> str:
    """Where a request goes: the path comes before what the endpoint's URL asks for in its query."""
    if not outgoing.path:
        return endpoint.url
    parts = urlsplit(endpoint.url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + outgoing.path))
