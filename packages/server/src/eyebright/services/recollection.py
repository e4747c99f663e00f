"""What does not change any more, by the ids of those that it is known of: each is read once, all that are asked for together."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")

#: Of how many it is remembered.
KEPT = 1000


class Recollection(Generic[T]):
    def __init__(self, read: Callable[[Collection[str]], Awaitable[Mapping[str, T]]]) -> None:
        """`read` leaves out whatever is not there; of that nothing is remembered."""
        self._read = read
        self._known = LRUCache[str, T](KEPT)

    async def of(self, ids: Collection[str]) -> Mapping[str, T]:
        found = {each: self._known[each] for each in ids if each in self._known}
        if missing := set(ids) - found.keys():
            read = await self._read(missing)
            found |= read
            self._known.update(read)
        return found
