"""Uploads that go straight to where objects are kept, and are imported from there by their address.

Names never become paths: an upload lies below its id. What lies below our place is read through its row or not at all, so that
no address opens what somebody else has stored.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from eyebright.core.kept_upload import KeptUpload
from eyebright.core.scope import current_project
from eyebright.errors import InvalidRequest, NotFound
from eyebright.ports.clock import Clock
from eyebright.ports.kept_uploads import KeptUploadStore
from eyebright.ports.objects import UPLOADS, ObjectStore
from eyebright.services.datasets import Source
from eyebright.services.quotas import RequireRoom, boundless
from eyebright.services.room import Room, within
from eyebright_wire.names import plain

_FILE = "dataset.zip"
_HERE = "file://"


@dataclass(frozen=True, slots=True)
class Said:
    """What the sender calls itself and its data."""

    user_id: str
    dataset_name: str


@dataclass(frozen=True, slots=True)
class Taken:
    uri: str
    size_bytes: int


class KeptUploads:
    def __init__(
        self,
        store: KeptUploadStore,
        objects: ObjectStore,
        clock: Clock,
        *,
        room: Room | None = None,
        require_room: RequireRoom = boundless,
    ) -> None:
        """`room`: of the disk that objects lie on, where they are files."""
        self._require_room = require_room
        self._store = store
        self._objects = objects
        self._clock = clock
        self._room = room

    async def take(self, blocks: AsyncIterator[bytes], said: Callable[[], Said]) -> Taken:
        """Store what comes. `said` is asked once it has come, and may refuse. Whatever ends this early leaves nothing.

        Raises InvalidRequest, TooLarge, QuotaExceeded or StorageFull."""
        await self._require_room(0)
        upload_id = self._clock.new_id("upl")
        size = await self._objects.pour(_key(upload_id), within(blocks, self._room) if self._room else blocks)
        try:
            about = said()
            if not size:
                raise InvalidRequest("the file is empty; send the zip of a data set")
            await self._require_room(size)
            await self._store.add(
                KeptUpload(
                    id=upload_id,
                    project=current_project(),
                    user_id=about.user_id,
                    dataset_name=about.dataset_name,
                    size_bytes=size,
                    created_at_ms=self._clock.now_ms(),
                )
            )
        except BaseException:
            await self._objects.remove([f"{UPLOADS}{upload_id}/"])
            raise
        return Taken(self._objects.grant(f"{UPLOADS}{upload_id}/").uri + _FILE, size)

    async def source(self, url: str) -> Source | None:
        """What there is to import at an address of ours; None for one elsewhere. Raises NotFound for what is no upload."""
        scheme, mark, rest = url.partition("://")
        uploads = self._objects.grant(UPLOADS).uri
        place, asked = uploads.removesuffix(UPLOADS), f"{scheme.lower()}{mark}{rest}"
        if not asked.startswith(place) and not place.startswith(f"{asked.rstrip('/')}/"):
            return None
        upload = await self._upload(asked.removeprefix(uploads))
        key = _key(upload.id)
        path = await self._objects.local(key) if asked.startswith(_HERE) else None
        return Source(asked, plain(upload.dataset_name, "dataset"), path, None if path else asked)

    async def _upload(self, name: str) -> KeptUpload:
        upload_id, _, file = name.partition("/")
        upload = await self._store.find(upload_id) if file == _FILE else None
        if upload is None:
            raise NotFound("there is no upload at this address; upload the data, and name the address that is answered")
        return upload


def _key(upload_id: str) -> str:
    return f"{UPLOADS}{upload_id}/{_FILE}"
