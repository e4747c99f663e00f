"""A bucket, whatever the store: what its client must do, and how objects go up and come down through it.

Clients are sync and used by many threads at once. What passes (a line that breaks, a store that is busy) they try again
themselves, with growing pauses of random length; what is left is raised as BucketFailed.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http import HTTPStatus
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
    when it was put, `proven` the one that the store has made itself, of all its bytes. `since_ms` is told in lists only."""

    key: str
    size_bytes: int
    tag: str
    noted: str | None = None
    proven: str | None = None
    since_ms: int = 0


class BucketFailed(Exception):
    """What the store, or the way to it, has said. `status` is HTTP's, where there was an answer."""

    def __init__(self, found: str, status: int | None = None) -> None:
        super().__init__(found)
        self.status = status


class NoAnswer(BucketFailed):
    """Nobody has answered at the store's address, or not to the end."""

    def __init__(self, endpoint: str, error: BaseException) -> None:
        super().__init__(f"{endpoint} gives no answer ({type(error).__name__})")

    def explained(self, setting: str) -> str:
        """`setting` is the variable that has the address."""
        return f"{self}; is the store running, and can this server reach it? {setting} says where it is"


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

    def copy(self, found: Found, start: int, stop: int, file: int) -> None:
        """The same bytes, to the same place of an open file: they never are in memory as a whole. Raises Changed."""
        ...

    def create(self, key: str, content: "Seen", sent: Callable[[int], None]) -> bool:
        """Put a file where nothing has the key, whole or not at all; False where something has. `sent` is told of bytes that
        went, now and then of none, and ends it by raising. Raises FileChanged when the file is not the one any more that was
        seen."""
        ...

    def replace(self, key: str, content: bytes | Path) -> None:
        """Put it whatever has the key, in one request or one upload that appears as a whole."""
        ...

    def begin(self, key: str) -> "Pouring":
        """An object that is made of pieces, of which nobody knows yet how many come. Calls nobody yet."""
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Those that are there."""
        ...

    def sign(self, signing: Signing, seconds: int) -> str: ...

    def close(self) -> None: ...


class Pouring(Protocol):
    """An object on its way. It appears when it is finished; one that is given up leaves nothing in the store."""

    def add(self, piece: bytes) -> None:
        """The next one: each of `PIECE_BYTES` or a multiple, but for the last."""
        ...

    def finish(self) -> None: ...

    def give_up(self) -> None: ...


class FileChanged(Exception):
    """A file was edited while it was on its way."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file whose bytes were all read once, or are being read. They are read again only to be sent."""

    path: Path
    sha256: str
    state: tuple[int, int, int]
    proof: Future[str] | None = None

    @classmethod
    def of(cls, path: Path) -> "Seen":
        """Raises FileChanged when it is written to meanwhile."""
        before = _state(path)
        seen = cls(path, sha256_of(path), before)
        seen.require_unchanged()
        return seen

    @classmethod
    def promised(cls, path: Path, sha256: str, pool: ThreadPoolExecutor) -> "Seen":
        """A file that is said to have this sum. The pool looks whether it has while it is sent already."""
        return cls(path, sha256, _state(path), pool.submit(sha256_of, path))

    @property
    def size_bytes(self) -> int:
        return self.state[1]

    def require_unchanged(self) -> None:
        """Raises FileChanged; waits for the sum that was promised. To be called when all has been read that is sent."""
        if self.proof is not None and self.proof.result() != self.sha256:
            raise FileChanged
        if _state(self.path) != self.state:
            raise FileChanged

    def give_up(self) -> None:
        """Nobody asks any more whether the promise holds."""
        if self.proof is not None:
            self.proof.cancel()

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


def look_if_allowed(bucket: Bucket, key: str) -> Found | None:
    """None, too, where stores hide from those who may only put whether there is such a key."""
    try:
        return bucket.look(key)
    except BucketFailed as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return None
        raise


def write_at(file: int, content: bytes, place: int) -> int:
    """Where it ends. Raises OSError."""
    left = memoryview(content)
    while left:
        count = os.pwrite(file, left, place)
        left, place = left[count:], place + count
    return place


def chunks(bucket: Bucket, found: Found, start: int, pool: ThreadPoolExecutor) -> Iterator[bytes]:
    """The object's bytes from `start` on, in order and in pieces; a few are fetched ahead."""
    return ahead(pool, lambda span: bucket.read(found, *span), _spans(found, start), PIECES_AT_ONCE)


def copies(bucket: Bucket, found: Found, file: int, pool: ThreadPoolExecutor) -> Iterator[tuple[int, int]]:
    """Spans of the object, in order, each when it lies in the file. When it ends, however, nobody writes there any more."""
    begun: set[Future[tuple[int, int]]] = set()

    def copy(span: tuple[int, int]) -> tuple[int, int]:
        bucket.copy(found, *span, file)
        return span

    try:
        yield from ahead(pool, copy, _spans(found), PIECES_AT_ONCE, begun.add)
    finally:
        _given_up(begun)


def ahead(
    pool: ThreadPoolExecutor,
    work: Callable[[T], R],
    orders: Iterable[T],
    most: int,
    note: Callable[[Future[R]], object] = lambda _: None,
) -> Iterator[R]:
    """The results in order. Never more than `most` are begun and not taken: with them the memory ends too."""
    waiting = iter(orders)
    begun: deque[Future[R]] = deque()

    def begin(count: int) -> None:
        for order in islice(waiting, count):
            begun.append(pool.submit(work, order))
            note(begun[-1])

    try:
        begin(most)
        while begun:
            result = begun.popleft().result()
            begin(1)
            yield result
    finally:
        for future in begun:
            future.cancel()


def all_done(futures: Sequence[Future[R]]) -> list[R]:
    """The results in order. When one is an error it is raised, the rest is not begun, and nothing is under way any more."""
    try:
        return [future.result() for future in futures]
    finally:
        _given_up(futures)


def _given_up(futures: Iterable[Future[R]]) -> None:
    wait([future for future in futures if not future.cancel()])


def _spans(found: Found, start: int = 0) -> Iterator[tuple[int, int]]:
    return (
        (begin, min(begin + PIECE_BYTES, found.size_bytes)) for begin in range(start, found.size_bytes, PIECE_BYTES)
    )
