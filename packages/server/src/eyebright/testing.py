"""Fakes for whoever tests against Eyebright's sockets: a clock that tests own, an executor that runs nothing, a catalogue of one.

clock = ManualClock()
executor = FakeExecutor()
handle = await executor.launch(spec, environment)
executor.exit(handle, 83)
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path

from eyebright.errors import EyebrightError, NotFound
from eyebright.ports.executor import Environment, Room
from eyebright_wire.answers import PredictionAnswer
from eyebright_wire.events import Event, Heartbeat
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest
from eyebright_wire.predictions import ClassScore
from eyebright_wire.resources import TrainerView
from eyebright_wire.runs import Handle, Liveness, Slot, Vital

_EPOCH_MS = 1_700_000_000_000


class ManualClock:
    """Time stands still until `advance`; ids and tokens are numbered, so that two runs of a test see the same ones."""

    def __init__(self, now_ms: int = _EPOCH_MS) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0
        self._numbers = count(1)
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._monotonic_ms

    async def sleep(self, seconds: float) -> None:
        """Returns when `advance` has moved past the time; at least once to the loop, like the real one."""
        if seconds <= 0:
            return await asyncio.sleep(0)
        wakes: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._monotonic_ms + round(seconds * 1000), wakes))
        return await wakes

    def advance(self, seconds: float) -> None:
        """Move time on and wake whoever sleeps no longer than that."""
        self.step(seconds)
        self._monotonic_ms += round(seconds * 1000)
        due = [wakes for at_ms, wakes in self._sleepers if at_ms <= self._monotonic_ms]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self._monotonic_ms]
        for wakes in due:
            if not wakes.done():  # cancelled while it slept
                wakes.set_result(None)

    def step(self, seconds: float) -> None:
        """Set the time of day on, or back, as an operator does; nobody's sleep is any shorter or longer for it."""
        self._now_ms += round(seconds * 1000)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):023d}"

    def new_token(self) -> str:
        return f"token-{next(self._numbers):037d}"


class FakeExecutor:
    """Launches nothing and remembers everything; the test says when a run ends, what it printed and what it spooled."""

    def __init__(self, slots: Sequence[Slot] | None = (Slot(0), Slot(1)), *, bound: bool = True) -> None:
        self._slots = slots
        self.bound = bound
        self.launches: list[JobSpec] = []
        self.stops: list[tuple[Handle, timedelta]] = []
        self.runs: dict[Handle, Liveness] = {}
        self.spools: dict[Handle, list[Event]] = {}
        self.outputs: dict[Handle, bytes] = {}
        self.failure: EyebrightError | None = None  # raised by the next launches
        self.has_room = Room()
        self.obeys = True  # False: a stopped run goes on living

    def slots(self) -> Sequence[Slot] | None:
        return self._slots

    async def room(self) -> Room:
        return self.has_room

    async def launch(self, spec: JobSpec, environment: Environment) -> Handle:
        if self.failure is not None:
            raise self.failure
        handle = Handle(spec.job_id, spec.attempt)
        if handle not in self.runs:
            self.launches.append(spec)
            self.runs[handle] = Liveness(Vital.ALIVE)
        return handle

    async def status(self, handle: Handle) -> Liveness:
        """A run that was never launched is gone, as with a real one."""
        return self.runs.get(handle, Liveness(Vital.GONE))

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        self.stops.append((handle, grace))
        if self.obeys and (await self.status(handle)).vital is not Vital.GONE:
            self.exit(handle, None)

    async def kept(self) -> list[Handle]:
        return [handle for handle, liveness in self.runs.items() if liveness.vital is not Vital.GONE]

    async def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        rest = self.outputs.get(handle, b"")[offset:]
        if rest:
            yield rest

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        return [event for event in self.spools.get(handle, []) if event.seq > after]

    def condition(self) -> str | None:
        return None

    async def close(self) -> None:
        """Nothing was opened."""

    def exit(self, handle: Handle, code: int | None, *, out_of_memory: bool = False, log_tail: str = "") -> None:
        """The run ends; None = nobody saw with which code."""
        self.runs[handle] = Liveness(Vital.GONE, code, out_of_memory=out_of_memory, log_tail=log_tail)

    def vanish(self, handle: Handle) -> None:
        """The executor can't tell any more."""
        self.runs[handle] = Liveness(Vital.UNKNOWN)

    def beat(self, handle: Handle, heartbeat: Heartbeat) -> None:
        """The trainer left this heartbeat on disk."""
        self.runs[handle] = Liveness(Vital.ALIVE, heartbeat=heartbeat)


class FakePredictor:
    """Sees the same in every image."""

    def __init__(self, answer: PredictionAnswer | None = None) -> None:
        scores = (ClassScore(label="cat", score=0.75), ClassScore(label="dog", score=0.25))
        self.answer = answer or PredictionAnswer(scores=scores, seconds=0.0)
        self.asked: list[tuple[str, Path, bytes]] = []

    async def predict(self, environment: Environment, model: Path, image: bytes) -> PredictionAnswer:
        self.asked.append((environment.trainer, model, image))
        return self.answer


class FakeCatalog:
    """Trainers that are installed because the test says so."""

    def __init__(self, *manifests: TrainerManifest) -> None:
        self.manifests = {manifest.name: manifest for manifest in manifests or (toy_manifest(),)}

    async def list(self) -> Sequence[TrainerView]:
        return [TrainerView.of(manifest, "/nowhere") for manifest in self.manifests.values()]

    async def environment(self, name: str, executor: str | None = None) -> Environment:
        return await self.here(name)

    async def here(self, name: str) -> Environment:
        if name not in self.manifests:
            raise NotFound(f"there is no trainer called {name!r}; known: {', '.join(self.manifests)}")
        manifest = self.manifests[name]
        return Environment(name, manifest.module, Path("/nowhere/bin/python"), "0" * 64, manifest)

    async def installed(self) -> Sequence[Environment]:
        return [await self.environment(name) for name in self.manifests]

    async def install(self, name: str, say: Callable[[str], None]) -> Environment:
        say(f"{name} is already there")
        return await self.environment(name)


def toy_manifest(**changes: object) -> TrainerManifest:
    """A trainer with one classification task and three settings."""
    manifest = TrainerManifest(
        name="toy",
        version="1.0",
        module="eyebright_toy",
        licence="Apache-2.0",
        description="Trains nothing, quickly",
        tasks=(
            TaskInfo(
                name="classification",
                models=(ModelInfo(name="mean"), ModelInfo(name="median")),
                default_model="mean",
                config_schema=_SCHEMA,
                recipe={"epochs": 3, "lr0": 0.1, "seed": 0},
                exports=("csv",),
                exports_later=True,
                takes_parent=True,
            ),
        ),
    )
    return manifest.model_copy(update=changes)


_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "epochs": {"type": "integer", "minimum": 1, "default": 3},
        "lr0": {"type": "number", "exclusiveMinimum": 0, "default": 0.1},
        "seed": {"type": "integer", "default": 0},
    },
}
