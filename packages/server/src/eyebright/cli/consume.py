"""`eyebright consume`."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from eyebright.cli.succession import Succession
from eyebright.cli.terminal import say
from eyebright.cli.verbs import example, single
from eyebright.client import Client
from eyebright.ports.clock import SystemClock
from eyebright.settings import Settings
from eyebright_wire.queue import QueueAnswer

app = single()

EXAMPLES = """
eyebright consume                                                for the server of this machine
EYEBRIGHT_AMQP__URL=amqp://user:password@mq/ eyebright consume   from another broker
EYEBRIGHT_URL=https://train.example EYEBRIGHT_TOKEN=… eyebright consume
"""


class OverHttp:
    """Hands messages to a server. Only what it has answered is settled."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def take(self, body: bytes, size_bytes: int | None = None) -> QueueAnswer:
        return await asyncio.to_thread(self._client.deliver, body, size_bytes)


@app.command(epilog=example(EXAMPLES))
def consume() -> None:
    """Take orders from the message queue and hand them to a server that runs; a process beside it.

    A message is acknowledged once the server has committed what became of it. Broker and server may come and go meanwhile: what
    is not acknowledged is delivered again. `eyebright serve --amqp` does the same within the server. The settings begin with
    EYEBRIGHT_AMQP__; the broker's address is never an argument, because it has a password in it.
    """
    from eyebright import telemetry
    from eyebright.doors.amqp.consumer import Consumer

    settings = Settings()
    telemetry.configure(settings.log)
    with Client(settings=settings, find=Succession()) as client:
        say(f"Handing orders of the queue {settings.amqp.queue} to {client.url}. Ctrl-C ends it.")
        asyncio.run(_until_asked(Consumer(settings.amqp, OverHttp(client), SystemClock()).run))


async def _until_asked(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """To end is what it is for: a signal is no failure. What is in hand is settled first, if it soon can be."""
    running = asyncio.ensure_future(run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    await asyncio.wait([running])
    if not running.cancelled():
        running.result()
