"""Bodies that are files: streamed to disk while their size and the free space are watched, and gone when they were used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from eyebright.doors.door import DoorContext
from eyebright.doors.limit import lift
from eyebright.errors import Conflict, EyebrightError, InvalidRequest, NotFound, StorageFull, TooLarge, Unavailable
from eyebright.services.room import Room, heard, mib, pour
from eyebright.settings import UploadSettings

#: A form has some bytes around its file.
_FORM_BYTES = 2**20
#: After a refusal so much more is read and dropped: many clients only look at the answer once they have sent everything.
_DRAIN = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Received:
    """A complete upload; `filename` is what the sender calls it, and is never used as a path."""

    upload: str
    filename: str


@asynccontextmanager
async def received(request: Request, given: DoorContext) -> AsyncIterator[Received]:
    """The file in the body, raw or as the first file of a form. Removed at the end, unless that comes with the server's: what
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
            await Room(folder, limits.spare_bytes).require(announced_size(request, limits.archive_bytes))
            filename = await _save(request, path, limits)
        await given.services.uploads.adopt(upload_id, path, filename)
        return Received(upload_id, filename)
    finally:
        await anyio.Path(path).unlink(missing_ok=True)


async def image_of(request: Request, limit: int) -> bytes:
    """The image in the body, raw or as the first file of a form, in memory. Raises TooLarge or InvalidRequest."""
    async with drained(request):
        announced_size(request, limit)
        image = b"".join([block async for block in _counted(_File(request).blocks(), limit)])
    if not image:
        raise InvalidRequest("the body is empty; send the bytes of an image, or a form with the file `image`")
    return image


class _File:
    """The blocks of the file in a request, and its name once they have come."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.filename = "dataset.zip"

    def blocks(self) -> AsyncIterator[bytes]:
        kind, options = parse_options_header(self._request.headers.get("content-type"))
        if kind != b"multipart/form-data":
            return heard(self._request.stream())
        boundary = options.get(b"boundary")
        if not boundary:
            raise InvalidRequest("the form has no boundary in its Content-Type")
        return self._parts(boundary)

    async def _parts(self, boundary: bytes) -> AsyncIterator[bytes]:
        try:
            form = _Form(boundary)
        except FormParserError as error:
            raise InvalidRequest(f"the form cannot be read: {error}") from None
        async for chunk in heard(self._request.stream()):
            for block in form.feed(chunk):
                yield block
        if form.filename is None:
            raise InvalidRequest("the form has no file; send the data as one field with a file name")
        self.filename = form.filename


class _Form:
    """Finds the first file of a multipart form while it passes; anything else in it is dropped."""

    def __init__(self, boundary: bytes) -> None:
        self.filename: str | None = None
        self._inside = False
        self._name = self._value = b""
        self._blocks: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._on_name,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_part_data": self._on_data,
                "on_part_end": self._on_end,
            },
        )

    def feed(self, chunk: bytes) -> list[bytes]:
        self._blocks = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest(f"the form cannot be read: {error}") from None
        return self._blocks

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        if self._name.lower() == b"content-disposition" and self.filename is None:
            filename = parse_options_header(self._value)[1].get(b"filename")
            if filename is not None:
                self.filename, self._inside = filename.decode("utf-8", "replace") or "file", True
        self._name = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._blocks.append(data[start:end])

    def _on_end(self) -> None:
        self._inside = False


async def _save(request: Request, path: Path, limits: UploadSettings) -> str:
    """Answers what the sender calls the file."""
    source = _File(request)
    blocks = _counted(source.blocks(), limits.archive_bytes)
    await pour(blocks, path, Room(path.parent, limits.spare_bytes))
    return source.filename


async def _counted(blocks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    total = 0
    async for block in blocks:
        total += len(block)
        if total > limit:
            raise _too_large(limit)
        yield block


def announced_size(request: Request, limit: int) -> int:
    """The length by the header, 0 without one; what could not end well is refused before it is read. Raises TooLarge."""
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isascii() and announced.isdigit() else 0
    if size > limit + _FORM_BYTES:
        raise _too_large(limit)
    return size


@asynccontextmanager
async def drained(request: Request) -> AsyncIterator[None]:
    """For reading a body of any size: after a refusal the rest of it is read and dropped, up to a limit."""
    lift(request)
    try:
        yield
    except (TooLarge, StorageFull, Conflict, NotFound):
        await _drain(request)
        raise


def _too_large(limit: int) -> EyebrightError:
    return TooLarge(f"the file is larger than the {mib(limit)} that this server accepts; see EYEBRIGHT_UPLOADS__*")


async def _drain(request: Request) -> None:
    dropped = 0
    # All of it was read already; nobody waits for the answer; or nothing more comes.
    with suppress(RuntimeError, ClientDisconnect, Unavailable):
        async for block in heard(request.stream()):
            dropped += len(block)
            if dropped > _DRAIN:
                return
