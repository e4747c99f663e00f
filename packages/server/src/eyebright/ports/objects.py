"""Where bytes are kept: keys such as `blobs/sha256/ab/ab12…` and `jobs/<job>/a1/model.onnx`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from eyebright_wire.artifacts import Grant


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Lying:
    """What a store's list tells of an object. `since_ms`: milliseconds since 1970, by the store's own clock."""

    size_bytes: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Signing:
    """One request that somebody without credentials is to be let make. What is known of the bytes to be put is signed with it:
    others are refused, as far as the store can tell."""

    method: Literal["GET", "PUT", "DELETE"]
    key: str
    size_bytes: int | None = None
    sha256: str | None = None
    seconds: int | None = None  # that it is to hold; None: as the operator says


class ObjectStore(Protocol):
    async def put(self, files: Sequence[tuple[str, Path]], *, owned: bool = False) -> int:
        """Store each (key, file) whole or not at all, all of them durable on return; how many were new.

        An existing key is left as it is. `owned` files will never be written again by anybody, so they may be linked
        instead of copied; nobody can read a copy who could not read the file. Raises StorageFull, or Conflict for a blob whose
        content is not what its key says.
        """
        ...

    async def pour(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        """Store what comes, as it comes, under a key that nothing has; how many bytes it was. It appears whole or not at all, and
        whatever ends it early, a cancel or an error of the blocks themselves, leaves nothing. Raises StorageFull or TooLarge."""
        ...

    async def absent(self, keys: Sequence[str]) -> list[str]:
        """Those of them that are not there."""
        ...

    async def sizes(self, keys: Sequence[str]) -> Mapping[str, int]:
        """In bytes, of those that are there, as the store itself tells."""
        ...

    async def keys(self, prefix: str) -> list[str]:
        """What lies below a prefix (which ends in `/`), in order."""
        ...

    async def listed(self, prefix: str) -> Mapping[str, Lying]:
        """By key, all that lies below a prefix (which ends in `/`), as the store itself tells."""
        ...

    async def remove(self, keys: Sequence[str]) -> None:
        """Durably; of a key that ends in `/` everything below it. What is not there is no error."""
        ...

    async def stat(self, key: str) -> ObjectInfo:
        """Size and sha256 of the bytes as they lie there now, read again each time. Raises NotFound."""
        ...

    def open(self, key: str, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes in chunks. Raises NotFound."""
        ...

    async def local(self, key: str) -> Path:
        """A local file or folder to read from; never to be written. Raises NotFound."""
        ...

    def grant(self, prefix: str) -> Grant:
        """The right for one attempt to read or write below a prefix (which ends in `/`): `file:///…/`, `s3://bucket/…/` or
        `gs://bucket/…/`. The last two are no more than names: their bytes move by what is `signed`."""
        ...

    async def signed(self, wanted: Sequence[Signing]) -> Sequence[str]:
        """A URL for each, which lets its holder make that one request for a limited time. Raises InvalidRequest where objects
        are files, which no URL reaches."""
        ...

    def workplace(self, prefix: str) -> Grant:
        """As `grant`, but always a folder of this machine (`file:///…/`), for work that is done beside the server. `local`,
        `open` and `stat` look there first; `put` from there and `remove` clear it."""
        ...

    async def leave(self, prefix: str) -> None:
        """The work in a workplace is over: what lies there and was not put is gone, unless it lies in the store itself.

        As often as one likes."""
        ...


def folder_of(workplace: Grant) -> Path:
    return Path(unquote(urlsplit(workplace.uri).path))


def blob_key(sha256: str) -> str:
    return f"{BLOBS}{sha256[:2]}/{sha256}"


def attempt_prefix(job_id: str, attempt: int) -> str:
    return f"jobs/{job_id}/a{attempt}/"


BLOBS = "blobs/sha256/"
UPLOADS = "uploads/"
#: Below it lies the number of the store.
STORE = "store/"
#: The folders of a store in which it keeps what it alone may hand out.
OWN_FOLDERS = ("blobs", "jobs", "uploads", "store")
