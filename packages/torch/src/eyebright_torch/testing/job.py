"""A job in this process: real images on disk, a real context, and a desk that writes down what is said and saved."""

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_kit.runtime import Context, Parent, Restored, StopReason
from eyebright_kit.runtime.tinyset import Drawn, tiny_set
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef, Grant
from eyebright_wire.datasets import Split
from eyebright_wire.events import Progress
from eyebright_wire.jobs import DatasetGrant, JobSpec, Resources, Stage

#: The smallest run that still has several steps and epochs, and an average.
TINY = {"epochs": 2, "batch": 6, "imgsz": 32, "warmup_epochs": 0.5, "exports": [], "workers": 1}


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, nothing is saved."""


@dataclass
class NotingDesk:
    """Keeps what a real desk would send and save."""

    folder: Path
    kill_at: int | None = None
    stages: list[Stage] = field(default_factory=list)
    progress_made: list[Progress] = field(default_factory=list)
    saved: list[Restored] = field(default_factory=list)
    artifacts: dict[str, ArtifactKind] = field(default_factory=dict)
    steps: list[int | None] = field(default_factory=list)

    def stage(self, stage: Stage) -> None:
        self.stages.append(stage)

    def progress(self, progress: Progress) -> None:
        self.progress_made.append(progress)

    def moved(self, step: int | None) -> None:
        self.steps.append(step)
        if self.kill_at is not None and step is not None and step >= self.kill_at:
            raise Killed

    def artifact(self, path: str, kind: ArtifactKind, media_type: str) -> ArtifactRef:
        self.artifacts[path] = kind
        return ArtifactRef(path=path, size_bytes=0, sha256="0" * 64, kind=kind, media_type=media_type)

    def checkpoint(
        self, write: Callable[[Path], None], *, epoch: int, step: int, metrics: Mapping[str, float], best: bool
    ) -> None:
        path = self.folder / f"checkpoint-{len(self.saved)}"
        path.mkdir(parents=True)
        write(path)
        self.saved.append(Restored(path, epoch, step, dict(metrics)))

    @property
    def epochs(self) -> list[dict[str, float]]:
        return [progress.metrics for progress in self.progress_made if progress.epoch_finished]


@dataclass
class Job:
    """`context(...)` makes one attempt after another at the same job."""

    root: Path
    data: LocalDataset
    trainer: str
    model: str
    config: dict[str, Any] = field(default_factory=dict[str, Any])  # of every attempt, below its own
    task: str = "classification"
    attempts: int = 0

    def context(
        self,
        *,
        model: str | None = None,
        restored: Restored | None = None,
        parent: Parent | None = None,
        kill_at: int | None = None,
        stop_at: int | None = None,
        reason: StopReason = StopReason.PREEMPT,
        **config: Any,
    ) -> Context:
        self.attempts += 1
        folder = self.root / f"a{self.attempts}"
        for name in ("output", "scratch"):
            (folder / name).mkdir(parents=True)
        desk = NotingDesk(folder, kill_at)

        def stop() -> StopReason | None:
            made = [step for step in desk.steps if step is not None]
            return reason if stop_at is not None and made and made[-1] >= stop_at else None

        return Context(
            spec=self.spec(model or self.model, config),
            data=self.data,
            output=folder / "output",
            scratch=folder / "scratch",
            log=logging.getLogger("test"),
            desk=desk,
            stop_reason=stop,
            restored=restored,
            parent=parent,
        )

    def spec(self, model: str, config: dict[str, Any]) -> JobSpec:
        uri = self.root.as_uri() + "/"
        return JobSpec(
            job_id="j1",
            attempt=max(1, self.attempts),
            trainer=self.trainer,
            task=self.task,
            model=model,
            config={**TINY, **self.config, **config},
            dataset=DatasetGrant(version_id="tiny@1", name="tiny", manifest_sha256="ab" * 32, blobs=Grant(uri=uri)),
            output=Grant(uri=uri),
            resources=Resources(threads=1),
            provenance={"environment_lock": "cd" * 32},
        )


#: Makes a job of the suite's trainer in this folder, on this data.
JobAt = Callable[[Path, LocalDataset], Job]


def make_images(
    root: Path, counts: dict[Split, int], classes: tuple[str, ...] = ("top", "left", "ring")
) -> LocalDataset:
    rng = np.random.default_rng(7)
    splits = {}
    for split, count in counts.items():
        samples = [_draw(root, split, label, number, rng) for label in range(len(classes)) for number in range(count)]
        splits[split] = tuple(samples)
    return LocalDataset(root, classes, splits)


def make_scenes(root: Path, counts: dict[Split, int], task: str = "detection") -> LocalDataset:
    """The kit's tiny set for a task on images with objects: shapes of two classes on a noisy ground."""
    tiny, numbers, splits = tiny_set(task), Random(7), {}  # noqa: S311 - pictures, not secrets
    for split, count in counts.items():
        (root / split).mkdir(parents=True)
        splits[split] = tuple(_scene(root / split / f"{n:06d}.png", tiny.draw(n % 2, numbers)) for n in range(count))
    return LocalDataset(root, tiny.classes, splits)


def _scene(path: Path, drawn: Drawn) -> LocalSample:
    drawn.image.save(path)
    return LocalSample(path, None, f"{path.parent.name}/{path.name}", *drawn.image.size, drawn.instances)


def _draw(root: Path, split: Split, label: int, number: int, rng: np.random.Generator) -> LocalSample:
    width, height = 44, 36
    pixels = rng.integers(0, 90, (height, width, 3))
    light = [np.s_[:12, :], np.s_[:, :12], np.s_[12:24, 12:32], np.s_[24:, :]][label % 4]
    pixels[light] += 140 + 5 * label
    path = root / split / f"{label:04d}" / f"{number:06d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return LocalSample(path, label, f"{split}/{label}/{number}.png", width, height)


def copy_of(data: LocalDataset, root: Path) -> LocalDataset:
    """The same data in files of its own, to be damaged."""
    shutil.copytree(data.root, root)
    moved = {
        split: tuple(
            LocalSample(root / s.path.relative_to(data.root), s.label, s.source, s.width, s.height) for s in samples
        )
        for split, samples in data.splits.items()
    }
    return LocalDataset(root, data.classes, moved)
