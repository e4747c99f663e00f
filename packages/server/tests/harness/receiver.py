"""A real receiver of webhooks on loopback: it answers by path, and keeps what came."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook

#: What lets a server call receivers of this machine; their port comes to it.
PERMITTED = {"EYEBRIGHT_EGRESS__SCHEMES": "http,https", "EYEBRIGHT_EGRESS__ALLOW": "127.0.0.0/8"}
PATIENCE_SECONDS = 180


@dataclass(frozen=True)
class Visit:
    path: str
    method: str
    headers: dict[str, str]
    body: bytes
    taken: bool
    at: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """/…: 200 · /teapot: 418 · /500 · /410 · /302 · /503: Retry-After 1 · /slow: never · /garbage · /huge."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.secrets: dict[str, str] = {}  # by path: what comes there is verified with it
        self.ending = threading.Event()
        receiver = self

        class Handler(_Handler):
            pass

        Handler.receiver = receiver
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def at(self, path: str) -> list[Visit]:
        return [visit for visit in list(self.visits) if visit.path == path]

    def verified(self, path: str) -> list[Any]:
        """What came there, each verified by the library of Standard Webhooks. Raises WebhookVerificationError."""
        return [Webhook(self.secrets[path]).verify(visit.body, visit.headers) for visit in self.at(path)]

    def path_of(self, path: str, delivery_id: str) -> str:
        """As which path a visit is answered; for receivers that are of two minds."""
        del delivery_id
        return path

    def wait_for(self, path: str, which: Callable[[Any], bool], times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(map(which, self.verified(path))) < times:
            assert time.monotonic() < deadline, [told["type"] for told in self.verified(path)]
            time.sleep(0.05)


_REFUSED = {"500", "410", "teapot", "302", "503", "slow", "garbage"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the sender died while it sent: nobody was told anything
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        meant = self.receiver.path_of(self.path, headers.get("webhook-id", "")).split("/")[1]
        self.receiver.visits.append(Visit(self.path, self.command, headers, body, meant not in _REFUSED))
        match meant:
            case "500" | "410" as status:
                self._answer(int(status))
            case "teapot":
                self._answer(418)
            case "302":
                self._answer(302, Location=self.receiver.url("/never-followed"))
            case "503":
                self._answer(503, Retry_After="1")
            case "slow":
                self.receiver.ending.wait()
            case "garbage":
                self.wfile.write(b"\x00\xffgarbage that is no HTTP\r\n\r\n")
                self.close_connection = True
            case "huge":
                self._huge()
            case _:
                self._answer(200)

    do_PATCH = do_POST

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _huge(self) -> None:
        """2xx, and then a body that does not end."""
        self.send_response(200)
        self.send_header("Content-Length", str(2**40))
        self.end_headers()
        try:
            while not self.receiver.ending.is_set():
                self.wfile.write(bytes(1 << 16))
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
