"""Delivers news to the subscribers: soon after something was committed, else every few seconds for what failed before."""

from collections.abc import Awaitable, Callable

from eyebright.loops.pulse import Pulse, freely, keep
from eyebright.ports.clock import Clock
from eyebright.services.relay import Relay
from eyebright.services.signal import Signal

EVERY_SECONDS = 5.0
#: Between two rounds, so that busy trainers' news goes out together: noting what was delivered is a commit, and each one makes
#: the reporters wait for the disk once more.
PAUSE_SECONDS = 0.1
#: Messages of one round; with less than that the outbox is empty for now.
BATCH = 1000


async def run(
    relay: Relay, pulse: Pulse, clock: Clock, wake: Signal, may: Callable[[], Awaitable[bool]] = freely
) -> None:
    """While it may. Never returns; ends when its task is cancelled."""

    async def tick() -> None:
        while await relay.tick(BATCH) == BATCH:
            pass

    async def rest() -> None:
        await clock.sleep(PAUSE_SECONDS)
        await wake.wait(EVERY_SECONDS)

    await keep(pulse, clock, tick, rest, may)
