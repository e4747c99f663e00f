"""What a run would take of the machine that is to carry it out: by what is known of the model, and what earlier runs held."""

import asyncio
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eyebright.core import forecast
from eyebright.core.forecast import Peak, Written
from eyebright.core.job import Job
from eyebright.core.rehearsal import rehearsed
from eyebright.errors import NotFound
from eyebright.ports.executor import Environment, Executor
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore
from eyebright.ports.objects import BLOBS, ObjectStore
from eyebright.services.recollection import Recollection
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.datasets import DatasetReport, Split
from eyebright_wire.events import EventKind, Succeeded
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.resources import DiskForecast, MemoryForecast

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


class Forecasts:
    def __init__(self, store: JobStore, history: JobHistory, objects: ObjectStore) -> None:
        self._store = store
        self._history = history
        self._objects = objects
        self._said = Recollection(self._read)

    async def of(self, plan: Plan, executor: Executor) -> tuple[tuple[DiskForecast, ...], MemoryForecast | None]:
        """Of each disk of this machine that the run writes to; and of the GPU's memory where there is one to train on, else of
        the machine's, None where there is nothing to go by."""
        past = await self._past(plan)
        return await self._disk(plan, executor, past), await self._memory(plan, executor, past)

    async def _disk(self, plan: Plan, executor: Executor, past: Sequence["_Ran"]) -> tuple[DiskForecast, ...]:
        room = await executor.room()
        if room.scratch is None:
            return ()
        kept = await self._kept()
        same = kept is not None and await asyncio.to_thread(_same_disk, room.scratch, kept)
        copies = forecast.dataset_bytes(plan.environment.manifest, plan.data_bytes, same_disk=same)
        wrote = [written for ran in past if (written := ran.written) is not None]
        writing = asdict(forecast.writing(plan.parameters, plan.config, wrote))
        needs = {room.scratch: {"dataset_bytes": copies, **(writing if same or kept is None else {})}}
        if kept is not None and not same:
            needs[kept] = writing
        return tuple([await asyncio.to_thread(_on_disk, path, need) for path, need in needs.items()])

    async def _memory(self, plan: Plan, executor: Executor, past: Sequence["_Ran"]) -> MemoryForecast | None:
        room = await executor.room()
        on_gpu = room.device_bytes is not None and plan.config.get("device") != "cpu"
        peaks = [peak for ran in past if (peak := ran.peak(on_gpu=on_gpu)) is not None]
        place, free = ("gpu", room.device_bytes) if on_gpu else ("main", room.memory_bytes)
        frozen = forecast.frozen_of(plan.task, plan.model)
        return forecast.memory(plan.parameters, plan.config, peaks, place, free, images=plan.images, frozen=frozen)

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
        return Peak(self.job.id, self.job.resolved, held)

    @property
    def written(self) -> Written | None:
        """None where it left no checkpoint, or did not tell: then it tells nothing of one that does."""
        if not self.said.checkpoint_bytes:
            return None
        results = [made for made in self.said.artifacts if made.kind is not ArtifactKind.CHECKPOINT]
        whole = any(made.kind is ArtifactKind.MODEL for made in results)
        size = sum(made.size_bytes for made in results) if whole else None
        return Written(self.job.resolved, self.said.checkpoint_bytes, size)


def _same_disk(one: Path, other: Path) -> bool:
    return _there(one).stat().st_dev == _there(other).stat().st_dev


def _on_disk(path: Path, need: Mapping[str, Any]) -> DiskForecast:
    return DiskForecast(path=str(path), free_bytes=shutil.disk_usage(_there(path)).free, **need)


def _there(path: Path) -> Path:
    """Its nearest folder that is there by now."""
    return next(place for place in (path, *path.parents) if place.exists())
