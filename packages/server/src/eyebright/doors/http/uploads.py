"""Bodies that are files: streamed to disk while their size and the free space are watched, and gone when they were used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from fastapi import Request

from eyebright.doors.door import DoorContext
from eyebright.doors.streaming import FileBody, announced_size, counted, drained
from eyebright.errors import InvalidRequest, NotFound
from eyebright.services.room import Room, pour
from eyebright.settings import UploadSettings


@dataclass(frozen=True, slots=True)
class Received:
    """A complete upload; `filename` is what the sender calls it, and is never used as a path."""

    upload: str
    filename: str


@asynccontextmanager
async def received(request: Request, given: DoorContext) -> AsyncIterator[Received]:
    """The file in the body, raw or as the one file of a form. Removed at the end, unless that comes with the server's: what
    works with the file goes on without us, and the upload expires in time.

    Raises TooLarge, StorageFull or InvalidRequest.
    """
    found, leaving = await _adopted(request, given), False
    try:
        yield found
    except asyncio.CancelledError:
        leaving = True
        raise
    finally:
        if not leaving:
            with suppress(NotFound):  # its time was up
                await given.services.uploads.abandon(found.upload)


async def _adopted(request: Request, given: DoorContext) -> Received:
    limits = given.settings.uploads
    folder = given.settings.uploads_dir
    upload_id = given.clock.new_id("upl")
    path = folder / upload_id
    try:
        async with drained(request):
            size = announced_size(request, limits.archive_bytes)
            await given.services.quotas.require_room(size)
            await Room(folder, limits.spare_bytes).require(size)
            filename = await _save(request, path, limits)
        await given.services.uploads.adopt(upload_id, path, filename)
        return Received(upload_id, filename)
    finally:
        await anyio.Path(path).unlink(missing_ok=True)


async def image_of(request: Request, limit: int) -> bytes:
    """The image in the body, raw or as the one file of a form, in memory. Raises TooLarge or InvalidRequest."""
    async with drained(request):
        announced_size(request, limit)
        image = b"".join([block async for block in counted(FileBody(request).blocks(), limit)])
    if not image:
        raise InvalidRequest("the body is empty; send the bytes of an image, or a form with the file `image`")
    return image


async def _save(request: Request, path: Path, limits: UploadSettings) -> str:
    """Answers what the sender calls the file."""
    source = FileBody(request)
    blocks = counted(source.blocks(), limits.archive_bytes)
    await pour(blocks, path, Room(path.parent, limits.spare_bytes))
    return source.filename
