"""One trainer thread's line to the ingest door: POST, and what the answer means.

The standard library's client rather than httpx: importing that costs 0.28 s of CPU in every trainer process, and this is two
kinds of POST to one URL. By its nature it follows no redirect and reads no proxy from the environment.
"""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from eyebright_kit.errors import ConfigInvalid
from eyebright_wire.errors import Problem
from eyebright_wire.events import Ack, Event, EventBatch, Heartbeat
from eyebright_wire.model import WireModel


@dataclass(frozen=True)
class Accepted:
    acked: int
    cancel: bool


@dataclass(frozen=True)
class Gap:
    """The control plane misses what came before: go on from `expected`."""

    expected: int


@dataclass(frozen=True)
class Fenced:
    """Another attempt has taken over."""


@dataclass(frozen=True)
class Conflict:
    """The control plane holds another event under the same number: one of us has lost its memory."""

    detail: str


@dataclass(frozen=True)
class Unreachable:
    """Nothing was settled: try again later."""

    reason: str


Answer = Accepted | Gap | Fenced | Conflict | Unreachable


class Uplink:
    """A kept-alive connection. Each thread has its own: http.client's connections cannot be shared."""

    def __init__(self, events_url: str, token: str, timeout_seconds: float = 10.0) -> None:
        parts = urlsplit(events_url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ConfigInvalid(f"events_url is {events_url!r}; expected an http or https URL")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_seconds)
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def send(self, events: tuple[Event, ...]) -> Answer:
        """Reports contiguous events. Sending the same ones twice is harmless."""
        return self._post(self._path, EventBatch(events=events))

    def beat(self, heartbeat: Heartbeat) -> Answer:
        return self._post(f"{self._path}/heartbeat", heartbeat)

    def close(self) -> None:
        self._connection.close()

    def _post(self, path: str, body: WireModel) -> Answer:
        content = body.model_dump_json(exclude_none=True).encode()
        reused = self._connection.sock is not None
        try:
            return self._exchange(path, content)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            # An idle connection may have been closed by the other side: that says nothing about the server's health.
            return self._again(path, content) if reused else Unreachable(_reason(error))
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Unreachable(_reason(error))

    def _again(self, path: str, content: bytes) -> Answer:
        self._connection.close()
        try:
            return self._exchange(path, content)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Unreachable(_reason(error))

    def _exchange(self, path: str, content: bytes) -> Answer:
        self._connection.request("POST", path, body=content, headers=self._headers)
        response = self._connection.getresponse()
        return understand(response.status, response.read(1 << 20))


def understand(status: int, body: bytes) -> Answer:
    """What an answer of the ingest door means. Whatever is not in the protocol means: try again later."""
    try:
        if status == 200:
            ack = Ack.model_validate_json(body)
            return Accepted(ack.acked, ack.cancel)
        return _problem(json.loads(body)) if status == 409 else Unreachable(f"HTTP {status}")
    except (ValidationError, ValueError, KeyError, TypeError):
        return Unreachable(f"HTTP {status} with an answer that is no Eyebright's")


def _problem(problem: dict[str, Any]) -> Answer:
    match problem["code"]:
        case Problem.GAP:
            return Gap(int(problem["expected"]))
        case Problem.FENCED:
            return Fenced()
        case Problem.EVENT_CONFLICT:
            return Conflict(str(problem.get("detail", "")))
        case code:
            return Unreachable(f"HTTP 409 {code}")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
