"""Looks after what runs: at once when a trainer has said its last word or somebody cancelled, else every second."""

from eyebright.loops.pulse import Pulse, keep
from eyebright.ports.clock import Clock
from eyebright.services.signal import Signal
from eyebright.services.sweep import Sweep

EVERY_SECONDS = 1.0


async def run(sweep: Sweep, pulse: Pulse, clock: Clock, wake: Signal) -> None:
    """Never returns; ends when its task is cancelled."""
    await keep(pulse, clock, sweep.tick, lambda: wake.wait(EVERY_SECONDS))
