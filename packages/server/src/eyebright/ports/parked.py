"""Where messages lie that were put aside."""

from typing import Protocol

from eyebright.core.parked import Parked


class ParkedStore(Protocol):
    async def keep(self, parked: Parked) -> None:
        """In place of one with this id. Only the newest `MOST` are kept."""
        ...

    async def get(self, parked_id: str) -> Parked:
        """Raises NotFound."""
        ...

    async def list(self, after: str | None = None, limit: int = 50) -> list[Parked]:
        """Newest first, each with the first `HEAD_BYTES` of its body; `after` is the id of the last of the page before."""
        ...

    async def remove(self, parked_id: str) -> bool:
        """False if it was not there."""
        ...


#: So that somebody who sends nonsense fills no disk. Whatever was parked lies at the broker too.
MOST = 1000
