"""What a backup needs of a database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

Rows = Sequence[Mapping[str, Any]]


class CopiedDatabase(Protocol):
    async def dump(self, write: Callable[[str, Rows], None]) -> str:
        """Hand over every row of every table, as all of them were at one moment, some at a time; each table is named at least
        once. Answers the revision of the schema. Changes nothing. Raises Conflict where that is not this version's own."""
        ...

    async def require_empty(self) -> None:
        """Raises Conflict unless it has never been used."""
        ...

    async def load(self, revision: str, tables: Mapping[str, Iterable[Rows]]) -> Mapping[str, int]:
        """Fill an empty database whole or not at all, and bring it to the newest schema; how many rows each table got.

        Raises Conflict where it is not empty, InvalidRequest for a revision or a table that this version does not know.
        """
        ...
