"""After training: judge the best weights exactly, export them with proof, and hand everything over."""

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from eyebright_kit.runtime import Result
from eyebright_torch.artifacts import Artifacts
from eyebright_torch.card import Facts
from eyebright_torch.exporting import to_onnx
from eyebright_torch.fit import Run
from eyebright_torch.images import in_order
from eyebright_torch.segmentation import evaluate, export
from eyebright_torch.segmentation.card import card
from eyebright_torch.segmentation.data import Batch, batches
from eyebright_torch.segmentation.evaluate import Count
from eyebright_torch.segmentation.inference import OUTPUT
from eyebright_torch.segmentation.metrics import Report
from eyebright_torch.segmentation.task import Segmentation
from eyebright_torch.state import EpochRecord, RunState
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.jobs import Stage

_SHOWN = 6  # of the worst images


@dataclass(frozen=True)
class Delivery:
    """`everything()` leaves the artifacts and answers the result."""

    run: Run
    task: Segmentation
    model: nn.Module  # holds the best weights
    state: RunState

    def everything(self) -> Result:
        self.run.ctx.stage(Stage.EVALUATING)
        count = Count(self.task.classes, self.task.hardware)
        shares = self._judged(count)
        verdict, worst = count.report(), np.argsort(shares, kind="stable")[:_SHOWN]
        self._pictures(verdict, worst, shares)
        self._artifacts.metrics(self._metrics(verdict, worst, shares))
        self.run.ctx.stage(Stage.EXPORTING)
        self._artifacts.weights(self.model, self.labels)
        self._artifacts.papers(self.labels, self.run.config)
        exports = self.exports()
        self._artifacts.card(card(Facts.of(self.run, self.state, exports), verdict))
        return Result(metrics=self._summary(verdict), exports=exports)

    @cached_property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self.run.ctx)

    @property
    def labels(self) -> dict[str, Any]:
        return {
            "task": self.run.ctx.task,
            "classes": list(self.task.classes),
            "architecture": self.run.ctx.model,
            "preprocessing": self.task.rule.as_json(),
            "output": "logits of each pixel; the greatest is its class",
        }

    def _judged(self, count: Count) -> NDArray[np.float64]:
        """The share of each validation image's pixels that are right."""
        steps = in_order(len(self.task.val), self.task.config.batch)
        with closing(batches(self.task.val, steps, self.task.hardware.device)) as loaded:
            return evaluate.judge(self.model, loaded, count, self.task.rule, self._artifacts.tick)

    def _pictures(self, verdict: Report, worst: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
        from eyebright_torch.segmentation import pictures  # here, because matplotlib takes a second to import

        squares = self.task.val.take(worst)
        batch = Batch(torch.from_numpy(squares).to(self.task.hardware.device))
        answers = evaluate.exact(self.model, batch, self.task.rule).argmax(dim=1).to(torch.uint8).cpu().numpy()

        def worst_ones(path: Path) -> None:
            pictures.worst(path, squares[..., :3], squares[..., 3], answers, shares[worst].tolist())

        self._artifacts.pictures(
            {
                "confusion_matrix.png": lambda path: pictures.confusion_matrix(path, verdict),
                "curves.png": lambda path: pictures.curves(path, self.state.history),
                "worst.png": worst_ones,
            }
        )

    def _metrics(self, verdict: Report, worst: NDArray[np.int64], shares: NDArray[np.float64]) -> dict[str, Any]:
        sources = self.task.val.samples
        return {
            **verdict.as_json(),
            "best_epoch": self.state.best_epoch,
            "epochs": [_as_json(record) for record in self.state.history],
            "worst_images": [
                {"source": sources[int(index)].source, "pixel_accuracy": float(shares[index])} for index in worst
            ],
        }

    def exports(self) -> tuple[ExportRef, ...]:
        """The forms that the settings name, with their certificates."""
        if "onnx" not in self.task.config.exports:
            return ()
        self._artifacts.tick()
        path = self.run.ctx.output / "model.onnx"
        to_onnx(self.model, path, self.task.config.imgsz, self.labels, (OUTPUT,))
        parity = export.certify(path, self.model, self.task, self._artifacts.tick)
        self._artifacts.exported(path.name)
        return (ExportRef(format="onnx", path=path.name, parity=parity),)

    def _summary(self, verdict: Report) -> dict[str, float]:
        return {**verdict.as_metrics(), "best_epoch": self.state.best_epoch, "epochs": len(self.state.history)}


def _as_json(record: EpochRecord) -> dict[str, Any]:
    return {"epoch": record.epoch, **record.metrics}
