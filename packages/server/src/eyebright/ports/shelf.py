"""Where finished models are put for others to take: a folder, or a bucket."""

from pathlib import Path
from typing import Protocol


class Shelf(Protocol):
    """Names are ours, such as `style-7/lora_weights.safetensors`, and never a caller's own words.

    All raise Unavailable, with what was found, while the place cannot be reached or written; StorageFull where it is full;
    NotFound for a file to be put that is not there, or not any more.
    """

    def address(self, name: str) -> str:
        """Where others find it: `gs://bucket/models/style-7/…`, or an absolute path."""
        ...

    async def probe(self) -> None:
        """Whether the place is there, as far as that can be told without putting anything. Raises StorageUnusable where it is
        not, or cannot be written as it is; Unavailable while it cannot be reached."""
        ...

    async def close(self) -> None:
        """Give back what looking for the place has kept, and give up large files that are on their way."""
        ...

    async def read(self, name: str) -> bytes | None:
        """A small file; None when there is none, or none that may be read: to put files needs no right to read them."""
        ...

    async def put(self, name: str, content: bytes | Path) -> None:
        """Whole or not at all, in place of what had the name; there on return."""
        ...

    async def create(self, name: str, content: Path, sha256: str) -> bool:
        """Put a file of that sha256 where nothing has the name yet, whole or not at all.

        True when exactly these bytes lie there on return, also when an earlier call had put them; False where the name holds
        others, which stay. In a bucket, what somebody else put counts as other bytes. Raises Conflict for a file that is not
        what its sha256 says, or is edited while it is put.
        """
        ...
