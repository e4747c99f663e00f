"""Delivers news to the subscribers: at once when something was committed, else every few seconds for what failed before."""

from eyebright.loops.pulse import Pulse, keep
from eyebright.ports.clock import Clock
from eyebright.services.relay import Relay
from eyebright.services.signal import Signal

EVERY_SECONDS = 5.0
#: Messages of one round; with less than that the outbox is empty for now.
BATCH = 1000


async def run(relay: Relay, pulse: Pulse, clock: Clock, wake: Signal) -> None:
    """Never returns; ends when its task is cancelled."""

    async def tick() -> None:
        while await relay.tick(BATCH) == BATCH:
            pass

    await keep(pulse, clock, tick, lambda: wake.wait(EVERY_SECONDS))
