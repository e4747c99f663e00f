"""Put the blobs of a version into the store just before the commit that names them, and out again when it does not come.

What is new of them is written into a journal first. Whether a version was committed is asked of the database, never of our own
memory: a commit whose answer got lost, or a server that was killed, leaves the journal to whoever comes next.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from eyebright.core.job import Job
from eyebright.errors import NotFound
from eyebright.ports.jobs import JobStore
from eyebright.ports.objects import ObjectStore
from eyebright_wire.jobs import JobState

log = structlog.stdlib.get_logger(__name__)

JOURNALS = "staging/"

#: (key, file, whether nobody will ever write to the file again)
Put = tuple[str, Path, bool]


class Staging:
    """One version at a time: what a second one finds in the store is either committed or its own, so that taking back what
    the first had put can never take from the second."""

    def __init__(self, store: JobStore, objects: ObjectStore) -> None:
        self._store = store
        self._objects = objects
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def staged(self, job_id: str, files: Sequence[Put]) -> AsyncGenerator[None]:
        """All files are stored inside the context, and stay only if the job has succeeded by its end.

        Raises StorageFull, or Conflict for a file that is not what its key says.
        """
        async with self._lock:
            await self._settle_all()
            new = set(await self._objects.absent([key for key, _, _ in files]))
            if new:
                await self._write(job_id, sorted(new))
            try:
                for owned in (False, True):
                    await self._objects.put([(key, file) for key, file, own in files if own is owned], owned=owned)
                yield
            finally:
                if new:
                    await self._settle(_journal(job_id))

    async def settle(self) -> None:
        """Take back what a killed server had put and never committed."""
        async with self._lock:
            await self._settle_all()

    async def _settle_all(self) -> None:
        for journal in await self._objects.keys(JOURNALS):
            await self._settle(journal)

    async def _settle(self, journal: str) -> None:
        job = await self._job(journal.removeprefix(JOURNALS))
        if job is None or job.state is not JobState.SUCCEEDED:
            keys = b"".join([chunk async for chunk in self._objects.open(journal)]).decode().splitlines()
            await self._objects.remove(keys)
            log.info("took back what was put for a version that did not come", journal=journal, files=len(keys))
        await self._objects.remove([journal])

    async def _job(self, job_id: str) -> Job | None:
        try:
            return (await self._store.get(job_id)).job
        except NotFound:
            return None

    async def _write(self, job_id: str, keys: Sequence[str]) -> None:
        def written(folder: str) -> Path:
            path = Path(folder, "journal")
            path.write_text("".join(f"{key}\n" for key in keys))
            return path

        with tempfile.TemporaryDirectory(prefix="eyebright-") as folder:
            await self._objects.put([(_journal(job_id), await asyncio.to_thread(written, folder))])


def _journal(job_id: str) -> str:
    return f"{JOURNALS}{job_id}"
