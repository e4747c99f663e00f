"""A web server whose every answer is scripted, and names that resolve to where a test wants."""

import copy
import io
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

import pytest

from eyebright_kit.egress import EgressRules

Answer = Callable[["Visit"], None]


class Visit(BaseHTTPRequestHandler):
    """One request, and the ways to answer it badly."""

    protocol_version = "HTTP/1.1"
    site: "Site"

    def do_GET(self) -> None:
        self.site.visits.append(copy.copy(self))  # one handler serves all requests of a connection
        self.site.answer(self)

    def head(self, status: int, **headers: str | int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


class Site:
    def __init__(self, server: ThreadingHTTPServer, answer: Answer) -> None:
        self.answer = answer
        self.visits: list[Visit] = []
        self.port: int = server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.rules = EgressRules(
            schemes=("http", "https"), ports=(self.port,), allow=(ip_network("127.0.0.0/8"),), read_seconds=60
        )
        self.closing = threading.Event()

    @property
    def ranges(self) -> list[str | None]:
        return [visit.headers["Range"] for visit in self.visits]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what many of these tests are about."""


@contextmanager
def site_at(host: str, port: int, answer: Answer, context: Any = None) -> Iterator[Site]:
    handler = type("_Visit", (Visit,), {})
    with _Server((host, port), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        handler.site = site = Site(server, answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield site
        site.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def web() -> Iterator[Callable[..., Site]]:
    """`web(answer)` is a site on loopback for the length of the test."""
    with ExitStack() as stack:
        yield lambda answer, host="127.0.0.1", port=0, context=None: stack.enter_context(
            site_at(host, port, answer, context)
        )


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Name → the addresses of its first, second … look-up; the last is repeated."""
    book: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in book:
            return real(host, port, *args, **options)
        answers = book[name]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for address in found for entry in real(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return book


class Shelf:
    """One object as a good server gives it, except where the script says `cuts`: so many bytes, then the line is dead."""

    def __init__(self, content: bytes, *, cuts: tuple[int, ...] = (), etag: str | None = '"v1"', ranges: bool = True):
        self.content = content
        self.cuts = list(cuts)
        self.etag = etag
        self.ranges = ranges

    def __call__(self, visit: Visit) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", visit.headers["Range"] or "")
        wanted = visit.headers["If-Match"]
        tag = {"ETag": self.etag} if self.etag else {}
        if asked and wanted and wanted != self.etag:
            visit.head(412, Content_Length=0)
        elif asked and self.ranges:
            start, whole = int(asked[1]), len(self.content)
            span = f"bytes {start}-{whole - 1}/{whole}"
            visit.head(206, Content_Length=whole - start, Content_Range=span, **tag)
            self._send(visit, self.content[start:])
        else:
            visit.head(200, Content_Length=len(self.content), **tag)
            self._send(visit, self.content)

    def _send(self, visit: Visit, content: bytes) -> None:
        if self.cuts:
            visit.wfile.write(content[: self.cuts.pop(0)])
            visit.cut()
        else:
            visit.wfile.write(content)


@pytest.fixture
def shelf() -> type[Shelf]:
    return Shelf


@pytest.fixture(scope="session")
def zipped() -> bytes:
    """A zip of half a megabyte that does not pack."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(4):
            archive.writestr(f"train/cats/{number}.bin", bytes((number * 7 + i * i) % 251 for i in range(1 << 17)))
    return file.getvalue()
