"""Sends what webhooks are owed: at once when something is new, else when it comes due."""

from collections.abc import Awaitable, Callable

from eyebright.loops.pulse import Pulse, freely, keep
from eyebright.ports.clock import Clock
from eyebright.services.webhooks.deliverer import Deliverer
from eyebright.services.webhooks.telling import Telling

#: Between two rounds, so that what comes back together is noted with one commit.
PAUSE_SECONDS = 0.02


async def run(
    telling: Telling, deliverer: Deliverer, pulse: Pulse, clock: Clock, may: Callable[[], Awaitable[bool]] = freely
) -> None:
    """While it may. Never returns; ends when its task is cancelled."""

    async def tick() -> None:
        await telling.flush()
        await deliverer.tick()

    async def rest() -> None:
        await clock.sleep(PAUSE_SECONDS)
        await deliverer.rest(telling.next_ms())

    await keep(pulse, clock, tick, rest, may)
