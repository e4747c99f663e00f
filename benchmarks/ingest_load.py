"""The reporters of many attempts in one process: `python -m benchmarks.ingest_load PLAN RESULT` (both JSON).

An open loop: when an event happens is decided beforehand, whether or not the server keeps up, and its latency counts from that
moment to the acknowledgement. Each attempt posts as the kit's sender does: one request at a time on a kept-alive connection of
its own, and whatever has piled up meanwhile goes into the next one; heartbeats have another connection. HTTP is spoken by hand
on asyncio's transports: this process shares two cores with the server, and a client library would take most of one.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import uvloop

BATCH = 200  # the kit's
DRAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Plan:
    """`warm_seconds` of reporting come first and count for nothing."""

    specs: list[str]
    events_per_second: float  # of each attempt
    warm_seconds: float
    seconds: float


@dataclass
class Outcome:
    """`latencies_ms` of the events that happened in the window, the last of which was acknowledged after `seconds` of it."""

    sent: dict[str, int] = field(default_factory=dict)
    acked: dict[str, int] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0
    posts: int = 0
    refused: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0


class Line(asyncio.Protocol):
    """One kept-alive connection with at most one request under way."""

    def __init__(self, target: str, host: str, token: str, answered: Callable[[int, bytes], None]) -> None:
        head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        self._head = f"{head}Content-Type: application/json\r\nContent-Length: ".encode()
        self._answered = answered
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def post(self, body: bytes) -> None:
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            self._received = b""
            self._answered(int(head[9:12]), body)

    def connection_lost(self, error: Exception | None) -> None:
        self._answered(0, repr(error).encode())


class Reporter:
    """One attempt: numbers its events, sends what waits."""

    def __init__(self, spec: dict[str, Any], outcome: Outcome, window: "Window") -> None:
        url = urlsplit(spec["events_url"])
        self.job_id = spec["job_id"]
        self.place = (url.hostname, url.port)
        self.line = Line(url.path, url.netloc, spec["token"], self._answered)
        self.heart = Line(f"{url.path}/heartbeat", url.netloc, spec["token"], self._beaten)
        self.heartbeat_seconds = spec["heartbeat_seconds"]
        self._outcome = outcome
        self._window = window
        self._waiting: list[tuple[float, bytes]] = []
        self._under_way: list[tuple[float, bytes]] = []
        self._seq = 0

    async def connect(self) -> None:
        for line in (self.line, self.heart):
            await asyncio.get_running_loop().create_connection(lambda line=line: line, *self.place)

    @property
    def silent(self) -> bool:
        """Everything is told."""
        return not (self._waiting or self._under_way)

    def say(self, happened: float, kind: str, data: dict[str, object]) -> None:
        self._seq += 1
        event = {"seq": self._seq, "kind": kind, "at_ms": time.time_ns() // 1_000_000, "data": data}
        self._waiting.append((happened, orjson.dumps(event)))
        self._outcome.sent[self.job_id] = self._seq
        if not self._under_way:
            self._post()

    def progress(self, happened: float) -> None:
        step = self._seq
        metrics = {"loss": 2.3 / step, "train_top1": 0.5, "lr": 0.001, "grad_norm": 1.5, "memory_gb": 3.25}
        body = {
            "epoch": 1,
            "epochs": 30,
            "step": step,
            "steps": 30_000,
            "images_per_second": 70.5,
            "eta_seconds": 900.0,
        }
        self.say(happened, "progress", {**body, "epoch_finished": False, "metrics": metrics})

    def beat(self) -> None:
        now = time.time_ns() // 1_000_000
        self.heart.post(orjson.dumps({"at_ms": now, "moved_at_ms": now, "step": self._seq}))

    def _post(self) -> None:
        self._under_way, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._outcome.posts += 1
        self.line.post(b'{"events":[%b]}' % b",".join([event for _, event in self._under_way]))

    def _answered(self, status: int, body: bytes) -> None:
        if status != 200:
            self._outcome.refused.append(f"{self.job_id}: {status} {body[:200]!r}")
            return
        self._window.count(self._outcome, [happened for happened, _ in self._under_way])
        self._outcome.acked[self.job_id] = orjson.loads(body)["acked"]
        self._under_way = []
        if self._waiting:
            self._post()

    def _beaten(self, status: int, body: bytes) -> None:
        if status != 200:
            self._outcome.refused.append(f"{self.job_id} heartbeat: {status} {body[:200]!r}")


@dataclass
class Window:
    """What happens between `begins` and `ends` (monotonic) counts."""

    begins: float = 0.0
    ends: float = 0.0

    def count(self, outcome: Outcome, happened: list[float]) -> None:
        now = time.monotonic()
        if inside := [then for then in happened if self.begins <= then < self.ends]:
            outcome.latencies_ms += [1000 * (now - then) for then in inside]
            outcome.seconds = now - self.begins


async def report(plan: Plan, specs: list[dict[str, Any]]) -> Outcome:
    outcome, window = Outcome(), Window()
    reporters = [Reporter(spec, outcome, window) for spec in specs]
    for reporter in reporters:
        await reporter.connect()
    await _introduce(reporters, outcome)
    began, cpu = time.monotonic(), time.process_time()
    window.begins = began + plan.warm_seconds
    window.ends = window.begins + plan.seconds
    hearts = asyncio.create_task(_beat(reporters))
    await _train(reporters, plan, began)
    await _drain(reporters, outcome)
    hearts.cancel()
    outcome.cpu_seconds = time.process_time() - cpu
    return outcome


async def _introduce(reporters: list[Reporter], outcome: Outcome) -> None:
    """Every attempt says that it has begun; training goes on once all are heard."""
    for number, reporter in enumerate(reporters):
        reporter.say(time.monotonic(), "started", {"pid": number + 1, "host": "bench"})
        reporter.say(time.monotonic(), "stage", {"stage": "training"})
    await _drain(reporters, outcome)


async def _train(reporters: list[Reporter], plan: Plan, began: float) -> None:
    """Says each event at its time; those that are late at once."""
    ends = began + plan.warm_seconds + plan.seconds
    for happens, reporter in schedule(reporters, plan.events_per_second, began):
        if happens >= ends:
            return
        if (early := happens - time.monotonic()) > 0:
            await asyncio.sleep(early)
        reporter.progress(happens)


def schedule(reporters: list[Reporter], per_second: float, began: float) -> Iterator[tuple[float, Reporter]]:
    """Every reporter at the same even rate, each with a phase of its own; ordered by time."""
    numbers = random.Random(7)  # noqa: S311 - phases, not secrets
    phased = sorted(((numbers.random() / per_second, reporter) for reporter in reporters), key=lambda pair: pair[0])
    for round_ in count():
        for phase, reporter in phased:
            yield began + phase + round_ / per_second, reporter


async def _beat(reporters: list[Reporter]) -> None:
    """Each reporter's heartbeat at its own interval, spread evenly."""
    pause = reporters[0].heartbeat_seconds / len(reporters)
    for number in count():
        reporters[number % len(reporters)].beat()
        await asyncio.sleep(pause)


async def _drain(reporters: list[Reporter], outcome: Outcome) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while not all(reporter.silent for reporter in reporters):
        if time.monotonic() > deadline or outcome.refused:
            return
        await asyncio.sleep(0.01)


def _length(head: bytes) -> int:
    at = head.lower().index(b"content-length:") + 15
    return int(bytes(islice(head[at:].lstrip(), 20)).partition(b"\r")[0])


def main(plan: str, result: str) -> None:
    chosen = Plan(**json.loads(Path(plan).read_text()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(report(chosen, [json.loads(Path(spec).read_text()) for spec in chosen.specs]))
    Path(result).write_text(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main(*sys.argv[1:])
