"""Everything that is known to be wrong with an order, at once, and what it would take of the machine. Nothing is kept."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from eyebright.core import forecast
from eyebright.core.forecast import Peak, Shape
from eyebright.core.job import Job
from eyebright.core.preflight import check_parent, check_ready, model_of, task_of
from eyebright.core.records import Version
from eyebright.core.rehearsal import rehearsed
from eyebright.core.resolve import Resolved, resolve
from eyebright.errors import EyebrightError, NotFound
from eyebright.ports.executor import Environment, Executor
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore
from eyebright.ports.objects import BLOBS, ObjectStore
from eyebright.services.orders import Orders, as_of, report_of
from eyebright_wire.datasets import Split
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import JobKind, JobState, PreflightRequest
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.resources import DiskForecast, MemoryForecast, Preflight, PreflightFinding

T = TypeVar("T")

#: How many of the newest trainings of a trainer, and of the newest rehearsals, are asked how much memory they held.
_LOOKED_AT = 50
_SUCCEEDED = frozenset({str(EventKind.SUCCEEDED)})
_MIB = 2**20
#: What `succeeded` calls the most that was held.
_IN_MAIN, _ON_GPU = "peak_memory_bytes", "peak_device_bytes"


class Preflights:
    def __init__(
        self,
        orders: Orders,
        store: JobStore,
        history: JobHistory,
        objects: ObjectStore,
        executors: Mapping[str, Executor],
    ) -> None:
        self._orders = orders
        self._store = store
        self._history = history
        self._objects = objects
        self._executors = executors

    async def preflight(self, request: PreflightRequest) -> Preflight:
        """Never raises for what is wrong with the order: that is what it answers."""
        found = _Found()
        found.tried(lambda: self._orders.check_executor(request.executor))
        parent = await found.awaited(self._orders.parent(request))
        request = as_of(request, parent) if parent else request
        environment = await found.awaited(self._orders.environment(request))
        task = environment and found.tried(lambda: self._task(environment, request.task))
        model = task and found.tried(lambda: model_of(task, request.model))
        resolved = task and found.tried(lambda: resolve(task, request.config))
        if parent and environment and task and model and resolved:
            found.tried(lambda: check_parent(parent, environment.trainer, task, model, resolved.config))
        version = await self._version(request, found)
        disk: tuple[DiskForecast, ...] = ()
        memory = None
        executor = self._executors.get(request.executor)
        report = version and report_of(version)
        if environment and task and model and resolved and executor:
            found.idle(resolved)
            disk = await self._disk(environment, task, model, resolved.config, version, executor, found)
            images = report.images.get(Split.TRAIN) if report else None
            memory = await self._memory(environment, task, model, resolved.config, images, executor, found)
        return Preflight(
            trainer=environment.trainer if environment else request.trainer or "",
            task=request.task,
            model=model or request.model or "",
            config=dict(resolved.config) if resolved else {},
            dataset_version=version.id if version else "",
            classes=report.classes if report else (),
            images=report.images if report else {},
            findings=tuple(found.findings),
            disk=disk,
            memory=memory,
        )

    def _task(self, environment: Environment, name: str) -> TaskInfo:
        self._orders.check_licence(environment.manifest)
        return task_of(environment.manifest, name)

    async def _version(self, request: PreflightRequest, found: "_Found") -> Version | None:
        if request.dataset is None:
            return None
        version = await found.awaited(self._orders.version(request.dataset, request.task))
        if version is not None:
            found.tried(lambda: check_ready(report_of(version), request.task, version.id))
        return version

    async def _disk(
        self,
        environment: Environment,
        task: TaskInfo,
        model: str,
        config: Mapping[str, Any],
        version: Version | None,
        executor: Executor,
        found: "_Found",
    ) -> tuple[DiskForecast, ...]:
        room = await executor.room()
        if room.scratch is None:
            return ()
        kept = await self._kept()
        same = kept is not None and await asyncio.to_thread(_same_disk, room.scratch, kept)
        size = report_of(version).size_bytes if version else 0
        copies = forecast.dataset_bytes(environment.manifest, size, same_disk=same)
        parameters = forecast.parameters_of(task, model)
        written = {
            "checkpoint_bytes": forecast.checkpoint_bytes(parameters, config),
            "result_bytes": forecast.result_bytes(parameters, config),
        }
        plans = {room.scratch: {"dataset_bytes": copies, **(written if same or kept is None else {})}}
        if kept is not None and not same:
            plans[kept] = written
        disks = [await asyncio.to_thread(_forecast, path, plan) for path, plan in plans.items()]
        found.findings += [_short_of_disk(disk) for disk in disks if disk.needed_bytes > disk.free_bytes]
        return tuple(disks)

    async def _kept(self) -> Path | None:
        """Where what a run makes is stored; None while nothing is, or where that is no disk of ours."""
        try:
            return await self._objects.local(BLOBS)
        except NotFound:
            return None

    async def _memory(
        self,
        environment: Environment,
        task: TaskInfo,
        model: str,
        config: Mapping[str, Any],
        images: int | None,
        executor: Executor,
        found: "_Found",
    ) -> MemoryForecast | None:
        room = await executor.room()
        on_gpu = room.device_bytes is not None and config.get("device") != "cpu"
        key = _ON_GPU if on_gpu else _IN_MAIN
        past = await self._past(environment.trainer, task.name, model, key)
        place, free = ("gpu", room.device_bytes) if on_gpu else ("main", room.memory_bytes)
        memory = forecast.memory(forecast.parameters_of(task, model), config, past, place, free, images=images)
        if memory and memory.free_bytes is not None and memory.needed_bytes > memory.free_bytes:
            found.findings.append(_short_of_memory(memory))
        return memory

    async def _past(self, trainer: str, task: str, model: str, key: str) -> list[Peak]:
        """What earlier trainings and rehearsals of the same model have held."""
        succeeded = frozenset({JobState.SUCCEEDED})
        trained = await self._store.find(
            JobQuery(kind=JobKind.TRAINING, states=succeeded, trainer=trainer, limit=_LOOKED_AT)
        )
        tried = await self._store.find(JobQuery(kind=JobKind.REHEARSAL, states=succeeded, limit=_LOOKED_AT))
        jobs = [*trained, *map(rehearsed, tried)]
        alike = [job for job in jobs if (job.trainer, job.task, job.model) == (trainer, task, model)]
        peaks = [await self._peak(job, key) for job in alike]
        return [peak for peak in peaks if peak is not None]

    async def _peak(self, job: Job, key: str) -> Peak | None:
        said = await self._history.events(job.id, 0, 1, _SUCCEEDED)
        held: Mapping[str, Any] = said[0].data if said else {}
        if key == _IN_MAIN and held.get(_ON_GPU):
            return None  # what a run on a GPU holds beside that tells nothing of one without
        size = held.get(key)
        return Peak(job.id, Shape.of(job.resolved), int(size)) if size else None


@dataclass
class _Found:
    """Collects what is refused."""

    findings: list[PreflightFinding] = field(default_factory=list[PreflightFinding])

    def tried(self, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except EyebrightError as error:
            self.findings += _refusals(error)
            return None

    async def awaited(self, look: Awaitable[T]) -> T | None:
        try:
            return await look
        except EyebrightError as error:
            self.findings += _refusals(error)
            return None

    def idle(self, resolved: Resolved) -> None:
        for key, message in resolved.idle.items():
            self.findings.append(PreflightFinding(severity="warning", code="idle_setting", message=message, field=key))


def _refusals(error: EyebrightError) -> Iterator[PreflightFinding]:
    """Each thing that it names, or itself."""
    named = [problem for problem in error.errors if "message" in problem]
    for problem in named or [{"message": error.message}]:
        yield PreflightFinding(
            severity="error", code=error.code, message=problem["message"], field=problem.get("field", "")
        )


def _same_disk(one: Path, other: Path) -> bool:
    return _there(one).stat().st_dev == _there(other).stat().st_dev


def _forecast(path: Path, plan: Mapping[str, int]) -> DiskForecast:
    return DiskForecast(path=str(path), free_bytes=shutil.disk_usage(_there(path)).free, **plan)


def _there(path: Path) -> Path:
    """Its nearest folder that is there by now."""
    return next(place for place in (path, *path.parents) if place.exists())


def _short_of_disk(disk: DiskForecast) -> PreflightFinding:
    message = (
        f"the run needs about {disk.needed_bytes // _MIB:,} MiB below {disk.path} ({disk.dataset_bytes // _MIB:,} for copies of "
        f"the images, {disk.checkpoint_bytes // _MIB:,} for checkpoints, {disk.result_bytes // _MIB:,} for weights and exports), "
        f"and {disk.free_bytes // _MIB:,} MiB are free; free some space, or lower keep_checkpoints"
    )
    return PreflightFinding(severity="error", code=ErrorCode.DISK_FULL, message=message)


def _short_of_memory(memory: MemoryForecast) -> PreflightFinding:
    where = "on the emptiest GPU" if memory.place == "gpu" else "of memory"
    message = (
        f"the run is likely to hold about {memory.needed_bytes // _MIB:,} MiB, and {(memory.free_bytes or 0) // _MIB:,} MiB "
        f"{where} are free ({memory.how}); lower batch or imgsz, or rehearse it to be sure"
    )
    return PreflightFinding(severity="warning", code=ErrorCode.OUT_OF_MEMORY, message=message, field="batch")
