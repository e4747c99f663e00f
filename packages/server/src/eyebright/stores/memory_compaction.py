"""CompactionStore in memory: over the tables of jobs, attempts, events and curves."""

from collections.abc import Iterator, MutableMapping, Sequence
from itertools import islice
from typing import Protocol

from eyebright.core.curves import Curves
from eyebright.core.job import Attempt, Job
from eyebright.core.records import StoredEvent
from eyebright.ports.compaction import Ended, Spare
from eyebright_wire.events import EventKind


class Tables(Protocol):
    @property
    def jobs(self) -> MutableMapping[str, Job]: ...
    @property
    def attempts(self) -> MutableMapping[tuple[str, int], Attempt]: ...
    @property
    def events(self) -> MutableMapping[tuple[str, int, int], StoredEvent]: ...
    @property
    def positions(self) -> MutableMapping[tuple[str, int], StoredEvent]: ...
    @property
    def curves(self) -> MutableMapping[str, Curves]: ...


class MemoryCompaction:
    """CompactionStore."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._done: set[str] = set()

    async def ended(self, before_ms: int, after: Ended | None, limit: int) -> Sequence[Ended]:
        there = {attempt.job_id for attempt in self._tables.attempts.values() if attempt.gone_at_ms is None}
        found = [
            Ended(job.finished_at_ms, job.id)
            for job in self._tables.jobs.values()
            if job.finished_at_ms is not None and job.finished_at_ms < before_ms and job.id not in self._done | there
        ]
        return sorted(each for each in found if after is None or each > after)[:limit]

    async def spare(self, job_id: str) -> Spare:
        found = list(self._spare(job_id))
        return Spare(len(found), sum(len(str(dict(event.data))) for event in found))

    async def drop(self, job_id: str, limit: int, now_ms: int) -> int:
        del now_ms
        curves = self._tables.curves.get(job_id, Curves())
        gone = list(islice((event for event in self._spare(job_id) if event.position <= curves.position), limit))
        for event in gone:
            del self._tables.events[job_id, event.attempt, event.seq]
            del self._tables.positions[job_id, event.position]
        if len(gone) < limit:
            self._done.add(job_id)
        return len(gone)

    def _spare(self, job_id: str) -> Iterator[StoredEvent]:
        for (job, attempt, seq), event in sorted(self._tables.events.items(), key=lambda item: item[0]):
            last = self._tables.attempts[job, attempt].last_seq
            if job == job_id and event.kind == EventKind.PROGRESS and 1 < seq < last:
                yield event
