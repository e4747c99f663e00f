"""Runs trainers as child processes of this machine.

A trainer owns its session and outlives the server; the next server finds it again by what lies in its run directory. It never
outlives its own leader: whatever that leaves behind is killed. All processes of one machine are one trust domain: they run as
the server's user.
"""

import errno
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Self

import psutil
from anyio import to_thread

from eyebright.errors import EyebrightError, InvalidRequest, StorageFull, TrainerUnavailable, Unavailable, is_full
from eyebright.ports.clock import Clock, SystemClock
from eyebright.ports.executor import Environment, Room
from eyebright.settings import Settings, process_environment
from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping.inheritance import BASE_MODELS, CREDENTIALS
from eyebright_kit.keeping.keeper import House, Keeper
from eyebright_kit.keeping.local_run import Manners, Program, Resisting
from eyebright_kit.keeping.slots import cuda_devices, free_on, plan_slots, usable_cores
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Handle, Liveness, Slot


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


class LocalExecutor:
    """The Executor of one machine. Its verbs block no event loop: everything slow happens in threads."""

    bound = True

    def __init__(
        self, settings: LocalExecutorSettings, clock: Clock | None = None, cgroup: Cgroup | None = None
    ) -> None:
        self._settings = settings
        self._runs_dir = settings.runs_dir.absolute()
        self._cgroup = cgroup or Cgroup()
        self._slots = self._plan()
        house = House(
            runs_dir=self._runs_dir,
            environment=settings.environment,
            manners=Manners(niceness=settings.niceness, passed=settings.passed, to_fetch=CREDENTIALS),
            log_limit_bytes=settings.log_limit_bytes,
        )
        self._keeper = Keeper(house, (clock or SystemClock()).now_ms, self._cgroup)

    @classmethod
    def configured(cls, settings: Settings, which: str = "") -> Self:
        """As the server's settings ask for; every executor plug-in has this constructor. There is one of this machine."""
        if which:
            raise InvalidRequest(f"EYEBRIGHT_EXECUTORS names local:{which}; expected local")
        section = settings.local.model_dump(exclude={"many_projects"})
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
        if environment.python is None:
            raise TrainerUnavailable(f"trainer {environment.trainer!r} is not on this machine, where the job is to run")
        try:
            return await self._keeper.launch(spec, Program(environment.python, environment.module))
        except OSError as error:
            raise self._explained(error, environment) from error

    async def status(self, handle: Handle) -> Liveness:
        try:
            return await self._keeper.status(handle)
        except Resisting as error:
            raise Unavailable(str(error)) from error

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        try:
            await self._keeper.stop(handle, grace)
        except Resisting as error:
            raise Unavailable(str(error)) from error

    async def kept(self) -> list[Handle]:
        return await self._keeper.kept()

    async def ended(self, before_ms: int) -> Mapping[Handle, int]:
        return await self._keeper.ended(before_ms)

    async def forget(self, handle: Handle) -> None:
        try:
            await self._keeper.forget(handle)
        except OSError as error:
            raise Unavailable(
                f"cannot remove {self._keeper.directory(handle).path}: {error.strerror}; correct its owner or mode"
            ) from error

    def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        return self._keeper.logs(handle, offset)

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        try:
            return await self._keeper.spooled(handle, after)
        except OSError as error:
            raise Unavailable(
                f"cannot read the spool in {self._keeper.directory(handle).path}: {error.strerror}; check that disk"
            ) from error

    def condition(self) -> None:
        """What is the matter with this machine `eyebright doctor` says."""

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _plan(self) -> tuple[Slot, ...]:
        settings = self._settings
        devices = settings.devices
        if devices is None:
            devices = cuda_devices(settings.environment.get("CUDA_VISIBLE_DEVICES"))
        size = settings.devices_per_slot
        if 0 < len(devices) < size:
            raise InvalidRequest(
                f"EYEBRIGHT_LOCAL__DEVICES_PER_SLOT is {size}, but the server may use CUDA device "
                f"{','.join(map(str, devices))} only; set it to {len(devices)} or lower"
            )
        return plan_slots(usable_cores(self._cgroup), devices, settings.cpu_slots, size)

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
