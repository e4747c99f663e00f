"""An executor plug-in that starts nothing: its runs are alive until they are stopped, and somebody else speaks for them.

It lets a real server hold 200 live attempts without 200 trainers. The sealed order goes where the local executor puts it, so
that whoever speaks for the run finds its token there.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

from eyebright.ports.executor import Environment, Room
from eyebright.settings import Settings
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Handle, Liveness, Slot, Vital


class SilentExecutor:
    bound = False

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._stopped: set[Handle] = set()

    @classmethod
    def configured(cls, settings: Settings, which: str = "") -> Self:
        return cls(settings.runs_dir)

    def slots(self) -> Sequence[Slot] | None:
        return None

    async def room(self) -> Room:
        return Room()

    async def launch(self, spec: JobSpec, environment: Environment) -> Handle:
        handle = Handle(spec.job_id, spec.attempt)
        folder = self._runs_dir / spec.job_id / f"a{spec.attempt}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.json").write_text(spec.model_dump_json())
        return handle

    async def status(self, handle: Handle) -> Liveness:
        return Liveness(Vital.GONE if handle in self._stopped else Vital.ALIVE)

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        self._stopped.add(handle)

    async def kept(self) -> list[Handle]:
        return []

    async def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        for nothing in ():
            yield nothing

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        return []

    def condition(self) -> None:
        """It is always well."""

    async def close(self) -> None:
        """Nothing was opened."""
