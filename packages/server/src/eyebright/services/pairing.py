"""A store and a database that belong together: what the one names no longer is removed from the other.

Both have the same number, the database in a marker, the store in the name of an empty object. Without it a server that was
started beside the wrong database, an empty one above all, would find that nothing in the store is named by anybody.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import suppress

from eyebright.errors import Conflict
from eyebright.ports.jobs import Markers
from eyebright.ports.objects import BLOBS, STORE, UPLOADS, ObjectStore
from eyebright.ports.registry import DatasetStore

#: The marker.
NUMBER = "store"
_BITS = 52


class Pairing:
    def __init__(self, datasets: DatasetStore, objects: ObjectStore, markers: Markers) -> None:
        self._datasets = datasets
        self._objects = objects
        self._markers = markers

    async def require(self) -> None:
        """They are a pair, from the first time on. Raises Conflict where they are not, or where nobody knows: the database names
        no data set version, and there is something in the store."""
        there = await self._objects.keys(STORE)
        number = await self._markers.read(NUMBER)
        if number is None and not there and await self._are_alike():
            number = await self._numbered()
        if number is None or (there and f"{STORE}{number}" not in there):
            place = self._objects.grant(STORE).uri.removesuffix(STORE)
            raise Conflict(
                f"what lies in {place} may belong to another database, so nothing is removed from it; look at "
                "EYEBRIGHT_DATABASE_URL, EYEBRIGHT_DATA_DIR and EYEBRIGHT_STORAGE__PLACE"
            )
        if not there:
            with suppress(Conflict):  # another server was quicker
                await self._objects.pour(f"{STORE}{number}", _nothing())

    async def _are_alike(self) -> bool:
        """Both are empty, or neither is."""
        if await self._datasets.manifests():
            return True
        return not await self._objects.keys(BLOBS) and not await self._objects.keys(UPLOADS)

    async def _numbered(self) -> int | None:
        await self._markers.move(NUMBER, None, secrets.randbits(_BITS))
        return await self._markers.read(NUMBER)


async def _nothing() -> AsyncIterator[bytes]:
    for _ in ():
        yield b""
