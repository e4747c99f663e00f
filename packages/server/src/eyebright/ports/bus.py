"""What servers of one database call out to each other."""

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

#: Whatever it was: everybody looks.
ALL = "*"


class Bus(Protocol):
    """For speed alone. A call may get lost, and who was called finds it out by looking, as without a bus."""

    async def carry(
        self, taken: Callable[[], Awaitable[Collection[str]]], heard: Callable[[Collection[str]], None]
    ) -> None:
        """Call out what can be `taken` here, which waits until there is something, and say what other servers called.

        Returns at once where there can be no other; else never.
        """
        ...
