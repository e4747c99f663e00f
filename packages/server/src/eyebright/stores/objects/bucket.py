"""A bucket, whatever the store: what its client must do, and how objects go up and come down through it.

Clients are sync and used by many threads at once. What passes (a line that breaks, a store that is busy) they try again
themselves, with growing pauses of random length; what is left is raised as BucketFailed.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from eyebright.ports.objects import Signing
from eyebright_kit.disk import sha256_of

#: What is asked for, or sent, at a time: it comes again when the line breaks within it.
PIECE_BYTES = 8 << 20
#: Larger files go up in pieces; smaller ones are read once, so that what is sent is what was looked at.
WHOLE_BYTES = 4 << 20
#: Of one object, under way at the same time.
PIECES_AT_ONCE = 4
#: Requests at the same time, over all objects.
REQUESTS_AT_ONCE = 48
#: What the sha256 of an object is called among what is kept with it.
SHA256 = "sha256"

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Manners:
    """How a store is called. `patience_seconds`: how long what passes is tried again."""

    connect_seconds: float = 5
    idle_seconds: float = 30  # for a byte to come or go
    patience_seconds: float = 60


@dataclass(frozen=True, slots=True)
class Found:
    """An object as the store tells of it. `tag` is another whenever the content is; `noted` is the sha256 that was kept with it
    when it was put, `proven` the one that the store has made itself, of all its bytes."""

    key: str
    size_bytes: int
    tag: str
    noted: str | None = None
    proven: str | None = None


class BucketFailed(Exception):
    """What the store, or the way to it, has said. `status` is HTTP's, where there was an answer."""

    def __init__(self, found: str, status: int | None = None) -> None:
        super().__init__(found)
        self.status = status


class Changed(BucketFailed):
    """The object is not any more the one that was being read."""


class Bucket(Protocol):
    """One bucket. Keys are whole: nothing is put before them."""

    @property
    def uri(self) -> str:
        """`s3://bucket`"""
        ...

    def look(self, key: str) -> Found | None:
        """None where there is none."""
        ...

    def list(self, prefix: str) -> Iterator[Found]:
        """In the order of their keys, page by page as they are asked for."""
        ...

    def read(self, found: Found, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`. Raises Changed."""
        ...

    def create(self, key: str, content: "Seen", sent: Callable[[int], None]) -> bool:
        """Put a file where nothing has the key, whole or not at all; False where something has. `sent` is told of bytes that
        went. Raises FileChanged when the file is not the one any more that was seen."""
        ...

    def replace(self, key: str, content: bytes | Path) -> None:
        """Put it whatever has the key, in one request or one upload that appears as a whole."""
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Those that are there."""
        ...

    def sign(self, signing: Signing, seconds: int) -> str: ...

    def close(self) -> None: ...


class FileChanged(Exception):
    """A file was edited while it was on its way."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file whose bytes were all read once. They are read again only to be sent."""

    path: Path
    sha256: str
    state: tuple[int, int, int]

    @classmethod
    def of(cls, path: Path) -> "Seen":
        """Raises FileChanged when it is written to meanwhile."""
        before = _state(path)
        seen = cls(path, sha256_of(path), before)
        seen.require_unchanged()
        return seen

    @property
    def size_bytes(self) -> int:
        return self.state[1]

    def require_unchanged(self) -> None:
        if _state(self.path) != self.state:
            raise FileChanged

    def content(self) -> bytes:
        """For small files. Raises FileChanged."""
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise FileChanged
        return content


def _state(path: Path) -> tuple[int, int, int]:
    """What differs after a file was written to."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def chunks(bucket: Bucket, found: Found, start: int, pool: ThreadPoolExecutor) -> Iterator[bytes]:
    """The object's bytes from `start` on, in order and in pieces; a few are fetched ahead."""
    spans = (
        (begin, min(begin + PIECE_BYTES, found.size_bytes)) for begin in range(start, found.size_bytes, PIECE_BYTES)
    )
    return ahead(pool, lambda span: bucket.read(found, *span), spans, PIECES_AT_ONCE)


def ahead(pool: ThreadPoolExecutor, work: Callable[[T], R], orders: Iterable[T], most: int) -> Iterator[R]:
    """The results in order. Never more than `most` are begun and not taken: with them the memory ends too."""
    waiting = iter(orders)
    begun: deque[Future[R]] = deque(pool.submit(work, order) for order in islice(waiting, most))
    try:
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(work, order) for order in islice(waiting, 1))
            yield result
    finally:
        for future in begun:
            future.cancel()
