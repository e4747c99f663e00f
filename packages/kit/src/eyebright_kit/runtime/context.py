"""What a trainer sees of its job: `fit(ctx)` reads the order from it, and says and saves everything through it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime.place import Opening, local_place
from eyebright_kit.runtime.stop import StopReason
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef, ExportRef
from eyebright_wire.events import PreparedDataset, Progress, Unit
from eyebright_wire.jobs import JobSpec, Resources, Stage
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.predictions import Found

if TYPE_CHECKING:
    from eyebright_kit.data.local import LocalDataset

ConfigModel = TypeVar("ConfigModel", bound=BaseModel)


class Stopped(Exception):
    """Raise it once `ctx.stopping` is set and a last checkpoint is written: the run ends without being a failure."""


@dataclass(frozen=True)
class Result:
    """What `fit` returns. The artifacts are those that `ctx.artifact()` pushed."""

    metrics: dict[str, float]
    exports: tuple[ExportRef, ...] = ()
    dataset: PreparedDataset | None = None  # only of an import
    peak_memory_bytes: int | None = None  # most main memory that was held; None: what this process has held
    peak_device_bytes: int | None = None  # most that was held on one GPU, where there is one
    checkpoint_bytes: int | None = None  # largest checkpoint; None: of those that this process has left


@dataclass(frozen=True)
class Restored:
    """A checkpoint whose every byte was verified. `path` is to be read only."""

    path: Path
    epoch: int
    step: int
    metrics: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Parent:
    """The registered model that training begins from. Its files lie at `path`, under the names that its own trainer gave them."""

    id: str
    title: str  # cats@3
    architecture: str
    classes: tuple[str, ...]
    path: Path
    sha256: Mapping[str, str]  # of each file, by its name


class Trainer(Protocol):
    """One framework. `fit` is called once per process; `predict` on a folder of registered artifacts."""

    manifest: TrainerManifest

    def fit(self, ctx: "Context") -> Result: ...

    def predict(self, model: Path, image: Path) -> Found:
        """All classes or the objects that were found, best first; or what each pixel is."""
        ...

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        """The argv prefix of a multi-process launcher, or None to train in this process."""
        ...


class Exporter(Protocol):
    """A trainer that can make further forms of a registered model; its manifest says `exports_later`."""

    def export(self, ctx: "Context") -> Result:
        """The form `ctx.spec.export.format` of the model that lies at `ctx.parent`, with its certificate."""
        ...


class Desk(Protocol):
    """Where a context's words and files go: the real one of rank 0, or the silent one of the other ranks."""

    def stage(self, stage: Stage) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def moved(self, step: int | None) -> None: ...
    def artifact(self, path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef: ...
    def checkpoint(
        self, write: Callable[[Path], None], *, epoch: int, step: int, metrics: Mapping[str, float], best: bool
    ) -> None: ...


@dataclass
class Context:
    """One attempt, as its trainer sees it.

    With several processes (`world_size > 1`) only rank 0 reports and saves: the others' calls do nothing. Each process has
    its own `stopping`, so broadcast rank 0's before acting on it, or the ranks will part ways in the middle of a step.
    """

    spec: JobSpec
    data: "LocalDataset"
    output: Path  # where artifacts are made; `artifact()` pushes them
    scratch: Path  # free for the trainer; gone when the process ends
    log: logging.Logger
    desk: Desk = field(repr=False)
    stop_reason: Callable[[], StopReason | None] = field(repr=False)
    restored: Restored | None = None
    parent: Parent | None = None  # what to begin from; a checkpoint goes before it
    opening: Opening = field(default=local_place, repr=False)
    rank: int = 0
    world_size: int = 1

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config: every field has its value."""
        return self.spec.config

    @property
    def task(self) -> str:
        return self.spec.task

    @property
    def model(self) -> str:
        return self.spec.model

    @property
    def resources(self) -> Resources:
        return self.spec.resources

    @property
    def stopping(self) -> StopReason | None:
        """Set once the run should end: look once per step, write a last checkpoint, `raise Stopped`."""
        return self.stop_reason()

    def config_as(self, model: type[ConfigModel]) -> ConfigModel:
        """The config as the trainer's own pydantic model; whatever that refuses ends the job as `config_invalid`."""
        try:
            return model.model_validate(self.config)
        except ValidationError as error:
            raise ConfigInvalid.of(error) from error

    def stage(self, stage: Stage) -> None:
        """Says what the attempt is busy with. Saying the same again is free."""
        self.desk.stage(stage)

    def step(self, step: int | None = None) -> None:
        """Marks that training moves, at next to no cost: for loops whose progress is rare. `progress` marks it too."""
        self.desk.moved(step)

    def progress(
        self,
        *,
        epoch: int,
        epochs: int,
        step: int = 0,
        steps: int | None = None,
        epoch_finished: bool = False,
        images_per_second: float | None = None,
        eta_seconds: float | None = None,
        metrics: Mapping[str, float] = {},
        unit: Unit | None = None,
    ) -> None:
        """Says where training stands. Call it every step if you like: of each moment only the latest is told.

        A finished epoch is always told.

        Never waits for the network and never raises because nobody listens.
        """
        self.desk.progress(
            Progress(
                epoch=epoch,
                epochs=epochs,
                step=step,
                steps=steps,
                epoch_finished=epoch_finished,
                images_per_second=images_per_second,
                eta_seconds=eta_seconds,
                metrics=dict(metrics),
                unit=unit,
            )
        )

    def checkpoint(
        self,
        write: Callable[[Path], None],
        *,
        epoch: int,
        step: int,
        metrics: Mapping[str, float] = {},
        best: bool = False,
    ) -> None:
        """Saves a checkpoint durably: `write` fills an empty folder, the kit does the rest.

        Kept are the best, the last and as many of the newest as the config's `keep_checkpoints` says (2). When the disk is
        full the earlier ones stay whole and DiskFull is raised.
        """
        self.desk.checkpoint(write, epoch=epoch, step=step, metrics=metrics, best=best)

    def restore(self) -> Restored | None:
        """The newest checkpoint that is whole, or None to begin afresh."""
        return self.restored

    def artifact(self, path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef:
        """Pushes the file at `output / path`. Pushing a path again replaces it.

        On ranks other than 0 nothing is pushed, and the answer describes an empty file.
        """
        return self.desk.artifact(path, kind, media_type)
