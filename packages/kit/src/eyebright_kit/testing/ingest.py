"""A control plane's ear in one thread: a loopback server that takes events as the protocol says, and misbehaves on request."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from eyebright_wire.errors import Problem
from eyebright_wire.events import Ack, Event, EventBatch, Heartbeat


@dataclass(frozen=True)
class Reply:
    """What to answer; `drop=True` closes the connection without a word, after the work was done."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    drop: bool = False


Mischief = Callable[["IngestServer", EventBatch], Reply | None]


class IngestServer:
    """Keeps what it is told. `with IngestServer() as server:` serves until the end of the block."""

    def __init__(self) -> None:
        self.events: dict[int, Event] = {}
        self.heartbeats: list[Heartbeat] = []
        self.tokens: set[str] = set()
        self.posts = 0
        self.cancel_after: str | None = None  # an event kind: once it was heard, every answer asks to stop
        self.before: Mischief = lambda _server, _batch: None  # a reply instead of doing the work
        self.after: Mischief = lambda _server, _batch: None  # a reply instead of the true one, with the work done
        self.beat_reply: Reply | None = None
        self._changed = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/api/v1/jobs/j/attempts/1/events"

    @property
    def acked(self) -> int:
        return len(self.events)

    @property
    def kinds(self) -> list[str]:
        return [self.events[seq].kind for seq in sorted(self.events)]

    def wait_for(self, condition: Callable[["IngestServer"], bool], timeout_seconds: float = 10.0) -> bool:
        """Waits until the condition holds after some post, at most so long."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout_seconds)

    def take(self, path: str, token: str, body: bytes) -> Reply:
        with self._changed:
            self.posts += 1
            self.tokens.add(token)
            reply = (
                self._beat(body) if path.endswith("/heartbeat") else self._ingest(EventBatch.model_validate_json(body))
            )
            self._changed.notify_all()
            return reply

    def _beat(self, body: bytes) -> Reply:
        self.heartbeats.append(Heartbeat.model_validate_json(body))
        return self.beat_reply or self._ack()

    def _ingest(self, batch: EventBatch) -> Reply:
        if (reply := self.before(self, batch)) is not None:
            return reply
        for event in batch.events:
            if event.seq > self.acked + 1:
                return problem(Problem.GAP, expected=self.acked + 1)
            if self.events.setdefault(event.seq, event) != event:
                return problem(Problem.EVENT_CONFLICT, detail=f"event {event.seq} differs")
        return self.after(self, batch) or self._ack()

    def _ack(self) -> Reply:
        cancel = self.cancel_after is not None and self.cancel_after in self.kinds
        return Reply(body=Ack(acked=self.acked, cancel=cancel).model_dump())


def problem(code: str, **fields: Any) -> Reply:
    """A 409 of the ingest door."""
    return Reply(409, {"type": "about:blank", "title": code, "status": 409, "detail": code, "code": code, **fields})


def _handler_of(server: IngestServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            reply = server.take(self.path, token, body)
            if reply.drop:
                self.close_connection = True
                return
            content = json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the standard library's
            """Tests are quiet."""

    return Handler
