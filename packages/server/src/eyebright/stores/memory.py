"""Everything in memory, with the same promises and the same guards as the SQL store: for tests, and gone with the process.

One lock serialises the transactions. Each writes to an overlay of its own, which is laid on the committed state at its end,
so that nobody ever reads what was not committed.
"""

import asyncio
from collections import ChainMap
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, MutableMapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any, Protocol, TypeVar

from eyebright.core.curves import Curves
from eyebright.core.job import Attempt, Job, Run
from eyebright.core.kept_upload import KeptUpload
from eyebright.core.lifecycle import TRANSITIONS
from eyebright.core.parked import HEAD_BYTES, Parked
from eyebright.core.project import Project
from eyebright.core.quota import Quota, Usage, counts, within_room
from eyebright.core.records import (
    Artifact,
    Change,
    Checkpoint,
    Dataset,
    Exported,
    Message,
    Model,
    StoredEvent,
    Transition,
    Version,
    changes_of,
    message_about,
    to_delete,
    transition_to,
    with_exports,
)
from eyebright.core.scope import DEFAULT_PROJECT, current, current_project
from eyebright.errors import (
    Conflict,
    GuardViolated,
    NoScope,
    dataset_in_use,
    model_deleted,
    model_in_use,
    no_dataset,
    no_job,
    no_model,
    no_parked,
    no_version,
)
from eyebright.ports.curves import STRIDE
from eyebright.ports.jobs import AttemptKey, JobQuery, Receipt
from eyebright.ports.parked import MOST
from eyebright.stores.memory_access import MemoryAccess, MemoryAudit
from eyebright.stores.memory_bus import MemoryBus
from eyebright.stores.memory_compaction import MemoryCompaction
from eyebright.stores.memory_leases import MemoryLeases
from eyebright.stores.memory_stored import MemoryStored
from eyebright.stores.memory_webhooks import MemoryWebhooks
from eyebright_wire.jobs import JobState

Table = MutableMapping[Any, Any]


@dataclass(frozen=True)
class State:
    """The tables, by their primary keys."""

    projects: MutableMapping[str, Project] = field(
        default_factory=lambda: {DEFAULT_PROJECT: Project(id=DEFAULT_PROJECT, created_at_ms=0)}
    )
    quotas: MutableMapping[str, Quota] = field(default_factory=dict[str, Quota])
    jobs: MutableMapping[str, Job] = field(default_factory=dict[str, Job])
    attempts: MutableMapping[tuple[str, int], Attempt] = field(default_factory=dict[tuple[str, int], Attempt])
    transitions: MutableMapping[tuple[str, int], Transition] = field(default_factory=dict[tuple[str, int], Transition])
    events: MutableMapping[tuple[str, int, int], StoredEvent] = field(
        default_factory=dict[tuple[str, int, int], StoredEvent]
    )
    positions: MutableMapping[tuple[str, int], StoredEvent] = field(default_factory=dict[tuple[str, int], StoredEvent])
    checkpoints: MutableMapping[tuple[str, int, str], Checkpoint] = field(
        default_factory=dict[tuple[str, int, str], Checkpoint]
    )
    artifacts: MutableMapping[tuple[str, str], Artifact] = field(default_factory=dict[tuple[str, str], Artifact])
    models: MutableMapping[str, Model] = field(default_factory=dict[str, Model])
    aliases: MutableMapping[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    curves: MutableMapping[str, Curves] = field(default_factory=dict[str, Curves])
    outbox: MutableMapping[tuple[str, int], Message] = field(default_factory=dict[tuple[str, int], Message])
    deliveries: MutableMapping[str, int] = field(default_factory=dict[str, int])
    inbox: MutableMapping[tuple[str, str, str], Receipt] = field(default_factory=dict[tuple[str, str, str], Receipt])
    versions: MutableMapping[tuple[str, str, str], Version] = field(default_factory=dict[tuple[str, str, str], Version])
    markers: MutableMapping[str, int] = field(default_factory=dict[str, int])
    parked: MutableMapping[str, Parked] = field(default_factory=dict[str, Parked])
    kept_uploads: MutableMapping[str, KeptUpload] = field(default_factory=dict[str, KeptUpload])

    def overlay(self) -> "State":
        """The same tables to read and to write; what is written stays in the overlay."""
        return State(**{name: ChainMap({}, table) for name, table in self._tables()})

    def absorb(self, overlay: "State") -> None:
        """Take over what was written to an overlay."""
        for name, table in self._tables():
            table.update(getattr(overlay, name).maps[0])

    def _tables(self) -> list[tuple[str, Table]]:
        return [(each.name, getattr(self, each.name)) for each in fields(self)]


class MemoryDatabase:
    """All stores over one state."""

    def __init__(self) -> None:
        self.state = State()
        lock = asyncio.Lock()
        self.projects = MemoryProjects(self.state)
        self.quotas = MemoryQuotas(self.state)
        self.jobs = MemoryJobs(self.state, lock)
        self.history = MemoryHistory(self.state)
        self.curves = MemoryCurves(self.state)
        self.compaction = MemoryCompaction(self.state)
        self.outbox = MemoryOutbox(self.state)
        self.markers = MemoryMarkers(self.state, lock)
        self.leases = MemoryLeases()
        self.bus = MemoryBus()
        self.datasets = MemoryDatasets(self.state)
        self.models = MemoryModels(self.state)
        self.parked = MemoryParked(self.state)
        self.kept_uploads = MemoryKeptUploads(self.state)
        self.stored = MemoryStored()
        self.webhooks = MemoryWebhooks(self.state.projects)
        self.access = MemoryAccess()
        self.audit = MemoryAudit()

    @classmethod
    async def open(cls, url: str = "memory://") -> "MemoryDatabase":
        del url  # there is only one kind
        return cls()

    async def close(self) -> None:
        """Nothing to give back; what was stored goes with the object."""


class MemoryProjects:
    """ProjectStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, project: Project) -> bool:
        return self._state.projects.setdefault(project.id, project) is project

    async def exists(self, project_id: str) -> bool:
        return project_id in self._state.projects

    async def list(self) -> Sequence[Project]:
        return [project for _, project in sorted(self._state.projects.items())]


class MemoryQuotas:
    """QuotaStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def get(self, project: str) -> Quota:
        return self._state.quotas.get(project, Quota(project=project))

    async def put(self, quota: Quota) -> None:
        if quota.project not in self._state.projects:
            raise GuardViolated(f"there is no project {quota.project}")
        self._state.quotas[quota.project] = quota

    async def running_jobs(self, project: str) -> int:
        return _running(self._state, project)

    async def usage(self, project: str) -> Usage:
        return Usage(running_jobs=_running(self._state, project), storage_bytes=sum(_stored(self._state, project)))


class MemoryJobs:
    """JobStore."""

    def __init__(self, state: State, lock: asyncio.Lock) -> None:
        self._state = state
        self._lock = lock

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["MemoryTransaction"]:
        async with self._lock:
            draft = self._state.overlay()
            yield MemoryTransaction(draft)
            self._state.absorb(draft)

    async def get(self, job_id: str) -> Run:
        run = _run(self._state, (job_id, None))
        if run is None:
            raise no_job(job_id)
        return run

    async def find(self, query: JobQuery) -> list[Job]:
        newest_first = sorted(_mine(self._state.jobs), key=lambda job: job.id, reverse=True)
        return list(islice((job for job in newest_first if _matches(job, query)), query.limit))

    async def placed(self, source: str, keys: Collection[str]) -> dict[str, Job]:
        project = current_project()
        found = {key: self._state.inbox.get((project, source, key)) for key in keys}
        return {key: self._state.jobs[receipt.job_id] for key, receipt in found.items() if receipt}

    async def due(self, executor: str, now_ms: int, limit: int) -> list[Job]:
        return _due(self._state, executor, now_ms, limit)

    async def queue_positions(self, executor: str, limit: int) -> dict[str, int]:
        scope, waiting = current(), enumerate(islice(_queue(self._state, executor), limit), 1)
        return {job.id: place for place, job in waiting if scope.covers(job.project)}

    async def queue_position(self, job_id: str) -> int | None:
        current()
        job = self._state.jobs.get(job_id)
        return (await self.queue_positions(job.executor, len(self._state.jobs))).get(job_id) if job else None

    async def queued(self) -> int:
        return sum(job.state is JobState.QUEUED and not job.held for job in _mine(self._state.jobs))

    async def unfinished(self) -> list[Run]:
        return [
            Run(self._state.jobs[attempt.job_id], attempt)
            for _, attempt in sorted(_of_mine(self._state, self._state.attempts))
            if attempt.live or attempt.gone_at_ms is None
        ]

    async def credit(self, gap_ms: int, place: str | None) -> int:
        async with self._lock:
            attempts = _of_mine(self._state, self._state.attempts)
            live = {key: attempt for key, attempt in attempts if attempt.live and attempt.place == place}
            for key, attempt in live.items():
                self._state.attempts[key] = replace(
                    attempt,
                    lease_until_ms=attempt.lease_until_ms + gap_ms,
                    moved_at_ms=attempt.moved_at_ms + gap_ms,
                )
            return len(live)

    async def adopt(self, place: str, executors: Collection[str]) -> int:
        async with self._lock:
            unplaced = [
                attempt
                for _, attempt in _of_mine(self._state, self._state.attempts)
                if attempt.gone_at_ms is None and attempt.place is None and attempt.executor in executors
            ]
            for attempt in unplaced:
                self._state.attempts[attempt.job_id, attempt.number] = replace(attempt, place=place)
            return len(unplaced)


class MemoryTransaction:
    """JobTransaction over an overlay."""

    def __init__(self, draft: State) -> None:
        self._draft = draft
        self._locked: set[str] = set()

    async def lock(self, keys: Sequence[AttemptKey]) -> dict[AttemptKey, Run]:
        runs = {key: _run(self._draft, key) for key in keys}
        found = {key: run for key, run in runs.items() if run is not None}
        self._locked.update(job_id for job_id, _ in found)
        return found

    async def claimable(self, executor: str, now_ms: int, limit: int) -> list[Run]:
        more = _room(self._draft) if counts(executor) else {}
        open_to = [
            job for job in _due(self._draft, executor, now_ms, len(self._draft.jobs)) if more.get(job.project, 1) > 0
        ]
        return within_room((await self.lock([(job.id, None) for job in open_to[:limit]])).values(), more)

    async def receipt(self, source: str, key: str) -> Receipt | None:
        return self._draft.inbox.get((current_project(), source, key))

    async def insert(self, job: Job, receipt: Receipt | None = None) -> None:
        _require_mine(self._draft, job.project)
        if (job.version, job.attempt, job.state) != (1, 0, JobState.QUEUED) or job.id in self._draft.jobs:
            raise GuardViolated(f"job {job.id} is not new: a job begins queued, with version 1 and no attempt")
        self._draft.jobs[job.id] = job
        self._draft.transitions[job.id, 1] = transition_to(job, job.created_at_ms)
        self._draft.outbox[job.id, 1] = message_about(job, None, job.created_at_ms)
        if receipt is not None:
            _add(self._draft.inbox, (job.project, receipt.source, receipt.key), receipt)
        self._locked.add(job.id)

    async def require_version(self, version_id: str) -> None:
        mine = (current_project(), version_id)
        found = [each for each in self._draft.versions.values() if (each.project, each.id) == mine]
        if found and all(each.deleted_at_ms is not None for each in found):
            found[0].require_there()

    async def save(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.before.job.id not in self._locked:
                raise ValueError(f"job {change.before.job.id} must be locked before it is saved")
            _compare(self._draft, change)
            _write_attempt_and_events(self._draft, change)
            _write_job(self._draft, change)
            _write_products(self._draft, change)

    async def events(self, job_id: str, attempt: int, first: int, last: int) -> list[StoredEvent]:
        if not _is_mine(self._draft, job_id):
            return []
        numbers = range(first, min(last, self._last_seq(job_id, attempt)) + 1)
        return [
            self._draft.events[job_id, attempt, seq] for seq in numbers if (job_id, attempt, seq) in self._draft.events
        ]

    async def marker(self, name: str) -> int | None:
        return self._draft.markers.get(name)

    def _last_seq(self, job_id: str, attempt: int) -> int:
        found = self._draft.attempts.get((job_id, attempt))
        return found.last_seq if found else 0


class MemoryHistory:
    """JobHistory."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def transitions(self, job_id: str) -> list[Transition]:
        return _of(self._state, self._state.transitions, job_id)

    async def events(
        self, job_id: str, after: int, limit: int, kinds: frozenset[str] = frozenset()
    ) -> list[StoredEvent]:
        job = _if_mine(self._state.jobs.get(job_id))
        newest = job.events if job else 0
        positions = ((job_id, position) for position in range(max(0, after) + 1, newest + 1))
        following = (self._state.positions[key] for key in positions if key in self._state.positions)
        return list(islice((event for event in following if not kinds or event.kind in kinds), limit))

    async def told(self, job_ids: Collection[str], kinds: frozenset[str], most: int) -> dict[str, list[StoredEvent]]:
        current()
        found = {job_id: await self.events(job_id, 0, most, kinds) for job_id in job_ids}
        return {job_id: events for job_id, events in found.items() if events}

    async def checkpoints(self, job_id: str) -> list[Checkpoint]:
        found: list[Checkpoint] = _of(self._state, self._state.checkpoints, job_id)
        return sorted(found, key=lambda each: (each.attempt, each.step, each.at_ms), reverse=True)

    async def artifacts(self, job_id: str) -> list[Artifact]:
        return _of(self._state, self._state.artifacts, job_id)

    async def made(self, job_ids: Collection[str]) -> dict[str, list[Artifact]]:
        current()
        return {job_id: found for job_id in job_ids if (found := await self.artifacts(job_id))}

    async def attempts(self, job_id: str) -> list[Attempt]:
        return _of(self._state, self._state.attempts, job_id)


class MemoryCurves:
    """CurveStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def get(self, job_id: str) -> Curves:
        return self._state.curves.get(job_id, Curves()) if _is_mine(self._state, job_id) else Curves()

    async def keep(self, job_id: str, kept: Curves, before: int) -> bool:
        known = self._state.curves.get(job_id)
        if not _is_mine(self._state, job_id) or (known and known.position != before):
            return False
        self._state.curves[job_id] = kept
        return True

    async def behind(self, limit: int) -> Sequence[str]:
        kept = {job_id: curves.position for job_id, curves in self._state.curves.items()}
        long = (job for job in _mine(self._state.jobs) if job.events // STRIDE * STRIDE > kept.get(job.id, 0))
        return [job.id for job in islice(long, limit)]


class MemoryOutbox:
    """Outbox: a delivered message is deleted, and the version up to which a job was delivered is kept."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def pending(self, limit: int, told: Mapping[str, int] | None = None) -> list[Message]:
        told = told or {}
        ranked: list[tuple[int, str, Message]] = []
        seen: dict[str, int] = {}
        for (job_id, version), message in sorted(_of_mine(self._state, self._state.outbox)):
            if version <= told.get(job_id, 0):
                continue
            seen[job_id] = seen.get(job_id, 0) + 1
            ranked.append((seen[job_id], job_id, message))
        return [message for _, _, message in sorted(ranked, key=lambda each: each[:2])[:limit]]

    async def delivered(self, messages: Sequence[Message]) -> None:
        """A message whose predecessors were not delivered stays: it is delivered once more, after them."""
        current()
        ours = [message for message in messages if _is_mine(self._state, message.job_id)]
        for message in sorted(ours, key=lambda each: each.version):
            if message.version == self._state.deliveries.get(message.job_id, 0) + 1:
                del self._state.outbox[message.job_id, message.version]
                self._state.deliveries[message.job_id] = message.version


class MemoryMarkers:
    """Markers."""

    def __init__(self, state: State, lock: asyncio.Lock) -> None:
        self._state = state
        self._lock = lock

    async def read(self, name: str) -> int | None:
        return self._state.markers.get(name)

    async def write(self, name: str, value: int) -> None:
        self._state.markers[name] = value

    async def move(self, name: str, before: int | None, value: int) -> bool:
        async with self._lock:
            if self._state.markers.get(name) != before:
                return False
            self._state.markers[name] = value
        return True


class MemoryParked:
    """ParkedStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def keep(self, parked: Parked) -> None:
        _require_mine(self._state, parked.project)
        if parked.id in self._state.parked and self._state.parked[parked.id].project != parked.project:
            raise GuardViolated(f"parked message {parked.id} is another project's")
        self._state.parked[parked.id] = parked
        for each in self._newest_first()[MOST:]:
            del self._state.parked[each.id]

    async def get(self, parked_id: str) -> Parked:
        found = self._found(parked_id)
        if found is None:
            raise no_parked(parked_id)
        return found

    async def list(self, after: str | None = None, limit: int = 50) -> list[Parked]:
        found = self._newest_first()
        if after is not None:
            last = self._found(after)
            found = [each for each in found if last is not None and _place(each) < _place(last)]
        return [replace(each, body=each.body[:HEAD_BYTES]) for each in found[:limit]]

    async def remove(self, parked_id: str) -> bool:
        return self._found(parked_id) is not None and self._state.parked.pop(parked_id, None) is not None

    def _found(self, parked_id: str) -> Parked | None:
        return _if_mine(self._state.parked.get(parked_id))

    def _newest_first(self) -> Sequence[Parked]:
        return sorted(_mine(self._state.parked), key=_place, reverse=True)


class MemoryKeptUploads:
    """KeptUploadStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, upload: KeptUpload) -> None:
        _require_mine(self._state, upload.project)
        _add(self._state.kept_uploads, upload.id, upload)

    async def find(self, upload_id: str) -> KeptUpload | None:
        return _if_mine(self._state.kept_uploads.get(upload_id))

    async def ids(self) -> Set[str]:
        current()
        return frozenset(self._state.kept_uploads)


def _place(parked: Parked) -> tuple[int, str]:
    return (parked.parked_at_ms, parked.id)


class MemoryDatasets:
    """DatasetStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add_version(self, version: Version) -> Version:
        return _add_version(self._state, version)

    async def version(self, version_id: str) -> Version:
        found = [version for version in self._here() if version.id == version_id]
        if not found:
            raise no_version(version_id)
        return min(found, key=lambda each: (each.deleted_at_ms is not None, each.created_at_ms, each.dataset))

    async def versions(self, version_ids: Collection[str]) -> dict[str, Version]:
        known = {version.id for version in self._here()}
        return {each: await self.version(each) for each in known.intersection(version_ids)}

    async def manifests(self) -> Sequence[tuple[str, str | None]]:
        current()
        kept = (each for _, each in sorted(self._state.versions.items()) if each.deleted_at_ms is None)
        return [(each.manifest_sha256, changes_of(each)) for each in kept]

    async def get(self, name: str) -> Dataset:
        versions = self._of(name)
        if not versions:
            raise no_dataset(name)
        return Dataset(name=name, created_at_ms=versions[-1].created_at_ms, versions=versions)

    async def list(self, after: str | None = None, limit: int = 50) -> list[Dataset]:
        known = {version.dataset for version in self._here() if version.deleted_at_ms is None}
        names = sorted(name for name in known if after is None or name > after)
        return [await self.get(name) for name in names[:limit]]

    async def delete(self, name: str, number: int | None, now_ms: int) -> Sequence[Version]:
        meant = [each for each in self._here() if each.dataset == name and number in (None, each.number)]
        gone = to_delete(sorted(meant, key=lambda version: version.number), name, number)
        ids, project = {version.id for version in gone}, current_project()
        jobs = (job for job in self._state.jobs.values() if job.project == project and not job.state.final)
        if needing := sorted(job.id for job in jobs if job.needed_version in ids):
            raise dataset_in_use(name if number is None else gone[0].title, needing)
        for version in gone:
            self._state.versions[project, name, version.id] = replace(version, deleted_at_ms=now_ms)
        return gone

    def _of(self, name: str) -> tuple[Version, ...]:
        versions = (each for each in self._here() if each.dataset == name and each.deleted_at_ms is None)
        return tuple(sorted(versions, key=lambda version: version.number, reverse=True))

    def _here(self) -> Collection[Version]:
        project = current_project()
        return [version for version in self._state.versions.values() if version.project == project]


class MemoryModels:
    """ModelStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def get(self, model_id: str) -> Model:
        model = _if_mine(self._state.models.get(model_id))
        if model is None:
            raise no_model(model_id)
        return self._with_aliases(model)

    async def find(self, name: str, which: str | int) -> Model | None:
        project = current_project()
        number = which if isinstance(which, int) else self._state.aliases.get((project, name, which))
        wanted = (project, name, number)
        found = (each for each in self._state.models.values() if (each.project, each.name, each.number) == wanted)
        return next(map(self._with_aliases, found), None)

    async def list(self, after: str | None = None, limit: int = 50, name: str | None = None) -> list[Model]:
        newest_first = sorted(self._there(), key=lambda model: model.id, reverse=True)
        wanted = (model for model in newest_first if (after is None or model.id < after) and name in (None, model.name))
        return [self._with_aliases(model) for model in islice(wanted, limit)]

    async def names(self) -> Sequence[str]:
        project = current_project()
        return sorted({model.name for model in self._there() if model.project == project})

    async def point(self, model_id: str, alias: str) -> None:
        model = await self.get(model_id)
        if model.deleted_at_ms is not None:
            raise model_deleted(model.id, model.title, model.deleted_at_ms)
        self._state.aliases[model.project, model.name, alias] = model.number

    async def unpoint(self, model_id: str, alias: str) -> bool:
        model = await self.get(model_id)
        if alias in model.aliases:
            del self._state.aliases[model.project, model.name, alias]
        return alias in model.aliases

    async def delete(self, model_id: str, now_ms: int) -> None:
        model = await self.get(model_id)
        if model.aliases:
            raise model_in_use(model.title, model.aliases)
        if model.deleted_at_ms is None:
            self._state.models[model_id] = replace(model, deleted_at_ms=now_ms)
        _forget(self._state.artifacts, model)
        _forget(self._state.checkpoints, model)

    async def condemned(self) -> Sequence[Model]:
        waiting = (model for model in _mine(self._state.models) if model.deleted_at_ms and not model.cleared_at_ms)
        ended = (model for model in waiting if self._state.attempts[model.job_id, model.attempt].gone_at_ms is not None)
        awaited = {job.parent for job in self._state.jobs.values() if not job.state.final}
        return sorted((model for model in ended if model.id not in awaited), key=lambda model: model.id)

    async def cleared(self, model_id: str, now_ms: int) -> None:
        if model := _if_mine(self._state.models.get(model_id)):
            self._state.models[model_id] = replace(model, cleared_at_ms=now_ms)

    def _there(self) -> Iterator[Model]:
        return (model for model in _mine(self._state.models) if model.deleted_at_ms is None)

    def _with_aliases(self, model: Model) -> Model:
        pointing = (
            alias
            for (project, name, alias), number in self._state.aliases.items()
            if (project, name, number) == (model.project, model.name, model.number)
        )
        return replace(model, aliases=tuple(sorted(pointing)))


class _Owned(Protocol):
    @property
    def project(self) -> str: ...


OwnedRow = TypeVar("OwnedRow", bound=_Owned)
Row = TypeVar("Row")


def _mine(table: Mapping[Any, OwnedRow]) -> list[OwnedRow]:
    scope = current()
    return [row for row in table.values() if scope.covers(row.project)]


def _if_mine(row: OwnedRow | None) -> OwnedRow | None:
    scope = current()
    return row if row is not None and scope.covers(row.project) else None


def _is_mine(state: State, job_id: str) -> bool:
    return _if_mine(state.jobs.get(job_id)) is not None


def _of_mine(state: State, table: Mapping[tuple[str, int], Row]) -> list[tuple[tuple[str, int], Row]]:
    """Rows that belong to jobs, with their keys."""
    scope = current()
    return [(key, row) for key, row in table.items() if scope.covers(state.jobs[key[0]].project)]


def _require_mine(state: State, project: str) -> None:
    if not current().covers(project):
        raise NoScope(f"something of project {project} was to be written from within {current().project}")
    if project not in state.projects:
        raise GuardViolated(f"there is no project {project}")


def _queue(state: State, executor: str) -> list[Job]:
    waiting = (job for job in state.jobs.values() if job.state is JobState.QUEUED and not job.held)
    queued = (job for job in waiting if job.executor == executor)
    return sorted(queued, key=lambda job: (-job.priority, job.created_at_ms, job.id))


def _due(state: State, executor: str, now_ms: int, limit: int) -> list[Job]:
    haunted = {attempt.job_id for attempt in state.attempts.values() if attempt.gone_at_ms is None}
    scope = current()
    ready = (
        job
        for job in _queue(state, executor)
        if scope.covers(job.project)
        and job.not_before_ms <= now_ms
        and not job.cancel_requested
        and job.id not in haunted
    )
    return list(islice(ready, limit))


def _run(state: State, key: AttemptKey) -> Run | None:
    job_id, number = key
    job = _if_mine(state.jobs.get(job_id))
    if job is None:
        return None
    return Run(job, state.attempts.get((job_id, job.attempt if number is None else number)))


def _matches(job: Job, query: JobQuery) -> bool:
    return (
        (not query.states or job.state in query.states)
        and (not query.kinds or job.kind in query.kinds)
        and query.trainer in (None, job.trainer)
        and query.dataset_version in (None, job.dataset_version)
        and query.parent in (None, job.parent)
        and query.imported_version in (None, job.imported_version)
        and (query.labels or {}).items() <= dict(job.labels).items()
        and (query.after is None or job.id < query.after)
    )


def _of(state: State, table: Table, job_id: str) -> list[Any]:
    """The rows of one job, by their keys."""
    if not _is_mine(state, job_id):
        return []
    return [row for key, row in sorted(table.items(), key=lambda item: item[0]) if key[0] == job_id]


def _add_version(state: State, version: Version) -> Version:
    _require_mine(state, version.project)
    present = state.versions.get((version.project, version.dataset, version.id))
    if present is not None and present.deleted_at_ms is None:
        return present
    if present is not None:
        back = replace(present, deleted_at_ms=None, report=version.report)
        state.versions[back.project, back.dataset, back.id] = back
        return back
    mine = (version.project, version.dataset)
    number = 1 + sum((project, dataset) == mine for project, dataset, _ in state.versions)
    numbered = replace(version, number=number)
    state.versions[version.project, version.dataset, version.id] = numbered
    return numbered


def _add_model(draft: State, model: Model) -> None:
    _require_mine(draft, model.project)
    if any(known.job_id == model.job_id for known in draft.models.values()):
        raise GuardViolated(f"job {model.job_id} already has a model")
    same = (known for known in draft.models.values() if (known.project, known.name) == (model.project, model.name))
    number = 1 + max((known.number for known in same), default=0)
    _add(draft.models, model.id, replace(model, number=number))


def _add_exports(draft: State, exported: Exported) -> None:
    model = _if_mine(draft.models.get(exported.model_id))
    if model is None:
        raise no_model(exported.model_id)
    if model.deleted_at_ms is not None:
        raise model_deleted(model.id, model.title, model.deleted_at_ms)
    draft.models[model.id] = with_exports(model, exported)


def _forget(table: Table, model: Model) -> None:
    """The rows of its attempt."""
    for key in [key for key, row in table.items() if (row.job_id, row.attempt) == (model.job_id, model.attempt)]:
        del table[key]


def _add(table: Table, key: object, row: object) -> None:
    if key in table:
        raise GuardViolated(f"{key} is already stored")
    table[key] = row


def _compare(draft: State, change: Change) -> None:
    """The optimistic lock."""
    stored, before = draft.jobs[change.before.job.id], change.before.job
    if stored.version != before.version:
        raise Conflict(f"job {stored.id} has version {stored.version}; the decision was about version {before.version}")


def _write_attempt_and_events(draft: State, change: Change) -> None:
    attempt = change.after.attempt
    if attempt is None:
        return
    key = (attempt.job_id, attempt.number)
    job, old = draft.jobs[attempt.job_id], draft.attempts.get(key)
    if old is None:
        _guard_new_attempt(draft, job, attempt)
    for event in change.events:
        _write_event(draft, job, event)
    if old is not None and ((not old.live and attempt.live) or attempt.last_seq < old.last_seq):
        raise GuardViolated(f"attempt {attempt.number} of job {job.id} is over")
    if attempt.live and attempt.gone_at_ms is not None:
        raise GuardViolated(f"attempt {attempt.number} of job {job.id} must end before it is gone")
    draft.attempts[key] = attempt


def _guard_new_attempt(draft: State, job: Job, attempt: Attempt) -> None:
    current = draft.attempts.get((job.id, job.attempt))
    if attempt.number != job.attempt + 1 or (current is not None and current.live):
        raise GuardViolated(f"job {job.id} cannot begin attempt {attempt.number}: attempt {job.attempt} is its newest")


def _write_event(draft: State, job: Job, event: StoredEvent) -> None:
    attempt = draft.attempts.get((job.id, event.attempt))
    previous = (job.id, event.attempt, event.seq - 1)
    in_order = event.seq == 1 or previous in draft.events
    if attempt is None or not attempt.live or event.attempt != job.attempt or not in_order:
        raise GuardViolated(f"event {event.seq} of attempt {event.attempt} of job {job.id} is fenced or out of order")
    _add(draft.events, (job.id, event.attempt, event.seq), event)
    _add(draft.positions, (job.id, event.position), event)


def _write_job(draft: State, change: Change) -> None:
    if not change.job_changed:
        return
    old, new = draft.jobs[change.before.job.id], change.after.job
    _guard_job(draft, old, new)
    draft.jobs[new.id] = new
    if transition := change.transition:
        _add(draft.transitions, (new.id, new.version), transition)
    if message := change.message:
        _add(draft.outbox, (new.id, new.version), message)


def _guard_job(draft: State, old: Job, new: Job) -> None:
    legal = (new.state is old.state or new.state in TRANSITIONS[old.state]) and not (
        new.held and new.state is not JobState.QUEUED
    )
    if old.state.final or not legal or new.version != old.version + 1 or new.attempt < old.attempt:
        raise GuardViolated(
            f"job {old.id} ({old.state}, version {old.version}, attempt {old.attempt}) cannot become "
            f"{new.state}, version {new.version}, attempt {new.attempt}"
        )
    current = draft.attempts.get((new.id, new.attempt))
    if new.state.live != (current is not None and current.live):
        raise GuardViolated(
            f"job {new.id} cannot be {new.state}: exactly the starting and the running have a live attempt"
        )


def _write_products(draft: State, change: Change) -> None:
    for saved in change.checkpoints:
        draft.checkpoints[saved.job_id, saved.attempt, saved.manifest.path] = saved
    for artifact in change.artifacts:
        _add(draft.artifacts, (artifact.job_id, artifact.ref.path), artifact)
    if change.model is not None:
        _add_model(draft, change.model)
    if change.imported is not None:
        _add_version(draft, change.imported)
    if change.exported is not None:
        _add_exports(draft, change.exported)


def _room(state: State) -> dict[str, int]:
    return {
        name: quota.running_jobs - _running(state, name)
        for name, quota in state.quotas.items()
        if quota.running_jobs is not None
    }


def _running(state: State, project: str) -> int:
    return sum(
        attempt.gone_at_ms is None and counts(attempt.executor) and state.jobs[attempt.job_id].project == project
        for attempt in state.attempts.values()
    )


def _stored(state: State, project: str) -> Iterator[int]:
    for (owner, _, _), version in state.versions.items():
        yield int(version.report.get("size_bytes", 0)) if (owner, version.deleted_at_ms) == (project, None) else 0
    for artifact in state.artifacts.values():
        yield artifact.ref.size_bytes if state.jobs[artifact.job_id].project == project else 0
    for upload in state.kept_uploads.values():
        yield upload.size_bytes if upload.project == project else 0
