"""Launches what is due: soon after something was ordered or a slot came free, else every second."""

from eyebright.loops.pulse import Pulse, keep
from eyebright.ports.clock import Clock
from eyebright.services.dispatch import Dispatch
from eyebright.services.signal import Signal

EVERY_SECONDS = 1.0
#: Between two rounds, so that who orders much at once is not slowed by as many looks at the queue.
PAUSE_SECONDS = 0.05


async def run(dispatch: Dispatch, pulse: Pulse, clock: Clock, wake: Signal) -> None:
    """Never returns; ends when its task is cancelled."""

    async def rest() -> None:
        await clock.sleep(PAUSE_SECONDS)
        await wake.wait(EVERY_SECONDS)

    await keep(pulse, clock, dispatch.tick, rest)
