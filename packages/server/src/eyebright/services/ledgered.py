"""An object store whose bytes are known without listing it: each object has a row, opened before it is touched and settled after.

What trainers write by themselves is looked at when the work in their place is over. What a signed URL may bring or take has an
open row until the URL holds no longer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import structlog

from eyebright.errors import EyebrightError
from eyebright.ports.clock import Clock
from eyebright.ports.objects import BLOBS, Lying, ObjectInfo, ObjectStore, Signing
from eyebright.ports.stored import ALL, Due, Look, StoredObjects
from eyebright_wire.artifacts import Grant

log = structlog.stdlib.get_logger(__name__)

#: No put, however large, takes as long; after it the row of one that was killed is settled.
OPEN_HOURS = 6.0
#: Rows in one statement.
BATCH = 1000


#: Is this key of something that nobody counts: because a run is at work on it, for one?
Passing = Callable[[str], bool]

_NONE: Mapping[str, Look] = {}


def _nothing(_key: str) -> bool:
    return False


class LedgeredObjectStore:
    """ObjectStore over another one. `url_seconds`: how long its URLs hold.

    After a cancel rows stay open: a thread may still be at what was asked of it.
    """

    def __init__(self, objects: ObjectStore, stored: StoredObjects, clock: Clock, *, url_seconds: float) -> None:
        self._objects = objects
        self._stored = stored
        self._clock = clock
        self._url_seconds = url_seconds

    async def put(self, files: Sequence[tuple[str, Path]], *, owned: bool = False) -> int:
        """As the store does. Where it cannot be noted afterwards the object is there all the same, and its row stays open."""
        keys = [key for key, _ in files]
        turns = await self._opened(keys)
        sizes = await asyncio.to_thread(_sizes_of_blobs, files)
        try:
            new = await self._objects.put(files, owned=owned)
        except Exception:
            await self._settled(keys)
            raise
        await self._settled(keys, {key: Look(turns[key], size) for key, size in sizes.items()})
        return new

    async def pour(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        turns = await self._opened([key])
        try:
            size = await self._objects.pour(key, blocks)
        except Exception:
            await self._settled([key])
            raise
        await self._settled([key], {key: Look(turns[key], size)})
        return size

    async def remove(self, keys: Sequence[str]) -> None:
        below = [key for key in keys if key.endswith("/")]
        known = [each for prefix in below for each in await self._stored.known(prefix)]
        touched = sorted({*known, *(key for key in keys if not key.endswith("/"))})
        await self._opened(touched)
        try:
            await self._objects.remove(keys)
        except Exception:
            await self._settled(touched)
            raise
        await self._settled(touched)
        for prefix in below:
            await self.look_below(prefix)  # at what came meanwhile

    async def leave(self, prefix: str) -> None:
        await self._objects.leave(prefix)
        await self.look_below(prefix)

    async def signed(self, wanted: Sequence[Signing]) -> Sequence[str]:
        urls = await self._objects.signed(wanted)
        for signing in wanted:
            if signing.method != "GET":
                await self._opened([signing.key], signing.seconds or self._url_seconds)
        return urls

    async def look_below(self, prefix: str, passing: Passing = _nothing) -> Sequence[str]:
        """Mend the rows of what lies below a prefix, but for what is `passing`; which they were."""
        wrong = await self.differing(prefix, passing)
        await self._opened(wrong, seconds=0)  # a look changes nothing: who is killed at it need not be waited for
        await self._settled(wrong)
        return wrong

    async def differing(self, prefix: str, passing: Passing = _nothing) -> Sequence[str]:
        """The keys below a prefix of which the rows do not say what the store does."""
        lying = await self._objects.listed(prefix)
        known = await self._stored.known(prefix)
        sizes = {key: found.size_bytes for key, found in lying.items()}
        return sorted(key for key in {*sizes, *known} if sizes.get(key) != known.get(key) and not passing(key))

    async def look_at(self, due: Sequence[Due], over_ms: int) -> None:
        """Settle rows that were left open, as far as nobody has a turn meanwhile; those whose time is over by then are closed."""
        there = await self._objects.sizes([row.key for row in due])
        for closing, over in ((ALL, True), (0, False)):
            rows = [row for row in due if (row.until_ms <= over_ms) is over]
            await self._stored.settle({row.key: Look(row.turn, there.get(row.key)) for row in rows}, closing)

    async def absent(self, keys: Sequence[str]) -> list[str]:
        return await self._objects.absent(keys)

    async def sizes(self, keys: Sequence[str]) -> Mapping[str, int]:
        return await self._objects.sizes(keys)

    async def keys(self, prefix: str) -> list[str]:
        return await self._objects.keys(prefix)

    async def listed(self, prefix: str) -> Mapping[str, Lying]:
        return await self._objects.listed(prefix)

    async def stat(self, key: str) -> ObjectInfo:
        return await self._objects.stat(key)

    def open(self, key: str, offset: int = 0) -> AsyncIterator[bytes]:
        return self._objects.open(key, offset)

    async def local(self, key: str) -> Path:
        return await self._objects.local(key)

    def grant(self, prefix: str) -> Grant:
        return self._objects.grant(prefix)

    def workplace(self, prefix: str) -> Grant:
        return self._objects.workplace(prefix)

    async def _opened(self, keys: Sequence[str], seconds: float = 3600 * OPEN_HOURS) -> Mapping[str, int]:
        """Their turns."""
        now_ms, turns = self._clock.now_ms(), dict[str, int]()
        for batch in _batches(sorted(set(keys))):
            turns |= await self._stored.open(batch, now_ms, now_ms + int(1000 * seconds))
        return turns

    async def _settled(self, keys: Sequence[str], looks: Mapping[str, Look] = _NONE) -> None:
        """Of some it is known how they lie there. What cannot be noted now stays open, and is looked at later."""
        try:
            for batch in _batches(sorted(set(keys))):
                left = await self._stored.settle({key: looks[key] for key in batch if key in looks})
                await self._settle([key for key in batch if key not in looks or key in left])
        except EyebrightError as error:
            log.warning("what was stored could not be noted; it is looked at later", problem=error.message)

    async def _settle(self, keys: Iterable[str]) -> None:
        """Until nobody else had a turn between a look and its row."""
        while keys := sorted(keys):
            turns = dict(await self._stored.turns(keys))
            turns |= await self._opened(
                [key for key in keys if key not in turns], seconds=0
            )  # closed for us: we took so long
            there = await self._objects.sizes(keys)
            keys = await self._stored.settle({key: Look(turns[key], there.get(key)) for key in keys})


def _sizes_of_blobs(files: Sequence[tuple[str, Path]]) -> Mapping[str, int]:
    """One that is there already is as large: its name tells its content."""
    return {key: file.stat().st_size for key, file in files if key.startswith(BLOBS) and file.exists()}


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))
