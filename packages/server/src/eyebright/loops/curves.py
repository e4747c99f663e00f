"""Keeps the curves of long jobs up to date, so that their charts need not read every event."""

from collections.abc import Awaitable, Callable

from eyebright.loops.pulse import Pulse, freely, keep
from eyebright.ports.clock import Clock
from eyebright.services.charts import Charts

EVERY_SECONDS = 5.0
#: Between two portions of what is left over from a time without a server: others want the database too.
PAUSE_SECONDS = 0.1


async def run(charts: Charts, pulse: Pulse, clock: Clock, may: Callable[[], Awaitable[bool]] = freely) -> None:
    """While it may. Never returns; ends when its task is cancelled."""
    more = False

    async def tick() -> None:
        nonlocal more
        more = await charts.fold()

    await keep(pulse, clock, tick, lambda: clock.sleep(PAUSE_SECONDS if more else EVERY_SECONDS), may)
