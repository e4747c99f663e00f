"""Find what the store holds and nothing names, and remove it: blobs that no data set version names, files of uploads that nobody
was told of."""

from collections.abc import Mapping

import structlog

from eyebright.core.job import Run
from eyebright.errors import Conflict, EyebrightError
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobStore, Markers
from eyebright.ports.kept_uploads import KeptUploadStore
from eyebright.ports.objects import BLOBS, UPLOADS, ObjectStore
from eyebright.ports.registry import DatasetStore
from eyebright.services.pairing import Pairing
from eyebright.services.removal import REMOVALS, Kept, Removal
from eyebright_wire.jobs import JobKind
from eyebright_wire.storage import Garbage

log = structlog.stdlib.get_logger(__name__)

#: When it was last begun.
COLLECTED = "collected_at_ms"
EVERY_HOURS = 24.0
#: After a round that failed.
REST_MINUTES = 10.0
#: An upload has its row right after its file. No clock of a store is off by so much: its signatures would not hold.
UPLOAD_HOURS = 24.0
#: Journals of imports, as versions up to 0.1 left them.
_JOURNALS = "staging/"
#: One after the other, so that never all keys of a store are in memory.
FOLDERS = tuple(f"{BLOBS}{number:02x}/" for number in range(256))


class Collection:
    def __init__(
        self,
        store: JobStore,
        datasets: DatasetStore,
        uploads: KeptUploadStore,
        objects: ObjectStore,
        markers: Markers,
        removal: Removal,
        clock: Clock,
    ) -> None:
        self._store = store
        self._datasets = datasets
        self._uploads = uploads
        self._objects = objects
        self._markers = markers
        self._removal = removal
        self._clock = clock
        self._pairing = Pairing(datasets, objects, markers)
        self._begun = False
        self._rests_until_ms = 0

    async def look(self) -> Garbage:
        """What `collect` would remove now."""
        blobs, _ = await self._blobs()
        return _told({**blobs, **await self._lost_uploads()}, removed=False)

    async def collect(self) -> Garbage:
        """Remove what nothing names. What an import is about to keep goes too; it is put once more then.

        Raises Conflict where somebody else is at it, or where the store may be another database's."""
        await self._pairing.require()
        blobs, looked_at = await self._blobs()
        removed = await self._removal.remove(list(blobs), looked_at) if blobs or await self._is_open() else ()
        if removed is None:
            raise Conflict("another server is removing blobs just now; try again in a minute")
        lost = await self._lost_uploads()
        await self._objects.remove([*lost, _JOURNALS])
        return _told({**{key: blobs[key] for key in removed}, **lost}, removed=True)

    async def keep_up(self) -> None:
        """Once after the start, and then each day on one of all servers; but not while an import is being kept, which would have
        to put much again, unless that has gone on for a day."""
        if await self._is_open():
            await self._removal.remove((), ())
        now_ms = self._clock.now_ms()
        before_ms = await self._markers.read(COLLECTED)
        if not await self._is_due(now_ms, before_ms) or not await self._markers.move(COLLECTED, before_ms, now_ms):
            return
        try:
            gone = await self.collect()
        except EyebrightError as error:
            self._begun, self._rests_until_ms = False, now_ms + int(60_000 * REST_MINUTES)
            log.warning("what nothing names was not removed; it is tried again", problem=error.message)
            return
        self._begun = True
        if gone.files:
            log.info("removed what nothing names", files=gone.files, size_bytes=gone.size_bytes)

    async def _is_due(self, now_ms: int, before_ms: int | None) -> bool:
        if now_ms < self._rests_until_ms:
            return False
        days = (now_ms - (before_ms or 0)) / (3_600_000 * EVERY_HOURS)
        if self._begun and days < 1:
            return False
        return (before_ms is not None and days >= 2) or not any(_is_kept(run) for run in await self._store.unfinished())

    async def _is_open(self) -> bool:
        """Was somebody killed while he removed? No version can be committed until that is brought to an end."""
        return (await self._markers.read(REMOVALS) or 0) % 2 == 1

    async def _blobs(self) -> tuple[dict[str, int], frozenset[Kept]]:
        """Those that nobody names, with their sizes, and the versions that were looked at."""
        looked_at = frozenset(await self._datasets.manifests())
        named, found = await self._removal.named(looked_at), dict[str, int]()
        for folder in FOLDERS:
            there = await self._objects.listed(folder)
            found |= {key: lying.size_bytes for key, lying in there.items() if not named.has(key)}
        return found, looked_at

    async def _lost_uploads(self) -> dict[str, int]:
        """Whose server was killed between file and row. The rows are read last: one that came meanwhile is among them."""
        young_ms = self._clock.now_ms() - int(3_600_000 * UPLOAD_HOURS)
        listed = await self._objects.listed(UPLOADS)
        old = {key: lying.size_bytes for key, lying in listed.items() if lying.since_ms < young_ms}
        known = await self._uploads.ids() if old else frozenset[str]()
        return {key: size for key, size in old.items() if key.split("/")[1] not in known}


def _is_kept(run: Run) -> bool:
    """It is an import whose worker is done."""
    attempt = run.attempt
    return run.job.kind is JobKind.IMPORT and attempt is not None and attempt.live and attempt.claim is not None


def _told(found: Mapping[str, int], *, removed: bool) -> Garbage:
    return Garbage(files=len(found), size_bytes=sum(found.values()), removed=removed)
