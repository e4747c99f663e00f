"""What a shelf in a bucket is, whatever the store: keys below a prefix, each call in a thread with a client of its own.

A model is put once in minutes or hours, so a client for each call costs nothing that counts, and none is left behind.
"""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

from eyebright.errors import Conflict, Unavailable
from eyebright_kit.disk import sha256_of

CONNECT_SECONDS = 5
#: For a byte to come or go.
IDLE_SECONDS = 30
#: Of a large file, sent as a whole: what a connection that breaks makes come again.
PIECE_BYTES = 8 << 20
#: What the sha256 of an object is called among what is kept with it.
SHA256 = "sha256"


class BucketShelf(ABC):
    scheme: str

    def __init__(self, bucket: str, prefix: str, endpoint: str | None, setting: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._endpoint = endpoint
        self._setting = setting

    def address(self, name: str) -> str:
        return f"{self.scheme}://{self._bucket}/{self._key(name)}"

    async def read(self, name: str) -> bytes | None:
        return await asyncio.to_thread(self._read, self._key(name))

    async def put(self, name: str, content: bytes | Path) -> None:
        await asyncio.to_thread(self._put, self._key(name), content)

    async def create(self, name: str, content: Path, sha256: str) -> bool:
        return await asyncio.to_thread(self._created, self._key(name), content, sha256)

    def _created(self, key: str, content: Path, sha256: str) -> bool:
        """Looked at first, and not for the haste: some stores that speak a dialect pass over the condition of a put."""
        if (kept := self._kept(key)) is None:
            if sha256_of(content) != sha256:
                raise Conflict(f"{content} is not the file that was to be put: it was changed since; try again")
            if self._put_new(key, content, sha256):
                return True
            kept = self._kept(key)
        if kept is None:
            raise self._unavailable(key, "something has the name, but may not be read")
        return kept == sha256

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _unavailable(self, key: str, found: str) -> Unavailable:
        return Unavailable(
            f"{self.scheme}://{self._bucket}/{key} could not be written or read: {found}; it is tried again. Check "
            f"{self._setting} and the credentials of the server if that goes on"
        )

    @abstractmethod
    def _read(self, key: str) -> bytes | None: ...

    @abstractmethod
    def _put(self, key: str, content: bytes | Path) -> None:
        """In one request, or one upload that appears as a whole."""

    @abstractmethod
    def _kept(self, key: str) -> str | None:
        """The sha256 that is kept with an object, empty where another had put it; None when there is none that may be read."""

    @abstractmethod
    def _put_new(self, key: str, content: Path, sha256: str) -> bool:
        """As a whole, with its sha256, only while nothing has the key; False when something has. What passes is tried again."""
