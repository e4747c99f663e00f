"""Where jobs are kept: one transaction per decision, plus the reads that services need.

All of it within the scope that was entered (`core/scope`): what another project has is as if it were not there. Markers are the
server's own.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from eyebright.core.job import Attempt, Job, Run
from eyebright.core.records import Artifact, Change, Checkpoint, Message, StoredEvent, Transition
from eyebright_wire.jobs import JobKind, JobState

#: (job id, attempt number); None = whichever attempt is current.
AttemptKey = tuple[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The inbox row of an order: the same (source, key) is the same order, whoever repeats it and whenever."""

    source: str
    key: str
    body_sha256: str
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Filters and keyset paging, newest first; `after` is the id of the last job of the page before."""

    kinds: frozenset[JobKind] = frozenset()
    states: frozenset[JobState] = frozenset()
    trainer: str | None = None
    dataset_version: str | None = None
    parent: str | None = None
    imported_version: str | None = None
    labels: Mapping[str, str] | None = None
    after: str | None = None
    limit: int = 50


class JobTransaction(Protocol):
    """All of it or nothing. Locked runs stay locked until the end; locks are taken in the order of job ids."""

    async def lock(self, keys: Sequence[AttemptKey]) -> dict[AttemptKey, Run]:
        """The runs that exist; unknown jobs are missing from the answer, unknown attempts have `attempt=None`."""
        ...

    async def claimable(self, executor: str, now_ms: int, limit: int) -> list[Run]:
        """What is `due`, locked, best first; what somebody else has locked is passed over rather than waited for."""
        ...

    async def receipt(self, source: str, key: str) -> Receipt | None:
        """The order already taken under this key. Concurrent callers with the same key wait for each other."""
        ...

    async def insert(self, job: Job, receipt: Receipt | None = None) -> None:
        """A new job (version 1) with its first transition and outbox row."""
        ...

    async def require_version(self, version_id: str) -> None:
        """Before a job that needs it is inserted: nobody deletes it until the transaction ends, and after that the job keeps it.
        Raises NotFound where it was deleted; of one that never was nothing is said."""
        ...

    async def save(self, changes: Sequence[Change]) -> None:
        """Write decisions about locked runs, with transitions, events, checkpoints, artifacts, models and outbox rows.

        Raises Conflict when the stored version is not `before.job.version`.
        """
        ...

    async def events(self, job_id: str, attempt: int, first: int, last: int) -> list[StoredEvent]:
        """Stored events of one attempt, `first` ≤ seq ≤ `last`, in order."""
        ...

    async def marker(self, name: str) -> int | None:
        """As it is, and nobody moves it until the transaction ends."""
        ...


class JobStore(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[JobTransaction]: ...

    async def get(self, job_id: str) -> Run:
        """The job and its newest attempt. Raises NotFound."""
        ...

    async def find(self, query: JobQuery) -> list[Job]: ...

    async def placed(self, source: str, keys: Collection[str]) -> dict[str, Job]:
        """The jobs that were taken under these keys of one source, by key. Keys under which nothing was taken are missing."""
        ...

    async def due(self, executor: str, now_ms: int, limit: int) -> list[Job]:
        """Queued jobs that may be claimed, best first (priority, then age): none that is held, and none whose earlier attempt is
        not yet gone."""
        ...

    async def queue_positions(self, executor: str, limit: int) -> dict[str, int]:
        """job id → place among all that wait for this executor, 1 = next, by priority, then age: of the first `limit`. What is
        held has none."""
        ...

    async def queue_position(self, job_id: str) -> int | None:
        """The same of one job, however far back it waits; None when it does not wait."""
        ...

    async def queued(self) -> int:
        """How many wait, for whichever executor."""
        ...

    async def unfinished(self) -> list[Run]:
        """Every run whose attempt is live, or ended but not known to be gone."""
        ...

    async def credit(self, gap_ms: int, place: str | None) -> int:
        """Add an outage of the control plane to every live lease of the place, or of those without one (and to when each last
        moved); to how many it was."""
        ...

    async def adopt(self, place: str, executors: Collection[str]) -> int:
        """Attempts of these executors that run and name no place, as older versions left them, are of this one; how many."""
        ...


class JobHistory(Protocol):
    """What is kept beside a job, read-only."""

    async def transitions(self, job_id: str) -> list[Transition]: ...

    async def events(
        self, job_id: str, after: int, limit: int, kinds: frozenset[str] = frozenset()
    ) -> list[StoredEvent]:
        """Events with position > `after`, in order; only those kinds if any are named."""
        ...

    async def told(self, job_ids: Collection[str], kinds: frozenset[str], most: int) -> dict[str, list[StoredEvent]]:
        """Of each of these jobs its first events of those kinds, in order, at most so many. Jobs that have none are missing."""
        ...

    async def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """Newest first: by attempt, then step."""
        ...

    async def artifacts(self, job_id: str) -> list[Artifact]: ...

    async def made(self, job_ids: Collection[str]) -> dict[str, list[Artifact]]:
        """The same of many jobs. Those that have none are missing."""
        ...

    async def attempts(self, job_id: str) -> list[Attempt]: ...


class Outbox(Protocol):
    """What the world has yet to be told."""

    async def pending(self, limit: int, told: Mapping[str, int] | None = None) -> list[Message]:
        """Undelivered messages, in order per job, without holes. `told` leaves out, of some jobs, those up to that version."""
        ...

    async def delivered(self, messages: Sequence[Message]) -> None: ...


class Markers(Protocol):
    """A few small facts that must survive a restart, such as when the sweeper last looked."""

    async def read(self, name: str) -> int | None: ...

    async def write(self, name: str, value: int) -> None: ...

    async def move(self, name: str, before: int | None, value: int) -> bool:
        """Only if it is `before` as yet. It waits for transactions that have read it."""
        ...
