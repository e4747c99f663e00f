"""Runs trainers as child processes of this machine.

A trainer owns its session and outlives the server; the next server finds it again by what lies in its run directory. It never
outlives its own leader: whatever that leaves behind is killed. All processes of one machine are one trust domain: they run as
the server's user.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Self
from weakref import WeakValueDictionary

import psutil
from anyio import to_thread

from eyebright.errors import EyebrightError, StorageFull, TrainerUnavailable, Unavailable, is_full
from eyebright.executors.local_run import LocalRun, Manners
from eyebright.executors.log_file import read_log, trim_log
from eyebright.executors.run_directory import RunDirectory
from eyebright.executors.slots import cuda_devices, free_on, plan_slots, usable_cores
from eyebright.inheritance import BASE_MODELS
from eyebright.ports.clock import Clock, SystemClock
from eyebright.ports.executor import Environment, Handle, Liveness, Room, Slot, Vital
from eyebright.settings import Settings, process_environment
from eyebright_kit.cgroup import Cgroup
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalExecutorSettings:
    """`environment` is the server's own; a trainer gets to see only what is harmless of it."""

    runs_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    cpu_slots: int | None = None  # jobs at once on the CPU; None: one per two cores, or none beside GPUs
    devices: tuple[int, ...] | None = None  # CUDA indices in PCI order; None: all that the driver shows
    devices_per_slot: int = 1
    log_limit_bytes: int = 256 * 2**20  # of an attempt's output; the oldest part of a longer one is dropped
    niceness: int = 5
    passed: tuple[str, ...] = ()  # beginnings of further variables that its processes may know


#: Where the clients of buckets look for credentials. An importer fetches with them, and a trainer whose manifest says so; the
#: worker that an importer starts never sees them.
CREDENTIALS = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_")


class LocalExecutor:
    """The Executor of one machine. Its verbs block no event loop: everything slow happens in threads."""

    def __init__(
        self, settings: LocalExecutorSettings, clock: Clock | None = None, cgroup: Cgroup | None = None
    ) -> None:
        self._settings = settings
        self._runs_dir = settings.runs_dir.absolute()
        self._clock = clock or SystemClock()
        self._cgroup = cgroup or Cgroup()
        self._slots = self._plan()
        self._runs: dict[Handle, LocalRun] = {}
        self._stops: WeakValueDictionary[Handle, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """As the server's settings ask for; every executor plug-in has this constructor."""
        section = settings.local.model_dump()
        environment = {**process_environment(), BASE_MODELS: str(settings.base_models_dir)}
        return cls(LocalExecutorSettings(runs_dir=settings.runs_dir, environment=environment, **section))

    @classmethod
    def for_imports(cls, settings: Settings) -> Self:
        """Places of their own: an import takes none from a training, and no GPU."""
        section = settings.local.model_dump(include={"log_limit_bytes", "niceness"})
        places = LocalExecutorSettings(
            runs_dir=settings.runs_dir,
            environment=process_environment(),
            cpu_slots=settings.imports.at_once,
            devices=(),
            passed=CREDENTIALS,
            **section,
        )
        return cls(places)

    def slots(self) -> Sequence[Slot]:
        return self._slots

    async def room(self) -> Room:
        devices = sorted({device for slot in self._slots for device in slot.resources.devices})
        return await to_thread.run_sync(lambda: Room(self._runs_dir, _memory_left(self._cgroup), free_on(devices)))

    async def launch(self, spec: JobSpec, environment: Environment) -> Handle:
        handle = Handle(spec.job_id, spec.attempt)
        try:
            await to_thread.run_sync(self._run(handle).start, spec, environment)
        except OSError as error:
            raise self._explained(error, environment) from error
        return handle

    async def status(self, handle: Handle) -> Liveness:
        run = self._run(handle)
        liveness = await to_thread.run_sync(run.liveness)
        if liveness.vital is Vital.ALIVE:
            await to_thread.run_sync(trim_log, self._directory(handle).log, self._settings.log_limit_bytes)
        self._forget_if_ended(handle, run)
        return liveness

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        async with self._stops.setdefault(handle, asyncio.Lock()):
            run = self._run(handle)
            if await to_thread.run_sync(run.ask_to_stop):
                await _while(run.leads, grace)
            await to_thread.run_sync(run.kill)
            self._forget_if_ended(handle, run)

    def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        return read_log(self._directory(handle).log, offset)

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        directory = self._directory(handle)
        try:
            return await to_thread.run_sync(lambda: list(directory.events(after)))
        except OSError as error:
            raise Unavailable(
                f"cannot read the spool in {directory.path}: {error.strerror}; check that disk"
            ) from error

    def _plan(self) -> tuple[Slot, ...]:
        settings = self._settings
        devices = settings.devices
        if devices is None:
            devices = cuda_devices(settings.environment.get("CUDA_VISIBLE_DEVICES"))
        return plan_slots(usable_cores(self._cgroup), devices, settings.cpu_slots, settings.devices_per_slot)

    def _run(self, handle: Handle) -> LocalRun:
        """One object per attempt while it may run, because it is the one that knows its child."""
        run = self._runs.get(handle)
        if run is None:
            manners = Manners(niceness=self._settings.niceness, passed=self._settings.passed, to_fetch=CREDENTIALS)
            run = LocalRun(self._directory(handle), self._clock, self._settings.environment, manners, self._cgroup)
            self._runs[handle] = run
        return run

    def _directory(self, handle: Handle) -> RunDirectory:
        return RunDirectory(self._runs_dir, handle)

    def _forget_if_ended(self, handle: Handle, run: LocalRun) -> None:
        if run.ended and self._runs.get(handle) is run:
            del self._runs[handle]

    def _explained(self, error: OSError, environment: Environment) -> EyebrightError:
        if error.filename is not None and Path(error.filename) == environment.python:
            return TrainerUnavailable(
                f"the environment of trainer {environment.trainer!r} is gone or broken: cannot run {environment.python} "
                f"({error.strerror}). Run `eyebright trainers install {environment.trainer}`"
            )
        if is_full(error):
            return StorageFull(
                f"the disk below {self._runs_dir} is full, so no training can start. Free some space or move the data "
                "folder; nothing that was stored before is lost"
            )
        if error.errno in (errno.EAGAIN, errno.ENOMEM):
            return Unavailable(
                f"this machine cannot start another process ({error.strerror}); end some, or raise its limits (ulimit -u)"
            )
        return Unavailable(
            f"cannot write {error.filename or self._runs_dir}: {error.strerror}. The data folder must be writable for the "
            "user that runs Eyebright; correct its owner or mode, or choose another one"
        )


def _memory_left(cgroup: Cgroup) -> int:
    free, left = psutil.virtual_memory().available, cgroup.memory_left()
    return free if left is None else min(free, left)


async def _while(holds: Callable[[], bool], at_most: timedelta) -> None:
    """Looks ever less often, from every 10 ms to every 200 ms."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + at_most.total_seconds(), 0.01
    while await to_thread.run_sync(holds) and loop.time() < deadline:
        await asyncio.sleep(min(pause, max(0.0, deadline - loop.time())))
        pause = min(0.2, pause * 1.5)
