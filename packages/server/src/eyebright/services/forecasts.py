"""What a run would take of the machine that is to carry it out: by what is known of the model, and what earlier runs held."""

import asyncio
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cachetools import TTLCache

from eyebright.core import forecast
from eyebright.core.duration import seen
from eyebright.core.forecast import Peak, Written
from eyebright.core.job import Job
from eyebright.core.rehearsal import rehearsed
from eyebright.core.scope import current_project
from eyebright.errors import NotFound
from eyebright.ports.clock import Clock
from eyebright.ports.executor import Environment, Executor, Room
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore
from eyebright.ports.objects import BLOBS, ObjectStore
from eyebright.services.durations import RECENT_MS, REMEMBERED, Training
from eyebright.services.recollection import Recollection
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.datasets import DatasetReport, Split
from eyebright_wire.events import EventKind, Succeeded
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.resources import DiskForecast, MemoryForecast, Needs

#: How many of the newest trainings of a trainer, and of the newest rehearsals, are asked how much memory they held.
_LOOKED_AT = 50
_SUCCEEDED = frozenset({str(EventKind.SUCCEEDED)})
_NOTHING = Succeeded(artifacts=(), metrics={})


@dataclass(frozen=True, slots=True)
class Plan:
    """A run as far as it is settled; without `data`, for none in particular."""

    environment: Environment
    task: TaskInfo
    model: str
    config: Mapping[str, Any]
    data: DatasetReport | None

    @property
    def parameters(self) -> int | None:
        return forecast.parameters_of(self.task, self.model)

    @property
    def data_bytes(self) -> int:
        return self.data.size_bytes if self.data else 0

    @property
    def images(self) -> int | None:
        """To train on."""
        return self.data.images.get(Split.TRAIN) if self.data else None

    def training(self, executor: str) -> Training:
        return Training(
            trainer=self.environment.trainer,
            task=self.task.name,
            model=self.model,
            executor=executor,
            config=self.config,
            images=seen(self.data.images) if self.data else 0,
        )


class Forecasts:
    def __init__(
        self,
        store: JobStore,
        history: JobHistory,
        objects: ObjectStore,
        executors: Mapping[str, Executor],
        clock: Clock,
    ) -> None:
        self._store = store
        self._history = history
        self._objects = objects
        self._executors = executors
        self._said = Recollection(self._read)
        self._recent = TTLCache[tuple[str, tuple[str, str, str, str]], tuple[Room, Sequence["_Ran"]], int](
            REMEMBERED, RECENT_MS, clock.monotonic_ms
        )

    async def needs(self, plan: Plan, executor: str) -> Needs | None:
        """For an order to keep: it may miss a run that ended a moment ago. None where nothing is known."""
        kind = (current_project(), plan.training(executor).kind)
        room, past = self._recent.get(kind) or await self._look(plan, executor)
        place = "gpu" if _uses_gpu(plan, room) else "main"
        return forecast.needs(
            plan.parameters,
            plan.config,
            _peaks(past, on_gpu=place == "gpu"),
            _written(past),
            place,
            images=plan.images,
            frozen=forecast.frozen_of(plan.task, plan.model),
        )

    async def compared(self, job: Job) -> Needs | None:
        """What it was to take, and once it has succeeded what it took."""
        if job.needs is None or job.state is not JobState.SUCCEEDED:
            return job.needs
        ran = _Ran(job, (await self._said.of([job.id])).get(job.id, _NOTHING))
        peak, written = ran.peak(on_gpu=job.needs.place == "gpu"), ran.written
        taken = {"held_bytes": peak and peak.size_bytes, "written_bytes": (written and written.size_bytes) or None}
        return job.needs.model_copy(update=taken)

    async def of(self, plan: Plan, executor: str) -> tuple[tuple[DiskForecast, ...], MemoryForecast | None]:
        """Of each disk of this machine that the run writes to; and of the GPU's memory where there is one to train on, else of
        the machine's, None where there is nothing to go by."""
        room, past = await self._look(plan, executor)
        return await self._disk(plan, room, past), self._memory(plan, room, past)

    async def _disk(self, plan: Plan, room: Room, past: Sequence["_Ran"]) -> tuple[DiskForecast, ...]:
        if room.scratch is None:
            return ()
        kept = await self._kept()
        same = kept is not None and await asyncio.to_thread(_same_disk, room.scratch, kept)
        copies = forecast.dataset_bytes(plan.environment.manifest, plan.data_bytes, same_disk=same)
        writing = asdict(forecast.writing(plan.parameters, plan.config, _written(past)))
        needs = {room.scratch: {"dataset_bytes": copies, **(writing if same or kept is None else {})}}
        if kept is not None and not same:
            needs[kept] = writing
        return tuple([await asyncio.to_thread(_on_disk, path, need) for path, need in needs.items()])

    def _memory(self, plan: Plan, room: Room, past: Sequence["_Ran"]) -> MemoryForecast | None:
        on_gpu = _uses_gpu(plan, room)
        peaks = _peaks(past, on_gpu=on_gpu)
        place, free = ("gpu", room.device_bytes) if on_gpu else ("main", room.memory_bytes)
        frozen = forecast.frozen_of(plan.task, plan.model)
        return forecast.memory(plan.parameters, plan.config, peaks, place, free, images=plan.images, frozen=frozen)

    async def _look(self, plan: Plan, executor: str) -> tuple[Room, Sequence["_Ran"]]:
        found = await self._executors[executor].room(), await self._past(plan)
        self._recent[current_project(), plan.training(executor).kind] = found
        return found

    async def _kept(self) -> Path | None:
        """Where what a run makes is stored; None while nothing is, or where that is no disk of ours."""
        try:
            return await self._objects.local(BLOBS)
        except NotFound:
            return None

    async def _past(self, plan: Plan) -> list["_Ran"]:
        """Earlier trainings and rehearsals of the same model, newest first."""
        succeeded = frozenset({JobState.SUCCEEDED})
        trainer, task = plan.environment.trainer, plan.task.name
        trained = await self._store.find(
            JobQuery(kinds=frozenset({JobKind.TRAINING}), states=succeeded, trainer=trainer, limit=_LOOKED_AT)
        )
        tried = await self._store.find(
            JobQuery(kinds=frozenset({JobKind.REHEARSAL}), states=succeeded, limit=_LOOKED_AT)
        )
        jobs = [*trained, *map(rehearsed, tried)]
        alike = [job for job in jobs if (job.trainer, job.task, job.model) == (trainer, task, plan.model)]
        said = await self._said.of([job.id for job in alike])
        return [_Ran(job, said.get(job.id, _NOTHING)) for job in sorted(alike, key=lambda job: job.id, reverse=True)]

    async def _read(self, job_ids: Collection[str]) -> Mapping[str, Succeeded]:
        told = await self._history.told(job_ids, _SUCCEEDED, 1)
        return {job_id: Succeeded.model_validate(said[0].data) for job_id, said in told.items()}


@dataclass(frozen=True, slots=True)
class _Ran:
    """An earlier run, and what it said in the end."""

    job: Job
    said: Succeeded

    def peak(self, *, on_gpu: bool) -> Peak | None:
        """What a run on a GPU holds beside that tells nothing of one without."""
        held = self.said.peak_device_bytes if on_gpu else self.said.peak_memory_bytes
        if not held or (self.said.peak_device_bytes and not on_gpu):
            return None
        needs = self.job.needs
        foretold = needs.memory_bytes if needs and (needs.place == "gpu") == on_gpu else None
        return Peak(self.job.id, self.job.resolved, held, foretold)

    @property
    def written(self) -> Written | None:
        """None where it left no checkpoint, or did not tell: then it tells nothing of one that does."""
        if not self.said.checkpoint_bytes:
            return None
        results = [made for made in self.said.artifacts if made.kind is not ArtifactKind.CHECKPOINT]
        whole = any(made.kind is ArtifactKind.MODEL for made in results)
        size = sum(made.size_bytes for made in results) if whole else None
        foretold = self.job.needs.disk_bytes if self.job.needs else None
        return Written(self.job.resolved, self.said.checkpoint_bytes, size, foretold)


def _peaks(past: Sequence[_Ran], *, on_gpu: bool) -> list[Peak]:
    return [peak for ran in past if (peak := ran.peak(on_gpu=on_gpu)) is not None]


def _written(past: Sequence[_Ran]) -> list[Written]:
    return [written for ran in past if (written := ran.written) is not None]


def _uses_gpu(plan: Plan, room: Room) -> bool:
    return room.device_bytes is not None and plan.config.get("device") != "cpu"


def _same_disk(one: Path, other: Path) -> bool:
    return _there(one).stat().st_dev == _there(other).stat().st_dev


def _on_disk(path: Path, need: Mapping[str, Any]) -> DiskForecast:
    return DiskForecast(path=str(path), free_bytes=shutil.disk_usage(_there(path)).free, **need)


def _there(path: Path) -> Path:
    """Its nearest folder that is there by now."""
    return next(place for place in (path, *path.parents) if place.exists())
