"""After training: judge the best weights exactly, export them with proof, and hand everything over."""

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from eyebright_kit.runtime import Result
from eyebright_torch.artifacts import Artifacts
from eyebright_torch.card import Facts
from eyebright_torch.classification import evaluate, export, mistakes
from eyebright_torch.classification.card import card
from eyebright_torch.classification.data import batches
from eyebright_torch.classification.inference import OUTPUT
from eyebright_torch.classification.metrics import Logits, Report, report
from eyebright_torch.classification.mistakes import Mistake
from eyebright_torch.classification.task import Classification
from eyebright_torch.exporting import to_onnx
from eyebright_torch.fit import Run
from eyebright_torch.images import in_order
from eyebright_torch.state import EpochRecord, RunState
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage


@dataclass(frozen=True)
class Delivery:
    """`everything()` leaves the artifacts and answers the result."""

    run: Run
    task: Classification
    model: nn.Module  # holds the best weights
    state: RunState

    def everything(self) -> Result:
        self.run.ctx.stage(Stage.EVALUATING)
        logits = self._logits()
        verdict = report(logits, self.task.val_labels, self.run.ctx.data.classes)
        wrong = mistakes.worst(logits, self.task.val_labels, verdict.classes, self._sources())
        self._pictures(verdict, wrong)
        self._artifacts.metrics(self._metrics(verdict, wrong))
        self.run.ctx.stage(Stage.EXPORTING)
        self._artifacts.weights(self.model, self.labels)
        self._artifacts.papers(self.labels, self.run.config)
        exports = self._exports(logits)
        self._artifacts.card(card(Facts.of(self.run, self.state, exports), verdict))
        return Result(metrics=self._summary(verdict), exports=exports)

    def exports(self) -> tuple[ExportRef, ...]:
        """Nothing but these."""
        return self._exports(self._logits())

    @cached_property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self.run.ctx)

    @property
    def labels(self) -> dict[str, Any]:
        return {
            "classes": list(self.run.ctx.data.classes),
            "architecture": self.run.ctx.model,
            "task": self.run.ctx.task,
            "preprocessing": self.task.rule.as_json(),
            "output": "logits; softmax gives scores",
        }

    def _logits(self) -> Logits:
        steps = in_order(len(self.task.val), self.task.config.batch)
        with closing(batches(self.task.val, self.task.val_labels, steps, self.task.hardware.device)) as loaded:
            return evaluate.logits(self.model, loaded, self.task.rule, self._artifacts.tick)

    def _sources(self) -> list[str]:
        return [sample.source for sample in self.run.ctx.data.samples(Split.VAL)]

    def _pictures(self, verdict: Report, wrong: list[Mistake]) -> None:
        from eyebright_torch.classification import pictures  # here, because matplotlib takes a second to import

        squares = self.task.val.take(np.array([mistake.index for mistake in wrong], dtype=np.int64))
        self._artifacts.pictures(
            {
                "confusion_matrix.png": lambda path: pictures.confusion_matrix(path, verdict),
                "curves.png": lambda path: pictures.curves(path, self.state.history),
                "mistakes.png": lambda path: pictures.mistakes(path, wrong, squares, len(self.task.val)),
            }
        )

    def _metrics(self, verdict: Report, wrong: list[Mistake]) -> dict[str, Any]:
        return {
            **verdict.as_json(),
            "best_epoch": self.state.best_epoch,
            "epochs": [_as_json(record) for record in self.state.history],
            "worst_mistakes": [mistake.as_json() for mistake in wrong],
        }

    def _exports(self, logits: Logits) -> tuple[ExportRef, ...]:
        config = self.task.config
        if "onnx" not in config.exports:
            return ()
        self._artifacts.tick()
        path = self.run.ctx.output / "model.onnx"
        to_onnx(self.model, path, config.imgsz, self.labels, (OUTPUT,))
        squares = (self.task.val.take(step) for step in in_order(len(self.task.val), config.batch))
        parity = export.certify(
            path,
            logits,
            self.task.val_labels,
            squares,
            self.task.rule,
            config.export_tolerance,
            self.task.hardware.threads,
            self._artifacts.tick,
        )
        self._artifacts.exported(path.name)
        return (ExportRef(format="onnx", path=path.name, parity=parity),)

    def _summary(self, verdict: Report) -> dict[str, float]:
        state = self.state
        extra = {"macro_f1": verdict.macro_f1, "best_epoch": state.best_epoch, "epochs": len(state.history)}
        return {**verdict.scores.as_metrics(), **extra}


def _as_json(record: EpochRecord) -> dict[str, Any]:
    """With `top5` even where there are too few classes for it."""
    names = ("loss", "train_top1", "val_loss", "top1", "top5", "lr")
    return {"epoch": record.epoch, **{name: record.metrics.get(name) for name in names}}
