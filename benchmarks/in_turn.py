"""One real training with its rivals in the pauses: `python -m benchmarks.in_turn ORDER RESULT`, in the trainer's environment.

The training is the product's own: a sealed order through the kit's `main` and the trainer's `fit`, with spool, heartbeat,
checkpoints and everything else that a job has. Only its desk is wrapped: the checkpoint that closes an epoch returns late,
because meanwhile each rival does an epoch too. So all contenders run in one process, by turns of some seconds, and whatever
else the machine does hits all of them alike. An epoch of ours counts from the end of the pause before it to the end of its own
checkpoint: data, augmentation, steps, moving average, evaluation, progress and the checkpoint on disk.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks.contenders import Limit, PlainLoop, Rival, Shape, quickest
from eyebright_kit.data.materialise import blob_path
from eyebright_kit.data.version import prepare
from eyebright_kit.runtime import Context, Result, Trainer, main
from eyebright_torch import hardware
from eyebright_torch.config import VisionConfig
from eyebright_wire.artifacts import Grant
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import DatasetGrant, JobSpec, Resources, Stage


@dataclass(frozen=True)
class Turns:
    """The order: `rounds` measured epochs, after one that warms up and fills the cache. `workers`: what the plain loop may
    choose from; none leaves it out. `framework` is the module of the trainer that has its FRAMEWORK for the task."""

    trainer: str
    data: str
    model: str
    config: dict[str, Any]
    rounds: int
    workers: list[int]
    device: str
    task: str = "classification"
    framework: str = "framework"


@dataclass
class Clock:
    """Seconds of each epoch, by contender. Ours begins when training does, and again after each pause."""

    took: dict[str, list[float]] = field(default_factory=dict)
    workers: dict[int, float] = field(default_factory=dict)
    began: float = 0.0

    def note(self, name: str, seconds: float) -> None:
        self.took.setdefault(name, []).append(seconds)


class PausingDesk:
    """The real desk, with `pause` after the checkpoint that closes an epoch."""

    def __init__(self, desk: Any, clock: Clock, pause: Callable[[], None]) -> None:
        self._desk = desk
        self._clock = clock
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    def stage(self, stage: Stage) -> None:
        self._desk.stage(stage)
        if stage is Stage.TRAINING:
            self._clock.began = time.perf_counter()

    def checkpoint(self, write: Callable[[Path], None], **about: Any) -> None:
        self._desk.checkpoint(write, **about)
        self._clock.note("ours", time.perf_counter() - self._clock.began)
        self._pause()
        self._clock.began = time.perf_counter()


class TrainerInTurns:
    """The trainer among its rivals."""

    def __init__(self, turns: Turns, clock: Clock, real: Trainer) -> None:
        self.manifest = real.manifest
        self._turns = turns
        self._clock = clock
        self._real = real
        self._rivals: list[Rival] = []

    def fit(self, ctx: Context) -> Result:
        config = ctx.config_as(_part(self._turns, self._turns.framework).FRAMEWORK.config)
        ctx.desk = PausingDesk(ctx.desk, self._clock, lambda: self._pause(ctx, config))
        return self._real.fit(ctx)

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        return self._real.relaunch(spec)

    def predict(self, model: Path, image: Path) -> Any:
        return self._real.predict(model, image)

    def _pause(self, ctx: Context, config: VisionConfig) -> None:
        if not self._rivals:
            self._rivals = self._warm(_shape(ctx, config), config, ctx.scratch)
            return
        for rival in self._rivals:
            self._clock.note(rival.name, rival.epoch())

    def _warm(self, shape: Shape, config: VisionConfig, folder: Path) -> list[Rival]:
        if self._turns.trainer == "timm":
            from benchmarks.timm_loop import TimmLoop  # here, because only timm's environment has it

            return [self._quickest(partial(TimmLoop, shape, config), folder)]
        if self._turns.trainer == "transformers":
            from benchmarks.hf_trainer import HfTrainer  # the same

            return [self._quickest(partial(HfTrainer, shape, config), folder)]
        limit = Limit(shape)
        limit.epoch()
        return [limit, self._quickest(partial(PlainLoop, shape), folder)] if self._turns.workers else [limit]

    def _quickest(self, loop: Callable[..., Rival], folder: Path) -> Rival:
        make = partial(loop, Path(self._turns.data), folder)
        plain, self._clock.workers = quickest(make, self._turns.workers)
        return plain


def _part(turns: Turns, name: str) -> ModuleType:
    """A module of the trainer that is measured: only its environment has it."""
    return import_module(f"eyebright_{turns.trainer}.{name}")


def _shape(ctx: Context, config: VisionConfig) -> Shape:
    chosen = hardware.choose(config, ctx.resources, 0, 1)
    train, val = (len(ctx.data.samples(split)) for split in (Split.TRAIN, Split.VAL))
    return Shape(
        model=ctx.model,
        classes=len(ctx.data.classes),
        imgsz=config.imgsz,
        batch=config.batch,
        steps=_whole(train, config.batch),
        val_batches=_whole(val, config.batch),
        label_smoothing=getattr(config, "label_smoothing", 0.0),  # not of a detector
        crop_scale=getattr(config, "crop_scale", 1.0),
        device=chosen.device,
        precision=chosen.precision,
    )


def _whole(images: int, batch: int) -> int:
    assert images % batch == 0, "unequal batches would make unequal work"
    return images // batch


def sealed(turns: Turns, folder: Path) -> Path:
    """The data set as a version in a blob store, and the order of the training."""
    prepared = prepare(Path(turns.data), work=folder)
    blobs = folder / "blobs"
    for sha256, path in prepared.blobs:
        (blob := blob_path(blobs, sha256)).parent.mkdir(parents=True, exist_ok=True)
        os.link(path, blob)
    (manifest := blob_path(blobs, prepared.sha256)).parent.mkdir(parents=True, exist_ok=True)
    os.link(prepared.manifest_path, manifest)
    (spec := folder / "spec.json").write_text(_spec(turns, folder, blobs, prepared.sha256).model_dump_json())
    return spec


def _spec(turns: Turns, folder: Path, blobs: Path, manifest_sha256: str) -> JobSpec:
    manifest = _part(turns, "manifest").MANIFEST
    task = manifest.task(turns.task)
    cpu = Resources(threads=len(os.sched_getaffinity(0)))
    gpu = Resources(threads=len(os.sched_getaffinity(0)), devices=(0,))
    return JobSpec(
        job_id="bench",
        attempt=1,
        trainer=manifest.name,
        task=task.name,
        model=turns.model,
        config={**task.recipe, "epochs": turns.rounds + 1, **turns.config},
        dataset=DatasetGrant(
            version_id="bench", name="bench", manifest_sha256=manifest_sha256, blobs=Grant(uri=blobs.as_uri() + "/")
        ),
        output=Grant(uri=(folder / "output").as_uri() + "/"),
        resources=gpu if turns.device == "cuda" else cpu,
    )


def measure(turns: Turns, folder: Path) -> Mapping[str, Any]:
    """Raises RuntimeError when the training did not succeed."""
    clock = Clock()
    spec = sealed(turns, folder)
    trainer = TrainerInTurns(turns, clock, _part(turns, "__main__").load())
    code = main(trainer.manifest, lambda: trainer, ["run", str(spec)])
    if code:
        raise RuntimeError(f"the training ended with exit code {code}")
    ours = clock.took.pop("ours")
    return {"warm": ours[0], "ours": ours[1:], "workers": clock.workers, **clock.took}


if __name__ == "__main__":
    order, result = map(Path, sys.argv[1:])
    chosen = Turns(**json.loads(order.read_text()))
    if chosen.device == "cuda" and not torch.cuda.is_available():
        result.write_text(json.dumps({"absent": "torch sees no CUDA device"}))
    else:
        result.write_text(json.dumps(measure(chosen, order.parent)))
