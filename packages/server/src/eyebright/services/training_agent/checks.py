"""What trainings of projects need that is not ours: their callers' database, and the place of their models."""

import asyncio
from collections.abc import Awaitable

import structlog

from eyebright.errors import EyebrightError, StorageFull, StorageUnusable, Unavailable
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.clock import Clock
from eyebright.ports.shelf import Shelf

log = structlog.stdlib.get_logger(__name__)

#: So long a place that was there, or was away, is believed to be of use, so that not every start asks for it.
BELIEVED_MS = 120_000
#: Nobody waits longer for a store that may be back when the training ends.
PATIENCE_SECONDS = 5.0
#: What is looked at, in words for people.
PARTS = ("the callers' database", "the place for models")


class Checks:
    def __init__(self, database: CallersDatabase, shelf: Shelf, clock: Clock) -> None:
        self._database = database
        self._shelf = shelf
        self._clock = clock
        self._believed_until_ms = 0
        self._looking: asyncio.Task[None] | None = None

    async def problems(self) -> dict[str, str]:
        """What is wrong now, and with what: nothing where trainings can be carried out."""
        found = await asyncio.gather(_problem(self._database.probe()), _problem(self._look_for_place()))
        return {part: problem for part, problem in zip(PARTS, found, strict=True) if problem}

    async def require_place(self) -> None:
        """Raises StorageUnusable where it is known that no model could be put into its place, however well it was trained."""
        if self._clock.monotonic_ms() < self._believed_until_ms:
            return
        try:
            await self._look_for_place()
        except StorageUnusable:
            raise
        except (Unavailable, StorageFull) as away:
            log.warning("the place for models is away; a training begins all the same", problem=away.message)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self._shelf.close()

    async def _look_for_place(self) -> None:
        """One look at a time: of a disk that hangs, each would keep a thread."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(_heard)
        done, _ = await asyncio.wait([self._looking], timeout=PATIENCE_SECONDS)
        if not done:
            self._believed_until_ms = self._clock.monotonic_ms() + BELIEVED_MS
            raise Unavailable(f"{self._shelf.address('')} does not answer")
        self._looking.result()

    async def _look(self) -> None:
        unusable = False
        try:
            await self._shelf.probe()
        except StorageUnusable:
            unusable = True
            raise
        finally:
            self._believed_until_ms = 0 if unusable else self._clock.monotonic_ms() + BELIEVED_MS


def _heard(looking: asyncio.Task[None]) -> None:
    """By then nobody may wait for it any more."""
    if not looking.cancelled():
        looking.exception()


async def _problem(probe: Awaitable[None]) -> str:
    try:
        await probe
    except EyebrightError as error:
        return error.message
    except Exception:
        log.exception("it cannot be told whether projects could be trained")
        return "it cannot be told whether projects could be trained; the server's log has the details"
    return ""
