"""Removes what has had its time: at the start, and then every minute."""

from eyebright.loops.pulse import Pulse, keep
from eyebright.ports.clock import Clock
from eyebright.services.uploads import Uploads

EVERY_SECONDS = 60.0


async def run(uploads: Uploads, pulse: Pulse, clock: Clock) -> None:
    """Never returns; ends when its task is cancelled."""
    await keep(pulse, clock, uploads.expire, lambda: clock.sleep(EVERY_SECONDS))
