"""Looks after what runs: at once when a trainer has said its last word or somebody cancelled, else every second."""

from eyebright.loops.pulse import Pulse, keep
from eyebright.ports.clock import Clock
from eyebright.services.signal import Signal
from eyebright.services.sweep import Sweep

EVERY_SECONDS = 1.0
#: A trainer that has said its last word is gone in about this time. Until it is, the next job waits for its slot.
LEAVING_SECONDS = 0.1


async def run(sweep: Sweep, pulse: Pulse, clock: Clock, wake: Signal) -> None:
    """Never returns; ends when its task is cancelled."""
    await keep(pulse, clock, sweep.tick, lambda: _rest(sweep, wake))


async def _rest(sweep: Sweep, wake: Signal) -> None:
    for _ in range(round(EVERY_SECONDS / LEAVING_SECONDS)):
        if not sweep.somebody_leaves:
            await wake.wait(EVERY_SECONDS)
            return
        if await wake.wait(LEAVING_SECONDS):
            return
        await sweep.see_off()
