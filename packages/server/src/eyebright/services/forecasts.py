"""What a run would take of the machine that is to carry it out: by what is known of the model, and what earlier runs held."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyebright.core import forecast
from eyebright.core.forecast import Peak, Shape
from eyebright.core.job import Job
from eyebright.core.rehearsal import rehearsed
from eyebright.errors import NotFound
from eyebright.ports.executor import Environment, Executor
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore
from eyebright.ports.objects import BLOBS, ObjectStore
from eyebright_wire.datasets import DatasetReport, Split
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.resources import DiskForecast, MemoryForecast

#: How many of the newest trainings of a trainer, and of the newest rehearsals, are asked how much memory they held.
_LOOKED_AT = 50
_SUCCEEDED = frozenset({str(EventKind.SUCCEEDED)})
#: What `succeeded` calls the most that was held.
_IN_MAIN, _ON_GPU = "peak_memory_bytes", "peak_device_bytes"


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

    async def disk(self, plan: Plan, executor: Executor) -> tuple[DiskForecast, ...]:
        """One for each disk that the run writes to, as far as it is one of this machine."""
        room = await executor.room()
        if room.scratch is None:
            return ()
        kept = await self._kept()
        same = kept is not None and await asyncio.to_thread(_same_disk, room.scratch, kept)
        copies = forecast.dataset_bytes(plan.environment.manifest, plan.data_bytes, same_disk=same)
        written = {
            "checkpoint_bytes": forecast.checkpoint_bytes(plan.parameters, plan.config),
            "result_bytes": forecast.result_bytes(plan.parameters, plan.config),
        }
        needs = {room.scratch: {"dataset_bytes": copies, **(written if same or kept is None else {})}}
        if kept is not None and not same:
            needs[kept] = written
        return tuple([await asyncio.to_thread(_on_disk, path, need) for path, need in needs.items()])

    async def memory(self, plan: Plan, executor: Executor) -> MemoryForecast | None:
        """Of the GPU where there is one to train on; None where there is nothing to go by."""
        room = await executor.room()
        on_gpu = room.device_bytes is not None and plan.config.get("device") != "cpu"
        past = await self._past(plan, _ON_GPU if on_gpu else _IN_MAIN)
        place, free = ("gpu", room.device_bytes) if on_gpu else ("main", room.memory_bytes)
        frozen = forecast.frozen_of(plan.task, plan.model)
        return forecast.memory(plan.parameters, plan.config, past, place, free, images=plan.images, frozen=frozen)

    async def _kept(self) -> Path | None:
        """Where what a run makes is stored; None while nothing is, or where that is no disk of ours."""
        try:
            return await self._objects.local(BLOBS)
        except NotFound:
            return None

    async def _past(self, plan: Plan, key: str) -> list[Peak]:
        """What earlier trainings and rehearsals of the same model have held."""
        succeeded = frozenset({JobState.SUCCEEDED})
        trainer, task = plan.environment.trainer, plan.task.name
        trained = await self._store.find(
            JobQuery(kind=JobKind.TRAINING, states=succeeded, trainer=trainer, limit=_LOOKED_AT)
        )
        tried = await self._store.find(JobQuery(kind=JobKind.REHEARSAL, states=succeeded, limit=_LOOKED_AT))
        jobs = [*trained, *map(rehearsed, tried)]
        alike = [job for job in jobs if (job.trainer, job.task, job.model) == (trainer, task, plan.model)]
        peaks = [await self._peak(job, key) for job in alike]
        return [peak for peak in peaks if peak is not None]

    async def _peak(self, job: Job, key: str) -> Peak | None:
        said = await self._history.events(job.id, 0, 1, _SUCCEEDED)
        held: Mapping[str, Any] = said[0].data if said else {}
        if key == _IN_MAIN and held.get(_ON_GPU):
            return None  # what a run on a GPU holds beside that tells nothing of one without
        size = held.get(key)
        return Peak(job.id, Shape.of(job.resolved), int(size)) if size else None


def _same_disk(one: Path, other: Path) -> bool:
    return _there(one).stat().st_dev == _there(other).stat().st_dev


def _on_disk(path: Path, need: Mapping[str, int]) -> DiskForecast:
    return DiskForecast(path=str(path), free_bytes=shutil.disk_usage(_there(path)).free, **need)


def _there(path: Path) -> Path:
    """Its nearest folder that is there by now."""
    return next(place for place in (path, *path.parents) if place.exists())
