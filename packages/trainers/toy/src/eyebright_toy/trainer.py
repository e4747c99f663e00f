"""A training loop in plain Python that does everything a trainer should: report, checkpoint, resume exactly, stop when asked."""

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, NanLoss
from eyebright_kit.runtime import Context, Parent, Restored, Result, Stopped
from eyebright_toy import export
from eyebright_toy.config import ToyConfig
from eyebright_toy.manifest import MANIFEST
from eyebright_toy.misbehaviour import believe, handed_over, loss_of, misbehave, moved, phone_home
from eyebright_toy.models import MODELS, Classifier, Pixels, dump, parse, read_pixels
from eyebright_wire.artifacts import ArtifactKind, ExportRef
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import JobSpec, Stage
from eyebright_wire.predictions import ClassScore


class ToyTrainer:
    """Trains in one process, on one core, without a framework."""

    manifest = MANIFEST

    def fit(self, ctx: Context) -> Result:
        config = ctx.config_as(ToyConfig)
        phone_home(config.phone_home)
        believe(ctx, config)
        run = _Run(ctx, config)
        ctx.stage(Stage.TRAINING)
        run.train()
        ctx.stage(Stage.EVALUATING)
        metrics = run.validate()
        _push_artifacts(ctx, run.model, handed_over(ctx, config), metrics)
        return Result(metrics=metrics)

    def export(self, ctx: Context) -> Result:
        """`csv`, of a model that is registered."""
        assert ctx.parent is not None
        assert ctx.spec.export is not None
        ctx.stage(Stage.EXPORTING)
        form, path = ctx.spec.export.format, ctx.output / "model.csv"
        if form != "csv":
            raise ConfigInvalid(f"the toy trainer cannot export as {form!r}; it makes csv")
        model, images = parse((ctx.parent.path / "model.json").read_text()), _Images.of(ctx, Split.VAL)
        export.write(model, path)
        parity = export.certify(model, path, images.pixels, images.labels)
        ctx.artifact(path.name, ArtifactKind.EXPORT, "text/csv")
        return Result(metrics={}, exports=(ExportRef(format=form, path=path.name, parity=parity),))

    def predict(self, model: Path, image: Path) -> tuple[ClassScore, ...]:
        classes = json.loads((model / "labels.json").read_text())
        scores = parse((model / "model.json").read_text()).scores(read_pixels(image))
        named = [ClassScore(label=label, score=score) for label, score in zip(classes, scores, strict=True)]
        return tuple(sorted(named, key=lambda found: found.score, reverse=True))

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        return None


@dataclass
class _Images:
    """The pixels and labels of one split, in the version's own order."""

    pixels: list[Pixels]
    labels: list[int]

    @classmethod
    def of(cls, ctx: Context, split: Split) -> "_Images":
        labelled = [(sample.path, sample.label) for sample in ctx.data.samples(split) if sample.label is not None]
        return cls([read_pixels(path) for path, _ in labelled], [label for _, label in labelled])


@dataclass
class _Position:
    """How far training is: all that a checkpoint holds beside the weights."""

    step: int = 0
    best_top1: float = -1.0
    losses: list[float] = field(default_factory=list[float])  # of the epoch under way


class _Run:
    """One training. Everything random follows from seed and epoch, so a step is the same whoever takes it."""

    def __init__(self, ctx: Context, config: ToyConfig) -> None:
        self.ctx = ctx
        self.config = config
        self.training = _Images.of(ctx, Split.TRAIN)
        self.validation = _Images.of(ctx, Split.VAL)
        _check_data(ctx, self.training, self.validation)
        self.model: Classifier = MODELS[ctx.model].fresh(len(ctx.data.classes), config.seed)
        if ctx.parent:
            self.model = _begun_from(ctx, ctx.parent, self.model)
        self.position = _Position()
        if restored := ctx.restore():
            self.model, self.position = _read_checkpoint(restored)

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.training.labels) / self.config.batch)

    def train(self) -> None:
        for epoch in range(self.position.step // self.steps_per_epoch + 1, self.config.epochs + 1):
            self._train_epoch(epoch)

    def validate(self) -> dict[str, float]:
        found = [self._scores(pixels) for pixels in self.validation.pixels]
        right = sum(
            scores.index(max(scores)) == label for scores, label in zip(found, self.validation.labels, strict=True)
        )
        return {"top1": right / len(found)}

    def _scores(self, pixels: Pixels) -> list[float]:
        moved(self.ctx, self.config)
        return self.model.scores(pixels)

    def _train_epoch(self, epoch: int) -> None:
        began, images = time.monotonic(), 0
        for chosen in self._batches_left(epoch):
            self._step(epoch, chosen)
            images += len(chosen)
            if self.position.step % self.steps_per_epoch:
                self._told_mid_epoch(epoch)
        self._finish_epoch(epoch, images / max(time.monotonic() - began, 1e-9))

    def _batches_left(self, epoch: int) -> Iterator[list[int]]:
        order = list(range(len(self.training.labels)))
        random.Random(f"{self.config.seed}/{epoch}").shuffle(order)  # noqa: S311 - an order, not a secret
        done = self.position.step - (epoch - 1) * self.steps_per_epoch
        for start in range(done * self.config.batch, len(order), self.config.batch):
            yield order[start : start + self.config.batch]

    def _step(self, epoch: int, chosen: list[int]) -> None:
        step = self.position.step + 1
        misbehave(self.ctx, self.config, step)
        if self.ctx.stopping and not self.config.ignore_stop:
            self._save(epoch)
            raise Stopped
        pixels = [self.training.pixels[index] for index in chosen]
        labels = [self.training.labels[index] for index in chosen]
        loss = loss_of(self.config, step, self.model.learn(pixels, labels, self.config.lr0))
        if not math.isfinite(loss):
            raise NanLoss(f"the loss is {loss} at step {step}; lower lr0 (now {self.config.lr0})")
        self.position.step = step
        self.position.losses.append(loss)
        moved(self.ctx, self.config, step)

    def _told_mid_epoch(self, epoch: int) -> None:
        self.ctx.progress(
            epoch=epoch,
            epochs=self.config.epochs,
            step=self.position.step,
            steps=self.steps_per_epoch * self.config.epochs,
            metrics={"loss": self.position.losses[-1]},
        )
        if self.config.checkpoint_steps and self.position.step % self.config.checkpoint_steps == 0:
            self._save(epoch)

    def _finish_epoch(self, epoch: int, images_per_second: float) -> None:
        losses = self.position.losses
        metrics = {"loss": sum(losses) / len(losses), **self.validate()}
        self.position.losses = []
        best = metrics["top1"] > self.position.best_top1
        self.position.best_top1 = max(metrics["top1"], self.position.best_top1)
        self.ctx.progress(
            epoch=epoch,
            epochs=self.config.epochs,
            step=self.position.step,
            steps=self.steps_per_epoch * self.config.epochs,
            epoch_finished=True,
            images_per_second=images_per_second,
            metrics=metrics,
        )
        self._save(epoch, metrics, best)

    def _save(self, epoch: int, metrics: dict[str, float] | None = None, best: bool = False) -> None:
        self.ctx.checkpoint(
            _writer(self.model, self.position), epoch=epoch, step=self.position.step, metrics=metrics or {}, best=best
        )


def _check_data(ctx: Context, training: _Images, validation: _Images) -> None:
    if len(ctx.data.classes) < 2:
        raise DatasetInvalid(f"the data set has {len(ctx.data.classes)} class; classification needs 2 or more")
    for split, images in ((Split.TRAIN, training), (Split.VAL, validation)):
        if not images.labels:
            raise DatasetInvalid(f"the split {split} has no labelled image; training needs both train and val")
    if ctx.model not in MODELS:
        raise ConfigInvalid(f"model {ctx.model!r} is not known; there are {', '.join(MODELS)}")


def _begun_from(ctx: Context, parent: Parent, fresh: Classifier) -> Classifier:
    """What the parent knows of the classes that it shares with these data; new ones begin afresh."""
    known = parse((parent.path / "model.json").read_text())
    places = [parent.classes.index(name) if name in parent.classes else None for name in ctx.data.classes]
    if new := [name for name, place in zip(ctx.data.classes, places, strict=True) if place is None]:
        ctx.log.warning("%s does not know %s: begun afresh", parent.title, ", ".join(new))
    return fresh.taken_over(known, places)


def _writer(model: Classifier, position: _Position) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.json").write_text(dump(model))
        (folder / "position.json").write_text(json.dumps(asdict(position)))

    return write


def _read_checkpoint(restored: Restored) -> tuple[Classifier, _Position]:
    position = json.loads((restored.path / "position.json").read_text())
    return parse((restored.path / "model.json").read_text()), _Position(**position)


def _push_artifacts(ctx: Context, model: Classifier, classes: tuple[str, ...], metrics: dict[str, float]) -> None:
    (ctx.output / "model.json").write_text(dump(model))
    (ctx.output / "labels.json").write_text(json.dumps(classes))
    (ctx.output / "metrics.json").write_text(json.dumps(metrics))
    ctx.artifact("model.json", ArtifactKind.MODEL, "application/json")
    ctx.artifact("labels.json", ArtifactKind.LABELS, "application/json")
    ctx.artifact("metrics.json", ArtifactKind.METRICS, "application/json")
