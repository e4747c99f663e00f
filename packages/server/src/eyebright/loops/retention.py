"""Removes what has had its time: at the start, and then every minute."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from eyebright.loops.pulse import Pulse, keep
from eyebright.ports.clock import Clock

EVERY_SECONDS = 60.0

Removal = Callable[[], Awaitable[object]]


async def run(removals: Sequence[Removal], pulse: Pulse, clock: Clock) -> None:
    """Never returns; ends when its task is cancelled."""
    await keep(pulse, clock, lambda: _round(removals), lambda: clock.sleep(EVERY_SECONDS))


async def _round(removals: Sequence[Removal]) -> None:
    """All to their ends, whatever happens to the others. Raises what went wrong, together."""
    ended = await asyncio.gather(*(removal() for removal in removals), return_exceptions=True)
    if failed := [each for each in ended if isinstance(each, BaseException)]:
        raise BaseExceptionGroup("not all that has had its time could be removed", failed)
