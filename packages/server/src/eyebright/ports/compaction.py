"""What may go of the events of jobs that have ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Ended:
    """A job, by when it ended."""

    finished_at_ms: int
    job_id: str


@dataclass(frozen=True, slots=True)
class Spare:
    """Events that are not needed once the curves have their points. `size_bytes`: of what they said."""

    events: int
    size_bytes: int


class CompactionStore(Protocol):
    """Spare are progress events, but for the first and the last event of each attempt."""

    async def ended(self, before_ms: int, after: Ended | None, limit: int) -> Sequence[Ended]:
        """Jobs that ended before then and of which nothing runs any more, but for those that are compacted; in order."""
        ...

    async def spare(self, job_id: str) -> Spare: ...

    async def drop(self, job_id: str, limit: int, now_ms: int) -> int:
        """Delete so many of the job's spare events up to where its curves go; how many it was. Once there are no more, it is
        compacted."""
        ...
