"""How soon receivers hear, with 100 jobs reporting and a tenth of the receivers failing.

The server is a real `eyebright serve` on SQLite; its jobs are those of `ingest`, each of which reports progress every 10 s, at a
moment of its own. Twenty endpoints hear of all of it at once, 200 deliveries a second. One of the twenty answers 500, one takes
the request and never answers. Counted is what the others hear, from the moment at which the change was decided (the `timestamp`
of the body) to its arrival, in 30 s that begin when all have heard that all jobs began. The same again with twenty that are well
tells what the dead ones cost.
"""

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import orjson
import uvloop

from benchmarks.figure import Family, Figure
from benchmarks.ingest import launched, load, silent
from benchmarks.server import serving
from benchmarks.spread import percentile, say

P95 = Figure(
    name="webhook_p95",
    unit="ms",
    bar=1000.0,
    lower_is_better=True,
    against="decision to arrival at 18 of 20 receivers, 200 deliveries/s of 100 jobs; one answers 500, one never answers",
)
DEAD = Figure(
    name="webhook_dead_cost",
    unit="ratio",
    bar=1.5,
    lower_is_better=True,
    against="p95 with two dead receivers of twenty ÷ p95 with none",
)

JOBS, RECEIVERS, PER_SECOND, SECONDS, PROGRESS_SECONDS = 100, 20, 0.1, 30.0, 1.0
#: That 100 jobs begin in one moment is 2,000 deliveries, and no figure of this.
SETTLE_SECONDS = 30.0
_API = "/api/v1"


class Receivers(asyncio.Protocol):
    """One connection; what is answered goes by the path."""

    heard: list[tuple[float, bytes]]

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._received = b""
        if head.startswith(b"POST /silent"):
            return
        status = b"500 Broken" if head.startswith(b"POST /broken") else b"204 Taken"
        if status.startswith(b"2"):
            self.heard.append((time.time(), body))
        self._transport.write(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status)


def webhooks() -> Mapping[str, float]:
    well = _p95("twenty that are well", dead=False)
    ill = _p95("two of twenty dead", dead=True)
    return {P95.name: ill, DEAD.name: ill / well}


def _p95(what: str, *, dead: bool) -> float:
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder, _receiving() as (port, heard):
        permitted = {
            "EYEBRIGHT_EGRESS__SCHEMES": "http",
            "EYEBRIGHT_EGRESS__ALLOW": "127.0.0.0/8",
            "EYEBRIGHT_EGRESS__PORTS": str(port),
        }
        with serving({**silent(Path(folder)), **permitted}) as server:
            bearer = {"Authorization": f"Bearer {server.token}"}
            with httpx.Client(base_url=server.url, headers=bearer, timeout=60) as http:
                specs = launched(http, server, Path(folder) / "pictures", JOBS)
                for number in range(RECEIVERS):
                    _create(http, f"http://127.0.0.1:{port}{_path(number, dead=dead)}")
            began = time.time()
            load(Path(folder), specs, PER_SECOND, SETTLE_SECONDS + SECONDS)
    begins, ends = began + SETTLE_SECONDS, began + SETTLE_SECONDS + SECONDS
    waits = [1000 * (at - then) for at, then in map(_told, heard) if begins <= then < ends]
    if not waits:
        raise RuntimeError(
            f"of {len(heard)} deliveries none was of the window: this machine is too busy to measure that"
        )
    median, p95 = percentile(waits, 0.5), percentile(waits, 0.95)
    say(f"{what}: {len(waits)} deliveries; median {median:.0f} ms, p95 {p95:.0f} ms, most {max(waits):.0f} ms")
    return p95


def _path(number: int, *, dead: bool) -> str:
    return {0: "/broken", 1: "/silent"}.get(number, f"/{number}") if dead else f"/{number}"


def _create(http: httpx.Client, url: str) -> None:
    http.post(f"{_API}/webhooks", json={"url": url, "progress_seconds": PROGRESS_SECONDS}).raise_for_status()


def _told(heard: tuple[float, bytes]) -> tuple[float, float]:
    """When it arrived, and of which moment it tells."""
    at, body = heard
    return at, datetime.fromisoformat(orjson.loads(body)["timestamp"]).timestamp()


@contextmanager
def _receiving() -> Iterator[tuple[int, list[tuple[float, bytes]]]]:
    """A port, and what came there."""
    heard: list[tuple[float, bytes]] = []
    loop = uvloop.new_event_loop()
    protocol = type("Here", (Receivers,), {"heard": heard})
    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server.sockets[0].getsockname()[1], heard
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def _length(head: bytes) -> int:
    return next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)


FAMILIES = (Family((P95, DEAD), webhooks),)
