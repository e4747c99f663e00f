"""A balancer before several servers: each connection goes to the next one that says it is ready, as probes find out."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from itertools import count
from socketserver import BaseRequestHandler, ThreadingTCPServer

from harness.line import pass_on

PROBE_SECONDS = 0.2


class Balancer:
    def __init__(self, ports: Sequence[int], own: int) -> None:
        self.url = f"http://127.0.0.1:{own}"
        self._ports = ports
        self._ready: tuple[int, ...] = ()
        self._turn = count()

    def connect(self) -> socket.socket | None:
        """To the next one that is ready; one that has just died is passed over."""
        ready = self._ready
        start = next(self._turn)
        for place in range(len(ready)):
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", ready[(start + place) % len(ready)]), timeout=5)
        return None

    def probe(self) -> None:
        self._ready = tuple(port for port in self._ports if is_ready(port))


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    balancer: Balancer


class _Connection(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        beyond = self.server.balancer.connect()
        if beyond is None:
            return
        with beyond:
            beyond.settimeout(None)
            answers = threading.Thread(target=pass_on, args=(beyond, self.request))
            answers.start()
            pass_on(self.request, beyond)
            answers.join()


def is_ready(port: int) -> bool:
    with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", port, timeout=2)) as line:
        line.request("GET", "/ready")
        return line.getresponse().status == HTTPStatus.OK
    return False


@contextmanager
def balancer_before(ports: Sequence[int]) -> Iterator[Balancer]:
    with _Server(("127.0.0.1", 0), _Connection) as server:
        server.balancer = balancer = Balancer(ports, server.server_address[1])
        ended = threading.Event()

        def probing() -> None:
            while not ended.wait(PROBE_SECONDS):
                balancer.probe()

        threads = [threading.Thread(target=server.serve_forever, args=(0.02,)), threading.Thread(target=probing)]
        for thread in threads:
            thread.start()
        try:
            yield balancer
        finally:
            ended.set()
            server.shutdown()
            for thread in threads:
                thread.join()
