"""Finished models in a bucket: keys below a prefix, each call in a thread with a client of its own.

A model is put once in minutes or hours, so a client for each call costs nothing that counts, and none is left behind. Only to
look whether the place is there, which goes on all the time, one is kept: boto3's clients are megabytes of garbage in cycles.
"""

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

from eyebright.errors import StorageUnusable, Unavailable
from eyebright.settings.names import variable_at
from eyebright.stores.objects import bucket_at
from eyebright.stores.objects.bucket import Bucket, BucketFailed, FileChanged, Manners, NoAnswer, Seen, look_if_allowed
from eyebright.stores.objects.progress import followed
from eyebright.stores.shelves.content import changed, present

#: No longer than a server that is to stop may wait for: whoever puts a model tries again himself, too.
_MANNERS = Manners(patience_seconds=10)
#: Somebody waits to hear whether it is there at all, and not for long: two tries must fit.
_HASTY = Manners(connect_seconds=2, idle_seconds=2, patience_seconds=1)
#: Nothing is called so: a list of it is short, and stores tell by it whether there is a bucket.
_PROBE = ".eyebright"


class BucketShelf:
    def __init__(self, place: str, endpoint: str | None, setting: str) -> None:
        """`place` is checked: `gs://bucket/models`. `setting` is the variable that names it, for messages."""
        self._place = place.rstrip("/")
        self._endpoint = endpoint
        self._setting = setting
        self._endpoint_setting = variable_at(("sources", f"{place.partition('://')[0]}_endpoint"))
        self._probed: tuple[Bucket, str] | None = None
        self._closed = threading.Event()

    def address(self, name: str) -> str:
        return f"{self._place}/{name}"

    async def probe(self) -> None:
        await asyncio.to_thread(self._probe)

    async def read(self, name: str) -> bytes | None:
        return await asyncio.to_thread(self._read, name)

    async def put(self, name: str, content: bytes | Path) -> None:
        await asyncio.to_thread(self._put, name, content)

    async def create(self, name: str, content: Path, sha256: str) -> bool:
        return await asyncio.to_thread(self._create, name, content, sha256)

    async def close(self) -> None:
        """A file that is on its way is given up: a server that is to stop would wait for the last of its bytes."""
        self._closed.set()
        if self._probed is not None:
            self._probed[0].close()

    def _probe(self) -> None:
        """Whoever may only put is not told, and has to believe."""
        with self._explained(""):
            bucket, prefix = self._probed = self._probed or bucket_at(self._place, self._endpoint, _HASTY)
            try:
                next(bucket.list(f"{prefix}{_PROBE}"), None)
            except BucketFailed as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    raise StorageUnusable(
                        f"there is no bucket {bucket.uri} to put anything into ({error}); make it, or set {self._setting} "
                        "to another"
                    ) from error
                if error.status != HTTPStatus.FORBIDDEN:
                    raise

    def _read(self, name: str) -> bytes | None:
        with self._open(name) as (bucket, key):
            found = look_if_allowed(bucket, key)
            if found is None or not found.size_bytes:
                return found and b""
            return bucket.read(found, 0, found.size_bytes)

    def _put(self, name: str, content: bytes | Path) -> None:
        with present(content), self._open(name) as (bucket, key):
            bucket.replace(key, content)

    def _create(self, name: str, content: Path, sha256: str) -> bool:
        """Looked at first, and not for the haste: some stores that speak a dialect pass over the condition of a put."""
        with present(content), self._open(name) as (bucket, key):
            if look_if_allowed(bucket, key) is None and self._created(bucket, key, content, sha256):
                return True
            found = look_if_allowed(bucket, key)
            if found is None:
                raise BucketFailed("something has the name, but may not be read")
            return found.noted == sha256

    def _created(self, bucket: Bucket, key: str, content: Path, sha256: str) -> bool:
        """The file is summed while it goes up, and appears only if it is what it should be."""
        with ThreadPoolExecutor(1) as pool:
            seen = Seen.promised(content, sha256, pool)
            try:
                with followed("up", f"{bucket.uri}/{key}", seen.size_bytes) as moved:
                    return bucket.create(key, seen, self._until_closed(moved))
            except FileChanged as error:
                raise changed(content) from error

    def _until_closed(self, moved: Callable[[int], None]) -> Callable[[int], None]:
        def sent(count: int) -> None:
            moved(count)
            if self._closed.is_set():
                raise BucketFailed("the server stops")

        return sent

    @contextmanager
    def _open(self, name: str) -> Generator[tuple[Bucket, str]]:
        with self._explained(name):
            bucket, prefix = bucket_at(self._place, self._endpoint, _MANNERS)
            with closing(bucket):
                yield bucket, f"{prefix}/{name}" if prefix else name

    @contextmanager
    def _explained(self, name: str) -> Generator[None]:
        try:
            yield
        except NoAnswer as error:
            why = error.explained(self._endpoint_setting)
            raise Unavailable(f"{self.address(name)} could not be written or read: {why}") from error
        except BucketFailed as error:
            raise Unavailable(
                f"{self.address(name)} could not be written or read: {error}; check {self._setting} and the server's "
                "credentials for it"
            ) from error
