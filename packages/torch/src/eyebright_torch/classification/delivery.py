"""After training: judge the best weights exactly, export them with proof, and hand everything over."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from eyebright_kit.runtime import Context, Result, Stopped
from eyebright_torch.classification import evaluate, export, mistakes
from eyebright_torch.classification.card import Facts, card
from eyebright_torch.classification.data import batches, in_order
from eyebright_torch.classification.framework import Credits
from eyebright_torch.classification.metrics import Logits, Report, report
from eyebright_torch.classification.mistakes import Mistake
from eyebright_torch.classification.task import Classification
from eyebright_torch.state import EpochRecord, RunState
from eyebright_torch.weights import Pretrained, stored
from eyebright_wire.artifacts import ArtifactKind, ExportRef
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage

_JSON = "application/json"
_BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Delivery:
    """`everything()` leaves the artifacts and answers the result."""

    ctx: Context
    task: Classification
    model: nn.Module  # holds the best weights
    state: RunState
    credits: Credits
    pretrained: Pretrained | None

    def everything(self) -> Result:
        self.ctx.stage(Stage.EVALUATING)
        logits = self._logits()
        verdict = report(logits, self.task.val.labels, self.ctx.data.classes)
        wrong = mistakes.worst(logits, self.task.val.labels, verdict.classes, self._sources())
        self._pictures(verdict, wrong)
        self._json("metrics.json", self._metrics(verdict, wrong), ArtifactKind.METRICS)
        self.ctx.stage(Stage.EXPORTING)
        self._weights()
        exports = self._exports(logits)
        self._card(verdict, exports)
        return Result(metrics=self._summary(verdict), exports=exports)

    @property
    def labels(self) -> dict[str, Any]:
        return {
            "task": self.ctx.task,
            "classes": list(self.ctx.data.classes),
            "architecture": self.ctx.model,
            "preprocessing": self.task.rule.as_json(),
            "output": "logits; softmax gives scores",
        }

    def _logits(self) -> Logits:
        steps = in_order(len(self.task.val), self.task.config.batch)
        with closing(batches(self.task.val, steps, self.task.hardware.device)) as loaded:
            return evaluate.logits(self.model, loaded, self.task.rule, self._tick)

    def _tick(self) -> None:
        """The checkpoint of the last epoch holds all that is needed to come back here."""
        self.ctx.step()
        if self.ctx.stopping:
            raise Stopped

    def _sources(self) -> list[str]:
        return [sample.source for sample in self.ctx.data.samples(Split.VAL)]

    def _pictures(self, verdict: Report, wrong: list[Mistake]) -> None:
        from eyebright_torch.classification import pictures  # here, because matplotlib takes a second to import

        squares = self.task.val.take(np.array([mistake.index for mistake in wrong], dtype=np.int64))
        drawings: dict[str, Callable[[Path], None]] = {
            "confusion_matrix.png": lambda path: pictures.confusion_matrix(path, verdict),
            "curves.png": lambda path: pictures.curves(path, self.state.history),
            "mistakes.png": lambda path: pictures.mistakes(path, wrong, squares, len(self.task.val)),
        }
        for name, draw in drawings.items():
            self._tick()
            self._made(name, draw, ArtifactKind.PICTURE, "image/png")

    def _metrics(self, verdict: Report, wrong: list[Mistake]) -> dict[str, Any]:
        return {
            **verdict.as_json(),
            "best_epoch": self.state.best_epoch,
            "epochs": [_as_json(record) for record in self.state.history],
            "worst_mistakes": [mistake.as_json() for mistake in wrong],
        }

    def _weights(self) -> None:
        tensors = stored(self.model)
        origin = {"labels": json.dumps(self.labels)}  # one entry: safetensors writes several in an order that differs
        self._made("model.safetensors", lambda p: save_file(tensors, p, metadata=origin), ArtifactKind.MODEL, _BINARY)
        self._made("model.pth", lambda p: torch.save(tensors, p), ArtifactKind.MODEL, _BINARY)
        self._json("labels.json", self.labels, ArtifactKind.LABELS)
        self._json("config.json", self.task.config.model_dump(mode="json"), ArtifactKind.CONFIG)

    def _exports(self, logits: Logits) -> tuple[ExportRef, ...]:
        if "onnx" not in self.task.config.exports:
            return ()
        self._tick()
        path = self.ctx.output / "model.onnx"
        export.to_onnx(self.model, path, self.task.config.imgsz, self.labels)
        squares = (self.task.val.take(step) for step in in_order(len(self.task.val), self.task.config.batch))
        parity = export.certify(
            path,
            logits,
            self.task.val.labels,
            squares,
            self.task.rule,
            self.task.config.export_tolerance,
            self.task.hardware.threads,
            self._tick,
        )
        self.ctx.artifact(path.name, ArtifactKind.EXPORT, _BINARY)
        return (ExportRef(format="onnx", path=path.name, parity=parity),)

    def _card(self, verdict: Report, exports: tuple[ExportRef, ...]) -> None:
        facts = Facts(
            spec=self.ctx.spec,
            config=self.task.config,
            images={split.value: len(self.ctx.data.samples(split)) for split in Split},
            device=_device_name(self.task.hardware.device),
            precision=str(self.task.hardware.precision or torch.float32).removeprefix("torch."),
            state=self.state,
            report=verdict,
            rule=self.task.rule,
            credits=self.credits,
            pretrained=self.pretrained,
            exports=exports,
        )
        self._made("model_card.md", lambda p: p.write_text(card(facts)), ArtifactKind.CARD, "text/markdown")

    def _summary(self, verdict: Report) -> dict[str, float]:
        state = self.state
        extra = {"macro_f1": verdict.macro_f1, "best_epoch": state.best_epoch, "epochs": len(state.history)}
        return {**verdict.scores.as_metrics(), **extra}

    def _json(self, name: str, content: dict[str, Any], kind: ArtifactKind) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        self._made(name, lambda path: path.write_text(text, encoding="utf-8"), kind, _JSON)

    def _made(self, name: str, make: Callable[[Path], object], kind: ArtifactKind, media_type: str) -> None:
        make(self.ctx.output / name)
        self.ctx.artifact(name, kind, media_type)


def _as_json(record: EpochRecord) -> dict[str, Any]:
    """With `top5` even where there are too few classes for it."""
    names = ("loss", "train_top1", "val_loss", "top1", "top5", "lr")
    return {"epoch": record.epoch, **{name: record.metrics.get(name) for name in names}}


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
