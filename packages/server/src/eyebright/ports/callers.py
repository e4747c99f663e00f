"""The database that the callers of a Training Agent keep: theirs, so that only the rows of one project at a time are touched."""

from collections.abc import Collection, Sequence
from typing import Protocol

from eyebright.core.callers import Assignment, CallersModel, CallersProject, LogLine


class CallersDatabase(Protocol):
    """All raise Unavailable, within seconds, while it cannot be reached or refuses us, and Conflict where its tables have rules
    that a row breaks: asking again would not help. Ids are UUIDs in their usual form; nothing is found by any other.

    What is written is written once, however often it is asked for: who was left without an answer asks again.
    """

    async def probe(self) -> None:
        """Whether the tables are there, with their columns, and may be read; and may be written, where that can be told without
        writing. No row is read."""
        ...

    async def project(self, project_id: str) -> CallersProject:
        """Raises NotFound."""
        ...

    async def assignment(self, project_id: str) -> Assignment:
        """The project with its data set: NotFound in place of that where it has none, Conflict where it has several, as nobody
        says which is meant. Raises NotFound for the project."""
        ...

    async def change_status(self, project_id: str, status: str, *, before: Collection[str]) -> bool:
        """Only if it is one of `before` now; whether the project has the status on return. Raises NotFound.

        After Unavailable it may have been done.
        """
        ...

    async def add_model(self, model: CallersModel) -> None: ...

    async def add_logs(self, lines: Sequence[LogLine]) -> None: ...

    async def recent_logs(self, project_id: str, limit: int) -> Sequence[LogLine]:
        """Those of the agent `training`, the newest first."""
        ...

    async def close(self) -> None: ...
