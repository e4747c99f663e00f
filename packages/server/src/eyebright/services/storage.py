"""How many bytes the store holds, by what the rows of its objects say, and the way over all of it to see whether that is so."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog

from eyebright.core.scope import EVERYTHING, within
from eyebright.errors import Conflict, EyebrightError
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobStore, Markers
from eyebright.ports.leases import Leases
from eyebright.ports.objects import OWN_FOLDERS, attempt_prefix
from eyebright.ports.stored import WALKED, StoredObjects
from eyebright.services.collection import FOLDERS
from eyebright.services.ledgered import BATCH, LedgeredObjectStore, Passing
from eyebright.services.lists import is_list
from eyebright_wire.storage import StorageCheck, StorageView, StoredKind

log = structlog.stdlib.get_logger(__name__)

#: When a way over the whole store was last brought to an end.
#: The lease of who goes it.
LEASE = "storage"
TTL_SECONDS = 60.0
#: After a round that failed.
REST_MINUTES = 10.0
#: One after the other, so that never all keys of a store are in memory.
_FOLDERS = (*FOLDERS, *(f"{folder}/" for folder in OWN_FOLDERS if folder != "blobs"))
_EXAMPLES = 10
_EVER_MS = 1 << 53

Told = Callable[[str], None]


def _quietly(_folder: str) -> None:
    pass


class Storage:
    def __init__(
        self,
        objects: LedgeredObjectStore,
        stored: StoredObjects,
        jobs: JobStore,
        markers: Markers,
        leases: Leases,
        clock: Clock,
    ) -> None:
        self._objects = objects
        self._stored = stored
        self._jobs = jobs
        self._markers = markers
        self._leases = leases
        self._clock = clock
        self._begun = False
        self._rests_until_ms = 0

    async def view(self) -> StorageView:
        """What the rows say. It costs no request to the store."""
        held = await self._stored.held()
        return StorageView(
            files=sum(each.files for each in held),
            size_bytes=sum(each.size_bytes for each in held),
            unsettled=sum(each.open for each in held),
            kinds=tuple(StoredKind(kind=each.kind, files=each.files, size_bytes=each.size_bytes) for each in held),
            walked_at_ms=await self._markers.read(WALKED),
        )

    async def check(self, told: Told = _quietly) -> StorageCheck:
        """List the whole store and hold every row against it. Nothing is changed, and what runs are at work on is left out."""
        wrong = [key async for keys in self._walked(told, self._differing) for key in keys]
        return await self._outcome(wrong, mended=False)

    async def mend(self, told: Told = _quietly) -> StorageCheck:
        """The same, and the rows that were wrong are right then. Raises Conflict where another one is at it."""
        holder = self._clock.new_id("sto")
        await self._require(holder)
        wrong: list[str] = []
        async for keys in self._walked(told, self._objects.look_below):
            wrong += keys
            await self._require(holder)
        await self._look_at_open(_EVER_MS)
        await self._markers.write(WALKED, self._clock.now_ms())
        await self._leases.release(LEASE, holder)
        return await self._outcome(wrong, mended=True)

    async def keep_up(self) -> None:
        """At the start what others have left open, then what has been open for too long. A store that was never counted, or is
        that of a database that was restored, is."""
        now_ms = self._clock.now_ms()
        if now_ms < self._rests_until_ms:
            return
        await self._look_at_open(now_ms if self._begun else _EVER_MS)
        try:
            if await self._markers.read(WALKED) is None or not (self._begun or await self._stored.held()):
                await self.mend()
            self._begun = True
        except EyebrightError as error:
            self._rests_until_ms = now_ms + int(60_000 * REST_MINUTES)
            log.info("what the store holds was not counted; it is tried again", problem=error.message)

    async def _walked(self, told: Told, look: "Look") -> AsyncIterator[Sequence[str]]:
        for folder in _FOLDERS:
            told(folder)
            yield await look(folder, await self._passing())

    async def _differing(self, folder: str, passing: Passing) -> Sequence[str]:
        """What differs twice: between a list and the rows something may have come or gone."""
        if not (once := await self._objects.differing(folder, passing)):
            return ()
        later = await self._passing()
        return sorted({*once} & {*await self._objects.differing(folder, later)})

    async def _passing(self) -> Passing:
        """What a run that is not gone has written is counted once it is."""
        with within(EVERYTHING):
            runs = await self._jobs.unfinished()
        below = tuple(attempt_prefix(run.job.id, run.attempt.number) for run in runs if run.attempt)
        return lambda key: key.startswith(below) or is_list(key)

    async def _look_at_open(self, before_ms: int) -> None:
        now_ms, after = self._clock.now_ms(), ""
        while due := await self._stored.due(before_ms, after, BATCH):
            await self._objects.look_at(due, now_ms)
            after = due[-1].key

    async def _require(self, holder: str) -> None:
        ttl_ms = int(1000 * TTL_SECONDS)
        if await self._leases.take(LEASE, holder, self._clock.now_ms(), ttl_ms) is None:
            raise Conflict("another server counts what the store holds just now; try again in a minute")

    async def _outcome(self, wrong: Sequence[str], *, mended: bool) -> StorageCheck:
        view = await self.view()
        return StorageCheck(storage=view, differing=len(wrong), examples=tuple(wrong[:_EXAMPLES]), mended=mended)


Look = Callable[[str, Passing], Awaitable[Sequence[str]]]
