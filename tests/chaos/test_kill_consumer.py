"""kill -9 of the consumer every moment while orders come: every order is one job, none is lost, none is doubled.

A real RabbitMQ, a real server, `eyebright consume` as a process. CHAOS_MESSAGES makes it longer.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.consumers import Consumers
from harness.live import LiveServer
from harness.orders import busy, order, ordered
from harness.rabbitmq import SETTLED_SECONDS, RabbitMQ, publish, until_declared, waiting

MESSAGES = int(os.environ.get("CHAOS_MESSAGES", "300"))
SEED = int(os.environ.get("CHAOS_SEED", "7"))
#: From a consumer's start to its end; the first second of it goes by before it takes anything.
LIVES_SECONDS = (1.5, 3.5)
KILLS = 4
DEADLINE_SECONDS = 240


@contextmanager
def consumers(server: LiveServer, url: str) -> Iterator[Consumers]:
    running = Consumers(server, url)
    try:
        yield running
    finally:
        running.end()


async def test_no_order_is_lost_or_doubled_while_consumers_are_killed(
    tmp_path: Path, rabbitmq: RabbitMQ, broker_url: str
):
    dice = random.Random(SEED)
    sent = [order(f"task-{number}") for number in range(MESSAGES)]
    with busy(tmp_path / "data") as server:
        with consumers(server, broker_url) as running:
            await until_declared(broker_url)
            await asyncio.sleep(SETTLED_SECONDS)
            deadline = time.monotonic() + DEADLINE_SECONDS
            sending = asyncio.create_task(send(broker_url, sent, dice))
            while not sending.done() or running.kills < KILLS:
                await asyncio.sleep(dice.uniform(*LIVES_SECONDS))
                running.replace()
                assert time.monotonic() < deadline
            await sending
            await until_taken(broker_url, deadline)
        assert await waiting(broker_url) == 0, "what a consumer held has come back"
        assert running.kills >= KILLS
        assert ordered(server) == Counter(f"task-{number}" for number in range(MESSAGES))


async def send(url: str, bodies: list[bytes], dice: random.Random) -> None:
    """Some twice, as a sender does who did not hear of the confirmation."""
    for start in range(0, len(bodies), 20):
        some = bodies[start : start + 20]
        await publish(url, *some, *dice.sample(some, 4))
        await asyncio.sleep(0.3)


async def until_taken(url: str, deadline: float) -> None:
    """Nothing is ready any more; what is in hand by then is settled when the consumer ends."""
    while True:
        if await waiting(url) == 0:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
