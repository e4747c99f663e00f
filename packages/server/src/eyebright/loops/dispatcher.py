"""Launches what is due: at once when something was ordered or a slot came free, else every second."""

from eyebright.loops.pulse import Pulse, keep
from eyebright.ports.clock import Clock
from eyebright.services.dispatch import Dispatch
from eyebright.services.signal import Signal

EVERY_SECONDS = 1.0


async def run(dispatch: Dispatch, pulse: Pulse, clock: Clock, wake: Signal) -> None:
    """Never returns; ends when its task is cancelled."""
    await keep(pulse, clock, dispatch.tick, lambda: wake.wait(EVERY_SECONDS))
