"""Removes what has had its time: at the start, and then every minute."""

import asyncio

from eyebright.loops.pulse import Pulse, keep
from eyebright.ports.clock import Clock
from eyebright.services.models import Models
from eyebright.services.uploads import Uploads

EVERY_SECONDS = 60.0


async def run(uploads: Uploads, models: Models, pulse: Pulse, clock: Clock) -> None:
    """Never returns; ends when its task is cancelled."""
    await keep(pulse, clock, lambda: _round(uploads, models), lambda: clock.sleep(EVERY_SECONDS))


async def _round(uploads: Uploads, models: Models) -> None:
    """Both to their ends, whatever happens to the other. Raises what went wrong, together."""
    ended = await asyncio.gather(uploads.expire(), models.clear(), return_exceptions=True)
    if failed := [each for each in ended if isinstance(each, BaseException)]:
        raise BaseExceptionGroup("not all that has had its time could be removed", failed)
