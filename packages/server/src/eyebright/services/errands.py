"""Work for the outside that subscribers start and cannot wait for: told again of the same, they find it under way, or done."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from eyebright.errors import Unavailable

T = TypeVar("T")

#: So long one errand may keep everybody waiting who is told of changes after this one.
PATIENCE_SECONDS = 3.0
#: And while others are late already, so that many wait for a slow place no longer than one.
_HASTE_SECONDS = 0.05
#: Of errands that have ended without anybody hearing of it, so many are kept for whoever asks again.
KEPT = 100


class Errands(Generic[T]):
    """One for each key at a time."""

    def __init__(self, what: str) -> None:
        """`what` is said of one that takes longer."""
        self._what = what
        self._under_way: dict[str, asyncio.Future[T]] = {}

    async def soon(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """What comes of the work. Raises Unavailable after some seconds, while it goes on by itself; whoever asks again then
        hears what came of it."""
        task = self._under_way.get(key)
        late = task is not None or any(not other.done() for other in self._under_way.values())
        if task is None:
            task = self._begun(key, work)
        await asyncio.wait([task], timeout=_HASTE_SECONDS if late else PATIENCE_SECONDS)
        if not task.done():
            raise Unavailable(f"{key}: {self._what}")
        self._under_way.pop(key, None)
        return task.result()

    def _begun(self, key: str, work: Callable[[], Awaitable[T]]) -> asyncio.Future[T]:
        ended = [name for name, task in self._under_way.items() if task.done()]
        for name in ended[:-KEPT]:
            del self._under_way[name]
        task = self._under_way[key] = asyncio.ensure_future(work())
        task.add_done_callback(_heard)
        return task

    async def close(self) -> None:
        """What is under way is given up; the outbox tells of it again."""
        tasks = [*self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _heard(task: asyncio.Future[Any]) -> None:
    """Though nobody may ask for it any more."""
    if not task.cancelled():
        task.exception()
