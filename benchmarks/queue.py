"""How long an order waits until it is acknowledged, and whether any is lost or doubled while consumers are killed.

A real RabbitMQ and a real `eyebright serve` on SQLite, both with their data on disk. The only slot of the server is taken, so
that orders queue up and no training disturbs. For the latency the server reads the queue itself; 50 orders a second are
published, each with a `reply_to`, and the time from publishing one until its answer is there counts: the answer is confirmed
right before the acknowledgement. For the count 10,000 orders go through `eyebright consume`, a process that is killed with
SIGKILL every few seconds, and at the end the server is asked how many trainings there are of each.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aio_pika

from benchmarks.beside import broker
from benchmarks.figure import Family, Figure
from benchmarks.spread import percentile, say

ACK_P99 = Figure(
    name="queue_ack_p99",
    unit="s",
    bar=1.0,
    lower_is_better=True,
    against="from publishing an order to its answer, which is confirmed right before the ack; 50 orders/s for 20 s",
)
WRONG = Figure(
    name="queue_lost_or_doubled",
    unit="orders",
    bar=0.0,
    lower_is_better=True,
    against="10,000 orders, some sent twice, with the consumer killed every few seconds",
)
PER_SECOND, SECONDS = 50, 20
ORDERS, PUBLISHED_AT_ONCE, KILLED_EVERY_SECONDS, PATIENCE_SECONDS = 10_000, 100, 5.0, 1800.0


def acknowledged() -> Mapping[str, float]:
    with broker() as url, _folder() as folder:
        from harness.orders import busy

        with busy(folder / "data", EYEBRIGHT_AMQP__URL=url, EYEBRIGHT_AMQP__CONSUME="true"):
            waits = sorted(asyncio.run(_answered(url)))
    median, p95, p99 = (percentile(waits, share) for share in (0.5, 0.95, 0.99))
    say(f"ack: median {median:.4f} s, p95 {p95:.4f} s, p99 {p99:.4f} s, most {waits[-1]:.4f} s of {len(waits)}")
    return {ACK_P99.name: p99}


def counted() -> Mapping[str, float]:
    with broker() as url, _folder() as folder:
        from harness.orders import busy, ordered

        with busy(folder / "data") as server:
            asyncio.run(_taken(server, url))
            found = ordered(server)
    lost = [f"task-{number}" for number in range(ORDERS) if not found[f"task-{number}"]]
    doubled = sum(count - 1 for count in found.values())
    say(f"orders: {len(found)} of {ORDERS} are there, {len(lost)} lost, {doubled} doubled")
    return {WRONG.name: len(lost) + doubled}


FAMILIES = (Family((ACK_P99,), acknowledged), Family((WRONG,), counted))


async def _answered(url: str) -> list[float]:
    """Seconds from publishing to the answer, of each order."""
    from harness.orders import order
    from harness.rabbitmq import until_declared

    await until_declared(url)
    sent: dict[str, float] = {}
    waits: list[float] = []
    everyone = asyncio.Event()
    async with await aio_pika.connect(url) as connection:
        publishing, answering = await connection.channel(), await connection.channel()
        answers = await answering.declare_queue("answers", exclusive=True)

        async def note(answer: Any) -> None:
            waits.append(time.perf_counter() - sent[answer.correlation_id])
            if len(waits) == PER_SECOND * SECONDS:
                everyone.set()

        await answers.consume(note, no_ack=True)
        began = time.perf_counter()
        for number in range(PER_SECOND * SECONDS):
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.perf_counter()))
            key = f"task-{number}"
            message = aio_pika.Message(order(key), reply_to=answers.name, correlation_id=key, delivery_mode=2)
            sent[key] = time.perf_counter()
            await publishing.default_exchange.publish(message, "model_training")
        async with asyncio.timeout(60):
            await everyone.wait()
    return waits


async def _taken(server: Any, url: str) -> None:
    from harness.consumers import Consumers
    from harness.orders import order
    from harness.rabbitmq import publish, until_declared, waiting

    consumers, deadline = Consumers(server, url), time.monotonic() + PATIENCE_SECONDS
    try:
        await until_declared(url)
        for start in range(0, ORDERS, PUBLISHED_AT_ONCE):
            some = [order(f"task-{number}") for number in range(start, min(ORDERS, start + PUBLISHED_AT_ONCE))]
            await publish(url, *some, *some[::20])
        while await waiting(url):
            await asyncio.sleep(KILLED_EVERY_SECONDS)
            consumers.replace()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{await waiting(url)} orders are still waiting after {PATIENCE_SECONDS:.0f} s")
    finally:
        consumers.end()
    say(f"consumers killed: {consumers.kills}")
    if left := await waiting(url):
        raise RuntimeError(f"{left} orders came back when the last consumer ended")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
        yield Path(folder)
