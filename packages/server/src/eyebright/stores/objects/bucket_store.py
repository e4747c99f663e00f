"""Objects in a bucket: `BucketObjectStore(S3Bucket(…), "prefix", …)`.

What is read here as a file is copied to this machine first and verified; what trainers read and write moves by signed URLs, and
not through the server.
"""

import asyncio
import hashlib
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import structlog

from eyebright.errors import Conflict, NotFound, TooLarge, Unavailable
from eyebright.ports.objects import BLOBS, Lying, ObjectInfo, Signing
from eyebright.stores.objects.bucket import (
    PIECE_BYTES,
    WHOLE_BYTES,
    Bucket,
    BucketFailed,
    Changed,
    FileChanged,
    Found,
    NoAnswer,
    Pouring,
    Seen,
    all_done,
    chunks,
    copies,
)
from eyebright.stores.objects.cache import Cache
from eyebright.stores.objects.files import FileObjectStore
from eyebright.stores.objects.keys import checked, checked_prefix, content_of
from eyebright.stores.objects.pieces import pieces
from eyebright.stores.objects.progress import EVERY_SECONDS, Way, followed
from eyebright_wire.artifacts import Grant

#: Objects on their way at the same time, and pieces of all that come down.
_FILES_AT_ONCE = 8
_PIECES_AT_ONCE = 12
#: Of those that come in pieces: with their pieces in hand, this is the memory that it takes.
_LARGE_AT_ONCE = 2
#: Of our callers. The others wait, and leave asyncio's own threads to everybody else. Those who want a copy on this machine
#: wait for each other alone.
_CALLS_AT_ONCE = 16
_COPIES_AT_ONCE = 16
#: Files that are summed while they go up.
_SUMS_AT_ONCE = 2
#: From so many wanted objects of one folder on it is listed; asking for each would take longer.
_LISTED_FROM = 8
_READ_BYTES = 1 << 18
_PAGE = 1000  # objects that a store tells of at a time
_MOST_PIECES = 10_000  # of an object that S3 puts together

log = structlog.stdlib.get_logger(__name__)

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every object. `expires_seconds`: how long a signed URL opens it. `told_seconds`: between two lines of the
    log about one that is on its way."""

    expires_seconds: int = 3600
    object_bytes: int = 50 * 2**30  # the largest
    told_seconds: float = EVERY_SECONDS


class BucketObjectStore:
    """ObjectStore over one prefix of a bucket. `work` is a folder for what is done beside the server, which outlives it."""

    def __init__(
        self,
        bucket: Bucket,
        prefix: str,
        cache: Cache,
        work: Path,
        terms: Terms,
        setting: str,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._cache = cache
        self._work = FileObjectStore(work)
        self._work_folder = work
        self._terms = terms
        self._setting = setting
        self._calls = ThreadPoolExecutor(_CALLS_AT_ONCE, "bucket")
        self._files = ThreadPoolExecutor(_FILES_AT_ONCE, "object")
        self._pieces = ThreadPoolExecutor(_PIECES_AT_ONCE, "piece")
        self._sums = ThreadPoolExecutor(_SUMS_AT_ONCE, "sum")
        self._large = ThreadPoolExecutor(_LARGE_AT_ONCE, "large")
        self._copies = ThreadPoolExecutor(_COPIES_AT_ONCE, "copy")

    def close(self) -> None:
        for pool in (self._files, self._pieces, self._sums, self._large, self._copies, self._calls):
            pool.shutdown(cancel_futures=True)
        self._bucket.close()

    async def probe(self) -> None:
        """Put an object, look at it and remove it. Raises Unavailable, with what was found and what to do."""
        await self._called(self._probe)

    async def put(self, files: Sequence[tuple[str, Path]], *, owned: bool = False) -> int:
        """`owned` tells nothing here: what goes to a bucket is always a copy."""
        return await self._called(self._put_all, files)

    async def pour(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        """What is small goes in one request; of what is large nothing is seen before its last piece."""
        target, held, size = self._whole(checked(key)), b"", 0
        pouring = self._bucket.begin(target)
        try:
            async for piece in pieces(blocks, max(PIECE_BYTES, -(-self._terms.object_bytes // _MOST_PIECES))):
                size += len(piece)
                self._require_size(key, size)
                if held:
                    await self._done(key, pouring.add, held)
                held = piece
            if size == len(held):
                await self._done(key, self._bucket.replace, target, held)
            else:
                await self._done(key, pouring.add, held)
                await self._done(key, pouring.finish)
        except BaseException:
            await self._given_up(key, pouring)
            raise
        return size

    async def _given_up(self, key: str, pouring: Pouring) -> None:
        """What ended it is told, and not that its pieces could not be removed as well."""
        try:
            await self._done(key, pouring.give_up)
        except Unavailable as error:
            log.warning("pieces of an upload may be left in the bucket", object=key, error=error.message)

    async def _done(self, key: str, work: Callable[[*Ts], R], *arguments: *Ts) -> R:
        """A cancel waits until the store has answered: nothing of it is under way any more then."""

        def explained() -> R:
            with self._explained(key):
                return work(*arguments)

        future = asyncio.ensure_future(self._called(explained))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.gather(future, return_exceptions=True)
            raise

    async def absent(self, keys: Sequence[str]) -> list[str]:
        return await self._called(self._absent, [checked(key) for key in keys])

    async def sizes(self, keys: Sequence[str]) -> Mapping[str, int]:
        return await self._called(self._sizes, [checked(key) for key in keys])

    async def keys(self, prefix: str) -> list[str]:
        return await self._called(lambda: [found.key for found in self._listed(checked_prefix(prefix))])

    async def listed(self, prefix: str) -> Mapping[str, Lying]:
        listed = await self._called(lambda: list(self._listed(checked_prefix(prefix))))
        return {found.key: Lying(found.size_bytes, found.since_ms) for found in listed}

    async def remove(self, keys: Sequence[str]) -> None:
        await self._called(self._remove_all, [checked(key) for key in keys])
        await self._work.remove(keys)

    async def stat(self, key: str) -> ObjectInfo:
        if await self._is_here(key):
            return await self._work.stat(key)
        found = await self._called(self._found, checked(key))
        turns = self._turns(found, self._calls)
        sha256 = found.proven or await self._called_in(turns, self._sum_there, key, found)
        return ObjectInfo(key, found.size_bytes, sha256)

    async def open(self, key: str, offset: int = 0) -> AsyncIterator[bytes]:
        if await self._is_here(key):
            async for chunk in self._work.open(key, offset):
                yield chunk
            return
        content = self._content(await self._called(self._found, checked(key)), offset)
        while (chunk := await self._called(lambda: next(content, None))) is not None:
            yield chunk

    async def local(self, key: str) -> Path:
        if await self._is_here(key):
            return await self._work.local(key)
        return await self._called_in(self._copies, self._local, checked(key))

    def grant(self, prefix: str) -> Grant:
        return Grant(uri=f"{self._bucket.uri}/{self._whole(checked_prefix(prefix))}")

    async def signed(self, wanted: Sequence[Signing]) -> Sequence[str]:
        return await self._called(lambda: [self._signed(signing) for signing in wanted])

    def workplace(self, prefix: str) -> Grant:
        return self._work.grant(prefix)

    async def leave(self, prefix: str) -> None:
        await self._work.remove([checked_prefix(prefix)])

    async def _called(self, work: Callable[[*Ts], R], *arguments: *Ts) -> R:
        return await self._called_in(self._calls, work, *arguments)

    async def _called_in(self, pool: ThreadPoolExecutor, work: Callable[[*Ts], R], *arguments: *Ts) -> R:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    def _whole(self, key: str) -> str:
        return f"{self._prefix}{key}"

    async def _is_here(self, key: str) -> bool:
        return not await self._work.absent([key])

    def _probe(self) -> None:
        key = f"probe/{uuid.uuid4().hex}"
        with self._explained(key):
            self._bucket.replace(self._whole(key), b"whether this bucket can be written\n")
            if self._bucket.look(self._whole(key)) is None:
                raise BucketFailed("what was put there is not there")
            self._bucket.remove([self._whole(key)])

    # Up

    def _put_all(self, files: Sequence[tuple[str, Path]]) -> int:
        """Nothing is sent before every file was found to be what its key says, but for large ones: of these it is found while
        they are sent, and before they appear."""
        targets = {checked(key): source for key, source in files}
        new = [(key, targets[key]) for key in self._absent([*targets])]
        orders = list(self._files.map(lambda item: (item[0], self._seen(*item)), new))
        try:
            return sum(self._files.map(lambda order: self._sent(*order), orders))
        finally:
            for _, seen in orders:
                seen.give_up()

    def _seen(self, key: str, source: Path) -> Seen:
        self._require_size(source, source.stat().st_size)
        expected = content_of(key)
        with _unchanged(source):
            if expected and source.stat().st_size > WHOLE_BYTES:
                return Seen.promised(source, expected, self._sums)
            seen = Seen.of(source)
            if expected not in (None, seen.sha256):
                raise FileChanged
            return seen

    def _sent(self, key: str, seen: Seen) -> bool:
        with self._explained(key), _unchanged(seen.path), self._followed("up", key, seen.size_bytes) as moved:
            new = self._bucket.create(self._whole(key), seen, moved)
        if seen.path == self._work_folder / key:
            seen.path.unlink()  # it was made there to be put here
        return new

    # What is there

    def _absent(self, keys: Sequence[str]) -> list[str]:
        by_folder: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            by_folder[key.rpartition("/")[0]].append(key)
        gone = {key for found in self._files.map(self._absent_of, by_folder.items()) for key in found}
        return [key for key in keys if key in gone]

    def _absent_of(self, group: tuple[str, list[str]]) -> list[str]:
        """Of one folder. A list that grows longer than asking for each would be is given up where it stands."""
        folder, keys = group
        undecided = sorted(keys)
        gone: list[str] = []
        if folder and len(keys) >= _LISTED_FROM:
            listed = [found.key for found in islice(self._listed(f"{folder}/"), _PAGE * len(keys))]
            there, last = set(listed), listed[-1] if len(listed) == _PAGE * len(keys) else "~"
            gone = [key for key in undecided if key <= last and key not in there]
            undecided = [key for key in undecided if key > last]
        return gone + [key for key in undecided if self._look(key) is None]

    def _sizes(self, keys: list[str]) -> Mapping[str, int]:
        found = zip(keys, self._files.map(self._look, keys), strict=True)
        return {key: each.size_bytes for key, each in found if each is not None}

    def _listed(self, prefix: str) -> Iterator[Found]:
        """With keys as the port knows them."""
        with self._explained(prefix):
            for found in self._bucket.list(self._whole(prefix)):
                yield replace(found, key=found.key.removeprefix(self._prefix))

    def _look(self, key: str) -> Found | None:
        with self._explained(key):
            return self._bucket.look(self._whole(key))

    def _found(self, key: str) -> Found:
        """The object of a key. Raises NotFound."""
        if not key.endswith("/") and (found := self._look(key)):
            return found
        if next(self._listed(f"{key.removesuffix('/')}/"), None):
            raise NotFound(f"{key} is a folder, not an object")
        raise NotFound(f"there is no object {key}")

    def _remove_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._cache.drop(key)
        single = [self._whole(key) for key in keys if not key.endswith("/")]
        below = [self._whole(found.key) for key in keys if key.endswith("/") for found in self._listed(key)]
        with self._explained(next(iter(keys), "")):
            self._bucket.remove([*single, *below])

    # Down

    def _sum_there(self, key: str, found: Found) -> str:
        digest = hashlib.sha256()
        with self._followed("down", key, found.size_bytes) as moved:
            for chunk in self._content(found):
                digest.update(chunk)
                moved(len(chunk))
        return digest.hexdigest()

    def _turns(self, found: Found, usual: ThreadPoolExecutor) -> ThreadPoolExecutor:
        """Where its pieces may be in memory: large objects wait for their turn without a thread of the usual ones."""
        return self._large if found.size_bytes > PIECE_BYTES else usual

    def _content(self, found: Found, start: int = 0) -> Iterator[bytes]:
        with self._explained(found.key.removeprefix(self._prefix)):
            yield from chunks(self._bucket, found, start, self._pieces)

    def _local(self, key: str) -> Path:
        if key == BLOBS:
            raise NotFound(f"{self._bucket.uri} holds the blobs; there is no folder of all of them on this machine")
        if content_of(key) and (copy := self._cache.get(key)):
            return copy
        if not key.endswith("/") and (found := self._look(key)):
            return self._cache.get(key, found.tag) or self._copied_in_turn(key, found)
        return self._local_folder(f"{key.removesuffix('/')}/")

    def _local_folder(self, prefix: str) -> Path:
        listed = {found.key: found for found in self._listed(prefix)}
        if not listed:
            raise NotFound(f"there is no object {prefix}")
        for key in self._cache.keys(prefix):
            if key not in listed:
                self._cache.drop(key)
        wanted = [found for found in listed.values() if self._cache.get(found.key, found.tag) is None]
        all_done([self._turns(found, self._files).submit(self._local_file, found.key) for found in wanted])
        return self._cache.folder / prefix

    def _local_file(self, key: str) -> Path:
        return self._copied(key, self._found(key))

    def _copied_in_turn(self, key: str, found: Found) -> Path:
        if found.size_bytes > PIECE_BYTES:
            return self._large.submit(self._copied, key, found).result()
        return self._copied(key, found)

    def _copied(self, key: str, found: Found) -> Path:
        """The copy, verified by what is known of the content: its name, or what was noted when it was put."""
        self._require_size(f"{self._bucket.uri}/{found.key}", found.size_bytes)
        expected = content_of(key) or found.noted
        return self._cache.filled(
            key, found.tag, found.size_bytes, lambda target: self._download(key, found, target, expected)
        )

    def _download(self, key: str, found: Found, target: Path, expected: str | None) -> None:
        sha256 = self._fetched(key, found, target)
        if expected not in (None, sha256):
            sha256 = self._fetched(key, found, target)  # the way may have spoilt it, and not the store
        if expected not in (None, sha256):
            raise Unavailable(
                f"{self._bucket.uri}/{found.key} is damaged: its sha256 is {sha256}, expected {expected}; "
                "put the right file in its place"
            )

    def _fetched(self, key: str, found: Found, target: Path) -> str:
        """Its sha256, read from the disk behind those who write there."""
        digest, buffer = hashlib.sha256(), memoryview(bytearray(_READ_BYTES))
        with (
            target.open("w+b", buffering=0) as file,
            self._explained(key),
            self._followed("down", key, found.size_bytes) as moved,
        ):
            for start, stop in copies(self._bucket, found, file.fileno(), self._pieces):
                _read_into(digest, file, stop - start, buffer)
                moved(stop - start)
        return digest.hexdigest()

    def _followed(self, way: Way, key: str, total_bytes: int) -> AbstractContextManager[Callable[[int], None]]:
        return followed(way, key, total_bytes, self._terms.told_seconds)

    def _signed(self, signing: Signing) -> str:
        with self._explained(signing.key):
            whole = replace(signing, key=self._whole(checked(signing.key)))
            return self._bucket.sign(whole, signing.seconds or self._terms.expires_seconds)

    def _require_size(self, what: Path | str, size_bytes: int) -> None:
        if size_bytes > self._terms.object_bytes:
            raise TooLarge(
                f"{what} has {size_bytes:,} bytes, and the largest object may have {self._terms.object_bytes:,}; raise "
                "EYEBRIGHT_STORAGE__OBJECT_BYTES if it is to be kept"
            )

    @contextmanager
    def _explained(self, key: str) -> Generator[None]:
        try:
            yield
        except Changed as error:
            raise Unavailable(f"{self._bucket.uri}/{error}: it was replaced while it was read; try again") from error
        except NoAnswer as error:
            why = error.explained("EYEBRIGHT_STORAGE__ENDPOINT")
            raise Unavailable(f"{self._bucket.uri}/{self._whole(key)} could not be read or written: {why}") from error
        except BucketFailed as error:
            raise Unavailable(
                f"{self._bucket.uri}/{self._whole(key)} could not be read or written: {error}; check {self._setting} and what "
                "the server's credentials may do there"
            ) from error


def _read_into(digest: "hashlib._Hash", file: FileIO, count: int, buffer: memoryview) -> None:
    while count and (read := file.readinto(buffer[: min(count, len(buffer))])):
        digest.update(buffer[:read])
        count -= read


@contextmanager
def _unchanged(source: Path) -> Generator[None]:
    try:
        yield
    except FileChanged as error:
        raise Conflict(f"{source} changed while it was being imported; import it again") from error
