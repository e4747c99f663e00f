"""A bus in memory: there is one server."""

from collections.abc import Awaitable, Callable, Collection


class MemoryBus:
    """Bus."""

    async def carry(
        self, taken: Callable[[], Awaitable[Collection[str]]], heard: Callable[[Collection[str]], None]
    ) -> None:
        """There is nobody to be called."""
