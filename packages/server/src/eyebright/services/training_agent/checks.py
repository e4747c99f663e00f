"""What trainings of projects need that is not ours: their callers' database, and the place of their models."""

import asyncio
from collections.abc import Awaitable

import structlog

from eyebright.errors import EyebrightError, StorageUnusable, Unavailable
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.clock import Clock
from eyebright.ports.shelf import Shelf

log = structlog.stdlib.get_logger(__name__)

#: So long a place that was there, or was away, is believed to be of use, so that not every start asks for it.
BELIEVED_MS = 120_000
#: A start waits no longer for a store that may be back when the training ends.
PATIENCE_SECONDS = 5.0


class Checks:
    def __init__(self, database: CallersDatabase, shelf: Shelf, clock: Clock) -> None:
        self._database = database
        self._shelf = shelf
        self._clock = clock
        self._believed_until_ms = 0

    async def problems(self) -> list[str]:
        """What is wrong now, with what to do about it; nothing where trainings can be carried out."""
        found = await asyncio.gather(_problem(self._database.probe()), _problem(self._look_for_place()))
        return [problem for problem in found if problem]

    async def require_place(self) -> None:
        """Raises StorageUnusable where it is known that no model could be put into its place, however well it was trained."""
        if self._clock.monotonic_ms() < self._believed_until_ms:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._look_for_place()
        except StorageUnusable:
            raise
        except (Unavailable, TimeoutError) as away:
            log.warning(
                "the place for models is away; a training begins all the same", problem=str(away) or "no answer"
            )

    async def _look_for_place(self) -> None:
        unusable = False
        try:
            await self._shelf.probe()
        except StorageUnusable:
            unusable = True
            raise
        finally:
            self._believed_until_ms = 0 if unusable else self._clock.monotonic_ms() + BELIEVED_MS


async def _problem(probe: Awaitable[None]) -> str:
    try:
        await probe
    except EyebrightError as error:
        return error.message
    except Exception:
        log.exception("it cannot be told whether projects could be trained")
        return "it cannot be told whether projects could be trained; the server's log has the details"
    return ""
