"""After training: hand over the best weights, what they are worth, and everything needed to use them."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from ultralytics.engine.trainer import BaseTrainer

from eyebright_kit.runtime import Context, Result
from eyebright_ultralytics.card import Facts, card
from eyebright_ultralytics.config import RunConfig
from eyebright_ultralytics.export import Workshop
from eyebright_ultralytics.hardware import Hardware
from eyebright_ultralytics.metrics import translated
from eyebright_ultralytics.tasks import Task
from eyebright_ultralytics.tree import images_of
from eyebright_ultralytics.watch import tick
from eyebright_ultralytics.weights import Pretrained
from eyebright_wire.artifacts import ArtifactKind, ExportRef
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage

_JSON = "application/json"
_BINARY = "application/octet-stream"
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg"}
#: What a checkpoint tells about the machine that it was made on.
_PRIVATE = ("data", "project", "name", "save_dir", "pretrained")


@dataclass(frozen=True)
class Delivery:
    """`everything()` leaves the artifacts and answers the result."""

    ctx: Context
    task: Task
    config: RunConfig
    hardware: Hardware
    trainer: BaseTrainer  # has trained; its best weights are evaluated
    tree: Path
    pretrained: Pretrained | None

    def everything(self) -> Result:
        self.ctx.stage(Stage.EVALUATING)
        self._json("metrics.json", self._report(), ArtifactKind.METRICS)
        self._made(
            "results.csv", lambda path: shutil.copyfile(self.trainer.csv, path), ArtifactKind.METRICS, "text/csv"
        )
        self._pictures()
        self.ctx.stage(Stage.EXPORTING)
        self._weights()
        exports = tuple(self._exports())
        self._papers(exports)
        return Result(metrics=self.metrics, exports=exports)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Of the best weights, on the whole validation split."""
        return translated(self.trainer.metrics)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """The figures of each epoch, those of earlier attempts too."""
        with self.trainer.csv.open(newline="") as file:
            rows = [{name.strip(): float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        return [{"epoch": row["epoch"], **translated(row)} for row in rows]

    @property
    def labels(self) -> dict[str, Any]:
        return {
            "classes": list(self.ctx.data.classes),
            "architecture": self.ctx.model,
            "task": self.ctx.task,
            "imgsz": self.config.imgsz,
            "keypoints": self._keypoints(),
        }

    def _keypoints(self) -> list[str]:
        """Their names, as far as they have any; as many as the model has."""
        points = self.trainer.data.get("kpt_shape", (0,))[0]
        longest = max((skeleton.keypoints for skeleton in self.ctx.data.skeletons.values()), key=len, default=())
        return [*longest, *(str(number) for number in range(len(longest), points))]

    # Evaluated

    def _report(self) -> dict[str, Any]:
        return {
            "metrics": self.metrics,
            "classes": list(self._by_class()),
            "best_epoch": self.trainer.best_epoch,
            "epochs": self.history,
        }

    def _by_class(self) -> Iterator[dict[str, Any]]:
        """Of the boxes, for each class that the validation split shows. A classifier has no such figures."""
        box = getattr(self.trainer.validator.metrics, "box", None)
        for place, number in enumerate(box.ap_class_index if box else ()):
            precision, recall, half, mean = map(float, box.class_result(place))
            name = self.ctx.data.classes[int(number)]
            yield {"class": name, "precision": precision, "recall": recall, "mAP50": half, "mAP50-95": mean}

    def _pictures(self) -> None:
        for drawn in sorted(self.trainer.save_dir.iterdir()):
            if media_type := _PICTURES.get(drawn.suffix):
                self._made(drawn.name, lambda path, drawn=drawn: drawn.rename(path), ArtifactKind.PICTURE, media_type)

    # Exported

    def _weights(self) -> None:
        checkpoint = self._best()
        tensors = {name: tensor.contiguous() for name, tensor in checkpoint["model"].state_dict().items()}
        origin = {"labels": json.dumps(self.labels)}  # one entry: safetensors writes several in an order that differs
        self._made("model.safetensors", lambda p: save_file(tensors, p, metadata=origin), ArtifactKind.MODEL, _BINARY)
        self._made("best.pt", lambda path: torch.save(self._public(checkpoint), path), ArtifactKind.MODEL, _BINARY)
        self._json("labels.json", self.labels, ArtifactKind.LABELS)
        self._json("config.json", self.config.model_dump(mode="json"), ArtifactKind.CONFIG)

    def _best(self) -> dict[str, Any]:
        """From the file that this very run, or a verified checkpoint of it, has written."""
        return torch.load(self.trainer.best, map_location="cpu", weights_only=False)

    def _public(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """With the classes' own names, and without what tells of this machine."""
        model = checkpoint["model"]
        model.names = dict(enumerate(self.ctx.data.classes))
        if hasattr(model, "args"):  # a classifier has none
            model.args = _without(model.args)
        arguments = _without(checkpoint["train_args"])
        return {key: value for key, value in checkpoint.items() if key != "git"} | {"train_args": arguments}

    def _exports(self) -> Iterator[ExportRef]:
        bench = self.ctx.scratch / "export"
        bench.mkdir()
        source = shutil.copyfile(self.trainer.best, bench / "model.pt")
        workshop = Workshop(source, self.tree, self.task, self.config, partial(tick, self.ctx))
        for form in dict.fromkeys(self.config.exports):
            made, parity = workshop.export(form)
            yield ExportRef(format=form, path=hand_over(self.ctx, made), parity=parity)

    def _papers(self, exports: tuple[ExportRef, ...]) -> None:
        facts = Facts(
            spec=self.ctx.spec,
            task=self.task,
            config=self.config,
            hardware=self.hardware,
            classes=self.ctx.data.classes,
            images={split.value: images_of(self.ctx.data, self.task, split) for split in Split},
            metrics=self.metrics,
            best_epoch=self.trainer.best_epoch,
            epochs=len(self.history),
            pretrained=self.pretrained,
            exports=exports,
        )
        self._made("model_card.md", lambda p: p.write_text(card(facts)), ArtifactKind.CARD, "text/markdown")
        licence = distribution("ultralytics").read_text("licenses/LICENSE") or ""
        self._made("LICENCE.txt", lambda path: path.write_text(licence), ArtifactKind.CARD, "text/plain")

    def _json(self, name: str, content: dict[str, Any], kind: ArtifactKind) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        self._made(name, lambda path: path.write_text(text, encoding="utf-8"), kind, _JSON)

    def _made(self, name: str, make: Callable[[Path], object], kind: ArtifactKind, media_type: str) -> None:
        tick(self.ctx)
        make(self.ctx.output / name)
        self.ctx.artifact(name, kind, media_type)


def hand_over(ctx: Context, made: Path) -> str:
    """The path of the export's first artifact: openvino makes a folder of several files."""
    files = sorted(made.iterdir(), reverse=True) if made.is_dir() else [made]
    paths = [str(file.relative_to(made.parent)) for file in files]
    for file, path in zip(files, paths, strict=True):
        tick(ctx)
        (ctx.output / path).parent.mkdir(exist_ok=True)
        file.rename(ctx.output / path)
        ctx.artifact(path, ArtifactKind.EXPORT, _BINARY)
    return paths[0]


def _without(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in _PRIVATE}
