"""One act of a rehearsal: the trainer in a process of its own, with a sealed order that reports to nobody."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.runtime.folder import RunFolder
from eyebright_kit.runtime.peak import peak_memory_bytes
from eyebright_kit.runtime.spool import events_in
from eyebright_wire.advice import memory_ran_out
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import CheckpointSaved, Event, EventKind, Failed, Heartbeat, Progress, Started, Succeeded
from eyebright_wire.jobs import JobSpec, Stage

_LOOK_SECONDS = 0.1
#: The count of what the kernel killed may follow the kill.
_COUNT_SECONDS = 0.5


class Act:
    """Nothing of its process runs once the context is left; what it wrote lies in `folder`."""

    def __init__(self, module: str, spec: JobSpec, folder: Path) -> None:
        self._folder = RunFolder(folder)
        self._config = spec.config
        self._cgroup = Cgroup()
        self._oom_kills = self._cgroup.oom_kills()
        path = folder / "spec.json"
        path.write_text(spec.model_dump_json())
        self.peak_memory_bytes = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "run", str(path)],
            stdin=subprocess.DEVNULL,
            process_group=0,  # the session stays that of the run, of which nothing outlives it
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Killed, with whatever it has started: one that is asked to leave would save in the middle of an epoch."""
        self._look()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def play(self, enough: Callable[[], bool]) -> bool:
        """Until it has ended or `enough`; True: it has ended."""
        while True:
            self._look()
            ended = self._process.poll() is not None
            if enough() or ended:
                return ended
            time.sleep(_LOOK_SECONDS)

    # What it has said

    @property
    def events(self) -> tuple[Event, ...]:
        return events_in(self._folder.spool)

    @property
    def stages(self) -> set[Stage]:
        return {Stage(event.data["stage"]) for event in self.events if event.kind == EventKind.STAGE}

    @property
    def resumed_from_step(self) -> int | None:
        started = self._last(EventKind.STARTED)
        return Started.model_validate(started).resumed_from_step if started else None

    @property
    def step(self) -> int:
        """The optimiser's, as its last sign of life tells."""
        try:
            return Heartbeat.model_validate_json(self._folder.heartbeat.read_bytes()).step
        except (OSError, ValueError):  # not there yet
            return 0

    @property
    def finished_epochs(self) -> list[int]:
        told = (Progress.model_validate(event.data) for event in self.events if event.kind == EventKind.PROGRESS)
        return [progress.epoch for progress in told if progress.epoch_finished]

    @property
    def checkpoint(self) -> CheckpointSaved | None:
        saved = self._last(EventKind.CHECKPOINT)
        return CheckpointSaved.model_validate(saved) if saved else None

    @property
    def succeeded(self) -> Succeeded | None:
        said = self._last(EventKind.SUCCEEDED)
        return Succeeded.model_validate(said) if said else None

    def failure(self) -> Failed:
        """Why it has ended before its time: in its own words, or as its parent sees it."""
        said = self._last(EventKind.FAILED)
        return Failed.model_validate(said) if said else self._death(self._process.wait())

    def _last(self, kind: EventKind) -> dict[str, object] | None:
        return next((event.data for event in reversed(self.events) if event.kind == kind), None)

    def _death(self, code: int) -> Failed:
        if code == -signal.SIGKILL and self._memory_ran_out():
            advice = f"the system killed it for the memory it took: {memory_ran_out(self._config)}"
            return Failed(code=ErrorCode.OUT_OF_MEMORY, message=advice)
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit status {code}"
        return Failed(code=ErrorCode.TRAINER_ERROR, message=f"the trainer {how}; the log of this rehearsal has more")

    def _memory_ran_out(self) -> bool:
        deadline = time.monotonic() + _COUNT_SECONDS
        while (now := self._cgroup.oom_kills()) == self._oom_kills and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return now is not None and self._oom_kills is not None and now > self._oom_kills

    def _look(self) -> None:
        self.peak_memory_bytes = max(self.peak_memory_bytes, peak_memory_bytes(self._process.pid) or 0)
