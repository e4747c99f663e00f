"""What lies in the object store, as the database knows it: a row for each object, opened before it is touched, settled after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

#: To `settle` with, of rows about which nobody is at work any more.
ALL = 1 << 30
#: The marker of when all of the store was counted last.
WALKED = "stored_walked_at_ms"


@dataclass(frozen=True, slots=True)
class Look:
    """How an object lay there: `size_bytes` None for one that did not. `turn`: of its row, read before the look."""

    turn: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Due:
    """A row that somebody has open. `until_ms`: whoever it was is done by then, or dead."""

    key: str
    turn: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """All of a kind, which is the first folder of their keys. `open`: at how many somebody is, or was when it was killed."""

    kind: str
    files: int
    size_bytes: int
    open: int


class StoredObjects(Protocol):
    """Every change of a row has a turn of its own. Whoever touches an object opens its row before and settles it after, with how
    it lay there, and only if nobody else has had a turn since it looked; else it looks again. So the last one to settle is
    right, and of one that was killed a row stays open."""

    async def open(self, keys: Sequence[str], turn: int, until_ms: int) -> Mapping[str, int]:
        """Once more for each; the turns of all rows. A new row begins with this `turn`, which no earlier row may have reached."""
        ...

    async def settle(self, looks: Mapping[str, Look], closing: int = 1) -> frozenset[str]:
        """Take the sizes over and close the rows so many times, but for those that have had another turn; which those are.

        A row that nobody has open goes where its object is gone."""
        ...

    async def turns(self, keys: Sequence[str]) -> Mapping[str, int]:
        """Of those that have a row."""
        ...

    async def known(self, prefix: str) -> Mapping[str, int | None]:
        """Sizes by key, of all rows below a prefix (which ends in `/`); None: it is not known to be there."""
        ...

    async def due(self, before_ms: int, after: str, limit: int) -> Sequence[Due]:
        """Open rows whose time was over by then, by key, from the one after `after` on."""
        ...

    async def held(self) -> Sequence[Held]: ...
