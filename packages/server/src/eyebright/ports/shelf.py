"""Where finished models are put for others to take: a folder, or a bucket."""

from pathlib import Path
from typing import Protocol


class Shelf(Protocol):
    """Names are ours, such as `style-7/lora_weights.safetensors`, and never a caller's own words.

    All raise Unavailable, with what was found, while the place cannot be reached or written; StorageFull where it is full.
    """

    def address(self, name: str) -> str:
        """Where others find it: `gs://bucket/models/style-7/…`, or an absolute path."""
        ...

    async def read(self, name: str) -> bytes | None:
        """A small file; None when there is none, or none that may be read: to put files needs no right to read them."""
        ...

    async def put(self, name: str, content: bytes | Path) -> None:
        """Whole or not at all, in place of what had the name; there on return."""
        ...
