"""Keeps the trainer processes of one folder of runs.

A trainer owns its session and outlives its keeper; the next one finds it again by what lies in its run directory. It never
outlives its own leader: whatever that leaves behind is killed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from anyio import to_thread

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping.local_run import LocalRun, Manners, Program
from eyebright_kit.keeping.log_file import read_log, trim_log
from eyebright_kit.keeping.run_directory import RunDirectory, ended_runs, open_runs, remove_leftovers
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Handle, Liveness, Vital


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Where runs live and by which rules. `environment` is the keeper's own; a trainer sees only what is harmless of it."""

    runs_dir: Path
    environment: Mapping[str, str] = field(repr=False)
    manners: Manners
    log_limit_bytes: int


class Keeper:
    """Its verbs block no event loop: everything slow happens in threads."""

    def __init__(self, house: House, now_ms: Callable[[], int], cgroup: Cgroup) -> None:
        self._house = house
        self._now_ms = now_ms
        self._cgroup = cgroup
        self._runs: dict[Handle, LocalRun] = {}
        self._stops: WeakValueDictionary[Handle, asyncio.Lock] = WeakValueDictionary()

    def directory(self, handle: Handle) -> RunDirectory:
        return RunDirectory(self._house.runs_dir, handle)

    async def launch(self, spec: JobSpec, program: Program) -> Handle:
        """Start it; the same (job, attempt) twice is one run. Raises OSError, with nothing started."""
        handle = Handle(spec.job_id, spec.attempt)
        await to_thread.run_sync(self._run(handle).start, spec, program)
        return handle

    async def status(self, handle: Handle) -> Liveness:
        """Raises Resisting when its leader has died and what that left behind does not end."""
        run = self._run(handle)
        liveness = await to_thread.run_sync(run.liveness)
        if liveness.vital is Vital.ALIVE:
            await to_thread.run_sync(trim_log, self.directory(handle).log, self._house.log_limit_bytes)
        self._forget_if_ended(handle, run)
        return liveness

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        """Ask, wait, then kill the whole tree; nothing of it runs once this returns. Raises Resisting when something does."""
        async with self._stops.setdefault(handle, asyncio.Lock()):
            run = self._run(handle)
            if await to_thread.run_sync(run.ask_to_stop):
                await _while(run.leads, grace)
            await to_thread.run_sync(run.kill)
            self._forget_if_ended(handle, run)

    async def kept(self) -> list[Handle]:
        """The runs that somebody began to start and nobody has seen the end of."""
        return await to_thread.run_sync(open_runs, self._house.runs_dir)

    async def ended(self, before_ms: int) -> Mapping[Handle, int]:
        """The runs whose end was noted before then, and the bytes in their folders. What a removal has left over goes."""
        await self.remove_leftovers()
        return await to_thread.run_sync(ended_runs, self._house.runs_dir, before_ms)

    async def remove_leftovers(self) -> None:
        """What earlier keepers had not wholly removed when they ended."""
        await to_thread.run_sync(remove_leftovers, self._house.runs_dir)

    async def forget(self, handle: Handle) -> None:
        """Remove the folder of a run that has ended. Raises OSError, with the folder there or not, but never in part."""
        await to_thread.run_sync(self.directory(handle).remove)

    def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        return read_log(self.directory(handle).log, offset)

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        """What the trainer wrote down with seq > `after`. Raises OSError when that cannot be read now."""
        directory = self.directory(handle)
        return await to_thread.run_sync(lambda: list(directory.events(after)))

    def _run(self, handle: Handle) -> LocalRun:
        """One object per attempt while it may run, because it is the one that knows its child."""
        run = self._runs.get(handle)
        if run is None:
            house = self._house
            run = LocalRun(self.directory(handle), self._now_ms, house.environment, house.manners, self._cgroup)
            self._runs[handle] = run
        return run

    def _forget_if_ended(self, handle: Handle, run: LocalRun) -> None:
        if run.ended and self._runs.get(handle) is run:
            del self._runs[handle]


async def _while(holds: Callable[[], bool], at_most: timedelta) -> None:
    """Looks ever less often, from every 10 ms to every 200 ms."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + at_most.total_seconds(), 0.01
    while await to_thread.run_sync(holds) and loop.time() < deadline:
        await asyncio.sleep(min(pause, max(0.0, deadline - loop.time())))
        pause = min(0.2, pause * 1.5)
