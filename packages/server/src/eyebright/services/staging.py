"""Put the blobs of a version into the store just before the commit that names them, and out again when it does not come.

Whether a version was committed is asked of the database, never of our own memory. What a server has put that was killed then is
named by no version, and goes as all such blobs do.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from eyebright.errors import EyebrightError, NotFound, Unavailable
from eyebright.ports.jobs import JobStore
from eyebright.ports.objects import ObjectStore
from eyebright.ports.registry import DatasetStore
from eyebright.services.removal import Kept, Removal
from eyebright_wire.jobs import JobState

log = structlog.stdlib.get_logger(__name__)

#: (key, file, whether nobody will ever write to the file again)
Put = tuple[str, Path, bool]


class Staging:
    def __init__(self, store: JobStore, datasets: DatasetStore, objects: ObjectStore, removal: Removal) -> None:
        self._store = store
        self._datasets = datasets
        self._objects = objects
        self._removal = removal

    @asynccontextmanager
    async def staged(self, job_id: str, files: Sequence[Put]) -> AsyncGenerator[int]:
        """All files are stored inside the context, and stay only if the job has succeeded by its end. It is to be committed only
        under the number of removals that the context gives.

        Raises StorageFull, Conflict for a file that is not what its key says, or Unavailable while blobs are removed: then what
        was put stays for the next time.
        """
        number = await self._removal.number()
        known = await self._datasets.manifests()
        new = await self._objects.absent([key for key, _, _ in files])
        try:
            for owned in (False, True):
                await self._objects.put([(key, file) for key, file, own in files if own is owned], owned=owned)
            yield number
        except Unavailable:
            raise
        except EyebrightError:
            await self._take_back(job_id, new, known, number)
            raise
        await self._take_back(job_id, new, known, number)

    async def _take_back(self, job_id: str, new: Sequence[str], known: Sequence[Kept], number: int) -> None:
        if not new or await self._succeeded(job_id):
            return
        gone = await self._removal.remove(new, known, since=number)
        log.info("took back what was put for a version that did not come", job=job_id, files=len(gone or ()))

    async def _succeeded(self, job_id: str) -> bool:
        try:
            return (await self._store.get(job_id)).job.state is JobState.SUCCEEDED
        except NotFound:
            return False
