"""What of several control planes over one database only one is to do at a time."""

from collections.abc import Mapping
from typing import Protocol


class Leases(Protocol):
    """For efficiency: a holder that was frozen may believe for a moment that it still is one, so what must be right is right
    without a lease."""

    async def take(self, name: str, holder: str, now_ms: int, ttl_ms: int) -> int | None:
        """The term of this holder, who has it for `ttl_ms` from now on; None while another one has it.

        A term lasts as long as it is taken again in time; the next one, whoever's it is, has a greater number.
        """
        ...

    async def release(self, name: str, holder: str) -> None:
        """Anybody may take it at once. Of another holder's nothing changes."""
        ...

    async def holders(self, now_ms: int) -> Mapping[str, str]:
        """name → holder, of those that are held."""
        ...
