"""Where trainer processes run."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from eyebright.core.breaker import State
from eyebright_wire.answers import PredictionAnswer
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.runs import Handle, Liveness, Slot


@dataclass(frozen=True, slots=True)
class Environment:
    """A trainer that can be used: here, by the interpreter that can import it, or only elsewhere (`python` None)."""

    trainer: str
    module: str
    python: Path | None
    lock_sha256: str  # of the lock that it was made from; empty: not known
    manifest: TrainerManifest
    executors: tuple[str, ...] = ("local",)  # where it can run, by their names; the first is the default


@dataclass(frozen=True, slots=True)
class Room:
    """What a place to run could give a run now; None: nobody knows."""

    scratch: Path | None = None  # where runs lay out their data
    memory_bytes: int | None = None
    device_bytes: int | None = None  # on the emptiest of its GPUs; None: it has none, too


class Executor(Protocol):
    bound: bool
    """Only the server that launched a run can see its process: it lies in that server's data folder."""

    def slots(self) -> Sequence[Slot] | None:
        """The places it has; None = no limit of its own."""
        ...

    async def room(self) -> Room: ...

    async def launch(self, spec: JobSpec, environment: Environment) -> Handle:
        """Start it. The same (job, attempt) twice is one run. Raises Unavailable or StorageFull with what to do."""
        ...

    async def status(self, handle: Handle) -> Liveness: ...

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        """Ask, wait, then kill the whole tree; returns once nothing of it runs. Already gone is not an error."""
        ...

    async def kept(self) -> list[Handle]:
        """The runs of which something may still be alive here. Nothing where that is not this server's affair."""
        ...

    def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        """What it printed from byte `offset` on, up to now. Nothing (not an error) when there is none."""
        ...

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        """The events with seq > `after` that the trainer wrote down, in case they could not be posted.

        No events when there is no spool. Raises Unavailable when there is one that cannot be read now.
        """
        ...

    def condition(self) -> str | None:
        """What is the matter with the place, in words; None: nothing."""
        ...

    async def close(self) -> None:
        """Let go of what it holds. Runs go on."""
        ...


@runtime_checkable
class Describing(Protocol):
    """An Executor that brings its own trainer."""

    async def describe(self) -> TrainerManifest:
        """What it can be ordered there. Raises Unavailable."""
        ...


@runtime_checkable
class Housekeeping(Protocol):
    """An Executor with a folder for each run on this machine."""

    async def ended(self, before_ms: int) -> Mapping[Handle, int]:
        """Runs that were seen to be gone before then, and the bytes in their folders."""
        ...

    async def forget(self, handle: Handle) -> None:
        """Remove the folder of one of these, whole or not at all for whoever looks. Gone already is not an error."""
        ...


@runtime_checkable
class Guarded(Protocol):
    """An Executor behind a circuit breaker."""

    def state(self) -> State: ...


class Predictor(Protocol):
    async def predict(self, environment: Environment, model: Path, image: bytes) -> PredictionAnswer:
        """Scores or objects, best first, computed in a child process. Raises InvalidRequest for what is not an image.
        `environment` is of this machine."""
        ...
