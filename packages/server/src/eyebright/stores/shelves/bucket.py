"""What a shelf in a bucket is, whatever the store: keys below a prefix, each call in a thread with a client of its own.

A model is put once in minutes or hours, so a client for each call costs nothing that counts, and none is left behind.
"""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

from eyebright.errors import Unavailable

CONNECT_SECONDS = 5
#: For a byte to come or go.
IDLE_SECONDS = 30


class BucketShelf(ABC):
    scheme: str

    def __init__(self, bucket: str, prefix: str, endpoint: str | None) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._endpoint = endpoint

    def address(self, name: str) -> str:
        return f"{self.scheme}://{self._bucket}/{self._key(name)}"

    async def read(self, name: str) -> bytes | None:
        return await asyncio.to_thread(self._read, self._key(name))

    async def put(self, name: str, content: bytes | Path) -> None:
        await asyncio.to_thread(self._put, self._key(name), content)

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _unavailable(self, key: str, found: str) -> Unavailable:
        return Unavailable(
            f"{self.scheme}://{self._bucket}/{key} could not be written or read: {found}; it is tried again. Check "
            "EYEBRIGHT_TRAINING_SERVER__MODELS and the credentials of the server if that goes on"
        )

    @abstractmethod
    def _read(self, key: str) -> bytes | None: ...

    @abstractmethod
    def _put(self, key: str, content: bytes | Path) -> None:
        """In one request, or one upload that appears as a whole."""
