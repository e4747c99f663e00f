"""The servers that work, or have worked, on one database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    id: str  # of its data folder
    url: str
    version: str
    storage: str  # where its objects lie
    token_sha256: str  # of the operator's token
    started_at_ms: int


class Replicas(Protocol):
    async def enter(self, replica: Replica) -> None:
        """In place of what was known of it."""
        ...

    async def list(self) -> Sequence[Replica]:
        """By id. Whether one lives its lease tells."""
        ...

    async def clock_ms(self) -> int:
        """What time it is where all of them keep their leases."""
        ...
