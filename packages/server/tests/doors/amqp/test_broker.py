"""What the other tests of the queue take for granted: the broker is real, and what it has confirmed survives it."""

import asyncio
from typing import Any

from harness.rabbitmq import SETTLED_SECONDS, RabbitMQ, on_channel, publish, take, waiting


async def test_what_the_broker_has_confirmed_survives_its_kill(rabbitmq: RabbitMQ, broker_url: str):
    async def declare(channel: Any) -> None:
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})

    await on_channel(broker_url, declare)
    await asyncio.sleep(SETTLED_SECONDS)
    await publish(broker_url, b"first", b"second", queue="kept")
    rabbitmq.kill()
    rabbitmq.start()
    assert [(await take(broker_url, "kept")).body for _ in range(2)] == [b"first", b"second"]
    assert await waiting(broker_url, "kept") == 0
