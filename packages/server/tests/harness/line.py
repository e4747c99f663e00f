"""A line to a server that breaks, stalls, spoils a byte, falls silent, or is answered "busy", when a test says so:
`with line_to(url) as line:`."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Traffic:
    """Bytes in one direction over all connections, and after how many of them a connection is to break, or a byte to become
    another. One that has passed `stalls_at` of them itself stands still until that is None again."""

    cuts: list[int] = field(default_factory=list[int])
    stalls_at: int | None = None
    spoils: list[int] = field(default_factory=list[int])
    passed: int = 0

    def stalls(self, passed: int) -> bool:
        return self.stalls_at is not None and passed >= self.stalls_at

    def breaks(self, count: int) -> bool:
        self.passed += count
        if self.cuts and self.passed > self.cuts[0]:
            self.cuts.pop(0)
            return True
        return False

    def delivered(self, chunk: bytes) -> bytes:
        """The chunk that has just passed, as it arrives."""
        if self.spoils and self.passed > self.spoils[0]:
            self.spoils.pop(0)
            return chunk[:-1] + bytes([chunk[-1] ^ 1])
        return chunk


@dataclass(slots=True)
class Line:
    """`busy`: so many connections are answered with 503 from now on. `silent`: new ones are taken, and never answered."""

    url: str
    busy: int = 0
    silent: bool = False
    up: Traffic = field(default_factory=Traffic)
    down: Traffic = field(default_factory=Traffic)
    connections: int = 0


class _Server(ThreadingTCPServer):
    daemon_threads = True
    line: Line
    target: tuple[str, int]


class _Connection(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        line = self.server.line
        line.connections += 1
        if line.busy:
            line.busy -= 1
            with suppress(OSError):
                self.request.recv(1 << 16)
                self.request.sendall(_BUSY)
            return
        if line.silent:
            while self.request.recv(1 << 16):
                continue
            return
        with socket.create_connection(self.server.target) as beyond:
            answers = threading.Thread(target=pass_on, args=(beyond, self.request, line.down))
            answers.start()
            pass_on(self.request, beyond, line.up)
            answers.join()


def pass_on(source: socket.socket, sink: socket.socket, traffic: Traffic | None = None) -> None:
    """Until either end has no more to say."""
    traffic, passed = traffic or Traffic(), 0
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            while traffic.stalls(passed):
                time.sleep(0.01)
            passed += len(chunk)
            if traffic.breaks(len(chunk)):
                break
            sink.sendall(traffic.delivered(chunk))
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def line_to(url: str) -> Iterator[Line]:
    parts = urlsplit(url)
    with _Server(("127.0.0.1", 0), _Connection) as server:
        server.target = (parts.hostname or "", parts.port or 80)
        server.line = Line(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.line
        finally:
            server.shutdown()
            thread.join()
