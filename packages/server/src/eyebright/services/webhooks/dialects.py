"""In which words an endpoint is told: the socket, and the standard dialect.

A dialect is found by the name that an endpoint gives. It words a message once; every try sends the same bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from eyebright.core.redelivery import moment
from eyebright.core.webhook import Endpoint, Happening, Outgoing
from eyebright_wire.resources import DatasetVersionView, JobView, ModelView

STANDARD = "standard"
_JSON = {"Content-Type": "application/json"}


class Dialect(Protocol):
    #: Least time between two job.progress of one job, unless the endpoint says otherwise.
    progress_interval_seconds: float
    #: Waits before the second, third, … try, in place of the standard 5 s; the standard ones follow.
    first_waits_seconds: Sequence[float]
    #: Sent with every try and never stored: the place for credentials.
    headers: Mapping[str, str]

    async def request(self, happening: Happening, endpoint: Endpoint) -> Outgoing | None:
        """None: this endpoint is not told. Asked once for each version of a job, and again if the process dies meanwhile.

        An exception means: cannot be said yet, ask again in some seconds. Later versions of that job wait for it.
        """
        ...

    def trial(self, endpoint: Endpoint, at_ms: int) -> Outgoing | None:
        """What `webhook.test` says. None: who hears this dialect would not understand one."""
        ...


class Standard:
    """Standard Webhooks: `{"type", "timestamp", "data"}`, of which `data` is the resource as the API shows it."""

    progress_interval_seconds: float = 5.0
    first_waits_seconds: Sequence[float] = ()
    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._last: tuple[Happening, Outgoing] | None = None

    async def request(self, happening: Happening, endpoint: Endpoint) -> Outgoing | None:
        """The same for every endpoint, so that it is worded once."""
        del endpoint
        if self._last is None or self._last[0] is not happening:
            body = payload(happening.event, happening.message.at_ms, _data(happening))
            self._last = (happening, Outgoing(body=body, headers=_JSON))
        return self._last[1]

    def trial(self, endpoint: Endpoint, at_ms: int) -> Outgoing | None:
        return Outgoing(body=payload("webhook.test", at_ms, {"webhook_id": endpoint.id}), headers=_JSON)


def payload(event: str, at_ms: int, data: Any) -> bytes:
    """The body of the standard dialect."""
    return orjson.dumps({"type": event, "timestamp": moment(at_ms), "data": data})


def _data(happening: Happening) -> dict[str, Any]:
    match happening.resource:
        case DatasetVersionView() as version:
            return {**_version(version), "job_id": happening.job.id}
        case ModelView() as model:
            return model.model_dump(mode="json", exclude={"lineage"})
        case None:
            return _job(happening.job)


def _job(job: JobView) -> dict[str, Any]:
    return job.model_dump(mode="json", exclude={"status_transitions", "queue_position"})


def _version(version: DatasetVersionView) -> dict[str, Any]:
    """Without the findings: the report of a large set has megabytes."""
    report = version.report
    told = {"format": report.format, "classes": report.classes, "images": report.images, "ready": report.ready_tasks}
    return {**version.model_dump(mode="json", exclude={"report"}), **told}
