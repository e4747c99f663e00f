"""Send a large file by the tus protocol: when the line is cut, it goes on where the server says that it stands."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from eyebright.client.files import Told, untold
from eyebright.client.routes import route
from eyebright.client.transport import Transport, is_transient
from eyebright.client.unfinished import Unfinished
from eyebright.errors import Conflict, EyebrightError, Locked, NotFound

#: One request carries so much at most: proxies limit bodies, and each answer means that it is on the server's disk.
PIECE_BYTES = 16 * 2**20
_READ_BYTES = 2**18
#: For one step without any progress; with the pauses about two minutes.
TRIES = 16
_TUS = {"Tus-Resumable": "1.0.0"}


@dataclass
class Uploading:
    """One file on its way. `name` is what the server shows; `key` is what `unfinished` knows the file by."""

    transport: Transport
    unfinished: Unfinished
    file: Path
    name: str
    key: str
    told: Told = untold
    _size: int = field(init=False)
    _id: str = field(init=False, default="")
    _reached: int = field(init=False, default=0)  # acknowledged at least
    _sure: bool = field(init=False, default=False)  # and exactly so much

    def __post_init__(self) -> None:
        self._size = self.file.stat().st_size

    def run(self) -> str:
        """The id of the complete upload. Raises EyebrightError; what was sent stays with the server for a later call."""
        if not self._resume():
            self._begin()
        with self.file.open("rb") as file:
            while not self._sure or self._reached < self._size:
                self._patiently(file)
        return self._id

    def _resume(self) -> bool:
        """Go on with what an earlier call began, if the server still has it."""
        known = self.unfinished.get(self.key)
        if known is None:
            return False
        try:
            head = self.transport.ask("HEAD", route("uploads", known), headers=_TUS)
        except NotFound:
            return False
        self._id = known
        self._reach(head)
        return head.headers.get("Upload-Length") == str(self._size)

    def _begin(self) -> None:
        name = base64.b64encode(self.name.encode(errors="replace")).decode()
        headers = {**_TUS, "Upload-Length": str(self._size), "Upload-Metadata": f"filename {name}"}
        answer = self.transport.ask("POST", route("uploads"), headers=headers)
        self._id = _header(answer, "Location").rstrip("/").rpartition("/")[2]
        self._reached, self._sure = 0, True
        self.unfinished.put(self.key, self._id)

    def _patiently(self, file: BinaryIO) -> None:
        retrying = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential_jitter(multiplier=0.5, max=10.0, jitter=0.5),
            retry=retry_if_exception(_passes),
            sleep=self.transport.sleep,
            before_sleep=lambda _: self.transport.follow(),
            reraise=True,
        )
        retrying(self._step, file)

    def _step(self, file: BinaryIO) -> None:
        """Get further: by a piece that is sent, or by learning how much of the last one arrived."""
        if not self._sure and self._look():
            return
        self._sure = False
        self._reach(
            self.transport.ask(
                "PATCH",
                route("uploads", self._id),
                again=False,  # what of it arrived must be asked first
                headers={**_TUS, **self._piece_headers()},
                content=self._piece(file, self._reached),
            )
        )

    def _look(self) -> bool:
        """Whether more arrived than was known."""
        before = self._reached
        try:
            self._reach(self.transport.ask("HEAD", route("uploads", self._id), again=False, headers=_TUS))
        except NotFound:  # an answer to HEAD has no words of its own
            raise NotFound(f"the server no longer has upload {self._id}; send {self.file} again") from None
        return self._reached > before or self._reached == self._size

    def _reach(self, answer: httpx.Response) -> None:
        self._reached, self._sure = int(_header(answer, "Upload-Offset")), True
        self.told(self._reached, self._size)

    def _piece_headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(self._piece_size(self._reached)),
            "Upload-Offset": str(self._reached),
        }

    def _piece_size(self, offset: int) -> int:
        return min(PIECE_BYTES, self._size - offset)

    def _piece(self, file: BinaryIO, offset: int) -> Iterator[bytes]:
        file.seek(offset)
        end = offset + self._piece_size(offset)
        while offset < end and (block := file.read(min(_READ_BYTES, end - offset))):
            yield block
            offset += len(block)
            self.told(offset, self._size)


def _header(answer: httpx.Response, name: str) -> str:
    """Raises EyebrightError when somebody in between, who does not speak tus, has answered."""
    if name not in answer.headers:
        request = answer.request
        raise EyebrightError(
            f"{request.url.host} answered {request.method} {request.url.path} with {answer.status_code} and no {name}; "
            "is there an Eyebright server, and does every proxy on the way pass its headers?"
        )
    return answer.headers[name]


def _passes(error: BaseException) -> bool:
    """By itself: the line comes back, the other request ends, and where the upload stands can be asked."""
    return is_transient(error) or type(error) in (Locked, Conflict)
