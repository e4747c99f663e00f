"""Bodies that are files, read as they come: raw, or as the one file of a form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from eyebright.doors.limit import lift
from eyebright.errors import Conflict, EyebrightError, InvalidRequest, NotFound, StorageFull, TooLarge, Unavailable
from eyebright.services.room import heard, mib

#: A form has some bytes around its file.
_FORM_BYTES = 2**20
#: After a refusal so much more is read and dropped: many clients only look at the answer once they have sent everything.
_DRAIN = 64 * 2**20
#: Of a form, what else is kept: fields that are longer, or more, are somebody else's.
_FIELD_BYTES, _MOST_FIELDS = 2**12, 16


class FileBody:
    """The blocks of the file in a request; once they have come, its name and the other fields of its form."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.filename = "dataset.zip"
        self.fields: dict[str, str] = {}

    def blocks(self) -> AsyncIterator[bytes]:
        """Raises InvalidRequest for a body that is no file, nor a form with one."""
        kind, options = parse_options_header(self._request.headers.get("content-type"))
        if kind == b"application/json":
            raise InvalidRequest("the body is JSON; expected the file, or a form (multipart/form-data) with it")
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
        if form.inside:
            raise InvalidRequest("the form breaks off within its file; send it again")
        if form.filename is None:
            raise InvalidRequest("the form has no file; send the data as one field with a file name")
        self.filename = form.filename
        self.fields = form.fields


class _Form:
    """Finds the one file of a multipart form while it passes, and keeps the short fields around it; all else is dropped."""

    def __init__(self, boundary: bytes) -> None:
        self.filename: str | None = None
        self.fields: dict[str, str] = {}
        self.inside = False
        self._second = False
        self._field: str | None = None
        self._text = b""
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
        if self._name.lower() == b"content-disposition":
            self._begin(parse_options_header(self._value)[1])
        self._name = self._value = b""

    def _begin(self, options: dict[bytes, bytes]) -> None:
        filename = options.get(b"filename")
        if filename is None:
            self._field = options.get(b"name", b"").decode("utf-8", "replace")
        elif self.filename is None:
            self.filename, self.inside = filename.decode("utf-8", "replace") or "file", True
        else:
            self._second = True  # which may be one that nobody chose: a browser sends that too, empty

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._second:
            raise InvalidRequest("the form has more than one file; send each in a request of its own")
        if self.inside:
            self._blocks.append(data[start:end])
        elif self._field is not None:
            self._text += data[start:end]
            if len(self._text) > _FIELD_BYTES or len(self.fields) == _MOST_FIELDS:
                self._field, self._text = None, b""

    def _on_end(self) -> None:
        if self._field is not None:
            self.fields[self._field] = self._text.decode("utf-8", "replace")
        self.inside, self._second, self._field, self._text = False, False, None, b""


async def counted(blocks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
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
    except (TooLarge, StorageFull, Conflict, NotFound, InvalidRequest):
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
