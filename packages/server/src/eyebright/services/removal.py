"""Remove blobs that no version names, while others import.

A number counts removals: it is odd while one is under way. An import looks at it before it looks which blobs are there, and its
version is committed only under the same, even number: so no version comes into being that relies on a blob which was removed.
And whoever removes looks, once the number is odd and no version can be committed, at those that came since he looked first.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from eyebright.errors import EyebrightError, Unavailable
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobTransaction, Markers
from eyebright.ports.leases import Leases
from eyebright.ports.objects import ObjectStore, blob_key
from eyebright.ports.registry import DatasetStore
from eyebright_kit.data.manifest import Manifest

#: The marker that counts, and the lease of who removes.
REMOVALS = "removals"
TTL_SECONDS = 30.0
#: Keys that are removed before the lease is asked for again.
BATCH = 500

#: (sha256 of its manifest, of the list of what was changed for it)
Kept = tuple[str, str | None]


class Removal:
    def __init__(
        self,
        datasets: DatasetStore,
        objects: ObjectStore,
        markers: Markers,
        leases: Leases,
        clock: Clock,
    ) -> None:
        self._datasets = datasets
        self._objects = objects
        self._markers = markers
        self._leases = leases
        self._clock = clock

    async def number(self) -> int:
        """Under which a version may be committed that relies on what is there now. Raises Unavailable while blobs are removed; a
        removal whose server was killed is brought to an end."""
        number = await self._markers.read(REMOVALS) or 0
        if number % 2 and await self.remove((), ()) is not None:
            number = await self._markers.read(REMOVALS) or 0
        if number % 2:
            raise _busy()
        return number

    async def named(self, versions: Iterable[Kept]) -> "Named":
        """What these versions name."""
        known: list[int] = []
        for manifest, changes in versions:
            path = await self._objects.local(blob_key(manifest))
            known += await asyncio.to_thread(_marks, path)
            known += map(_mark, filter(None, (manifest, changes)))
        return Named(array("Q", sorted(known)))

    async def remove(
        self, keys: Sequence[str], looked_at: Collection[Kept], since: int | None = None
    ) -> Sequence[str] | None:
        """Of blobs that none of the versions named that were looked at, those that none names which came since; which they were.
        None where somebody else is at it, or has removed since that number: a version that was looked at may have been deleted
        and brought back then. After a cancel the lease runs out: something may be on its way to the store."""
        holder = self._clock.new_id("rmv")  # each time another: a second one in this process must wait as well
        if not await self._is(holder):
            return None
        try:
            gone = await self._remove(holder, keys, frozenset(looked_at), since)
        except EyebrightError:
            await self._leases.release(REMOVALS, holder)
            raise
        await self._leases.release(REMOVALS, holder)
        return gone

    async def _remove(
        self, holder: str, keys: Sequence[str], looked_at: frozenset[Kept], since: int | None
    ) -> Sequence[str] | None:
        number = await self._markers.read(REMOVALS)
        if since is not None and (number or 0) != since:
            return None
        began = (number or 0) + 1 + (number or 0) % 2  # one that was killed has left an odd number: it ends with ours
        if not await self._markers.move(REMOVALS, number, began):
            return None
        named = await self.named(set(await self._datasets.manifests()) - looked_at if keys else ())
        gone = [key for key in keys if not named.has(key)]
        for start in range(0, len(gone), BATCH):
            await self._require(holder, began)
            await self._removed(holder, gone[start : start + BATCH])
        await self._markers.move(REMOVALS, began, began + 1)
        return gone

    async def _removed(self, holder: str, keys: Sequence[str]) -> None:
        """However long a store takes, the lease is kept: what is on its way could meet a file that was put anew."""
        removing = asyncio.ensure_future(self._objects.remove(keys))
        while not (await asyncio.wait((removing,), timeout=TTL_SECONDS / 4))[0]:
            with suppress(EyebrightError):
                await self._is(holder)
        await removing

    async def _require(self, holder: str, began: int) -> None:
        if not await self._is(holder) or await self._markers.read(REMOVALS) != began:
            raise Unavailable("another server has gone on with the removal of blobs; what is left goes the next time")

    async def _is(self, holder: str) -> bool:
        """The one who removes."""
        return await self._leases.take(REMOVALS, holder, self._clock.now_ms(), int(1000 * TTL_SECONDS)) is not None


async def require(transaction: JobTransaction, number: int) -> None:
    """Until the end of the transaction nobody begins to remove. Raises Unavailable when somebody has since that number."""
    if (await transaction.marker(REMOVALS) or 0) != number:
        raise _busy()


def _busy() -> Unavailable:
    return Unavailable(
        "files that no data set names are being removed; what an import has brought is kept a little later"
    )


@dataclass(frozen=True, slots=True)
class Named:
    """Blobs, by the first 64 of their 256 bits: one that shares those with another is kept for its sake."""

    marks: "array[int]"

    def has(self, key: str) -> bool:
        mark = _mark(key.rpartition("/")[2])
        place = bisect_left(self.marks, mark)
        return place < len(self.marks) and self.marks[place] == mark


def _marks(path: Path) -> list[int]:
    blobs = (blob for sample in Manifest(path).samples() for blob in (sample, sample.mask) if blob is not None)
    return [_mark(blob.sha256) for blob in blobs]


def _mark(sha256: str) -> int:
    return int(sha256[:16], 16)
