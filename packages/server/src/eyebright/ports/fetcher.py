"""Who fetches what lies at an address that somebody else named."""

from pathlib import Path
from typing import Protocol


class Fetcher(Protocol):
    async def fetch(self, url: str, into: Path) -> Path:
        """The one object at an address, unopened, as a file in the folder `into`, which is new or empty and the caller's.

        Raises InvalidRequest where the operator's rules forbid it, nothing is there or it is too large; Unavailable where another
        try may bring it; StorageFull.
        """
        ...
