"""Ends an embedded server that nobody needs any more."""

from collections.abc import Awaitable, Callable

import structlog

from eyebright.ports.clock import Clock

log = structlog.stdlib.get_logger(__name__)

LOOK_SECONDS = 1.0


async def run(
    quiet_seconds: Callable[[], float],
    unfinished: Callable[[], Awaitable[bool]],
    leave: Callable[[], None],
    clock: Clock,
    *,
    patience_seconds: float,
) -> None:
    """Returns after `leave()`, once nobody has called for `patience_seconds` and no job waits or runs."""
    while True:
        await clock.sleep(LOOK_SECONDS)
        if quiet_seconds() >= patience_seconds and not await _busy(unfinished):
            log.info("idle; the embedded server ends", patience_seconds=patience_seconds)
            return leave()


async def _busy(unfinished: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await unfinished()
    except Exception:
        log.exception("cannot tell whether jobs are unfinished; staying")
        return True
