"""After training: judge the best weights, export them with proof, and hand everything over."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from eyebright_kit.runtime import Result
from eyebright_torch.artifacts import Artifacts
from eyebright_torch.card import Facts
from eyebright_torch.detection import export
from eyebright_torch.detection.card import card
from eyebright_torch.detection.evaluate import Seen
from eyebright_torch.detection.inference import OUTPUTS
from eyebright_torch.detection.metrics import Verdict, confusion
from eyebright_torch.detection.task import MASK, Detection
from eyebright_torch.exporting import to_onnx
from eyebright_torch.fit import Run
from eyebright_torch.images import in_order
from eyebright_torch.state import RunState
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.jobs import Stage

_SHOWN = 16  # images on the sheet


@dataclass(frozen=True)
class Delivery:
    """`everything()` leaves the artifacts and answers the result."""

    run: Run
    task: Detection
    model: nn.Module  # holds the best weights
    state: RunState

    def everything(self) -> Result:
        self.run.ctx.stage(Stage.EVALUATING)
        steps = in_order(len(self.task.val), self.task.config.batch)
        seen = self.task.seen(self.model, steps, self._artifacts.tick)
        boxes, masks = self.task.verdict(seen)
        counts = confusion(seen, self.task.truth, len(self.task.classes), (masks or boxes).best_score)
        self._pictures(seen, masks or boxes, counts)
        self._artifacts.metrics(self._metrics(boxes, masks, counts))
        self.run.ctx.stage(Stage.EXPORTING)
        self._artifacts.weights(self.model, self.labels)
        self._artifacts.papers(self.labels, self.run.config)
        exports = self.exports()
        text = card(Facts.of(self.run, self.state, exports), boxes, masks, self.task.suppression)
        self._artifacts.card(text)
        return Result(metrics=self._summary(boxes, masks), exports=exports)

    @cached_property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self.run.ctx)

    @property
    def labels(self) -> dict[str, Any]:
        return {
            "classes": list(self.task.classes),
            "architecture": self.run.ctx.model,
            "task": self.run.ctx.task,
            "preprocessing": self.task.rule.as_json(),
            "output": "boxes as 0…1 of the square, scores 0…1",
            "score": self.task.config.score,
            "max_detections": self.task.config.max_detections,
            "suppression": self.task.suppression,
        }

    def _pictures(self, seen: list[Seen], verdict: Verdict, counts: NDArray[np.int64]) -> None:
        from eyebright_torch.detection import pictures  # here, because matplotlib takes a second to import

        task, shown = self.task, np.arange(min(_SHOWN, len(seen)))
        squares, objects = task.val.take(shown), [task.truth[index] for index in shown.tolist()]
        goals = [name for name in self.state.history[0].metrics if name.endswith(("mAP50", "mAP50-95"))]
        score = max(task.config.score, verdict.best_score)
        self._artifacts.pictures(
            {
                "confusion_matrix.png": lambda path: pictures.confusion_matrix(path, counts, verdict),
                "curves.png": lambda path: pictures.curves(path, self.state.history, task.tallies, goals),
                "precision_recall.png": lambda path: pictures.precision_over_recall(path, verdict),
                "validation.png": lambda path: pictures.validation(path, squares, objects, seen, task.classes, score),
            }
        )

    def _metrics(self, boxes: Verdict, masks: Verdict | None, counts: NDArray[np.int64]) -> dict[str, Any]:
        chosen = masks or boxes
        return {
            "split": "val",
            "samples": len(self.task.val),
            "metrics": _figures(boxes, masks),
            "best_score": chosen.best_score,
            "per_class": list(chosen.by_class()),
            "confusion_matrix": {
                "rows": "true, and last what is not there",
                "columns": "found, and last what was not found",
                "counts": counts.tolist(),
            },
            "best_epoch": self.state.best_epoch,
            "epochs": [{"epoch": record.epoch, **record.metrics} for record in self.state.history],
        }

    def exports(self) -> tuple[ExportRef, ...]:
        """The forms that the settings name, with their certificates."""
        task = self.task
        if "onnx" not in task.config.exports:
            return ()
        self._artifacts.tick()
        path = self.run.ctx.output / "model.onnx"
        to_onnx(self.model, path, task.config.imgsz, self.labels, OUTPUTS[: 3 if task.outlines else 2], any_batch=False)
        parity = export.certify(path, self.model, task, self._artifacts.tick)
        self._artifacts.exported(path.name)
        return (ExportRef(format="onnx", path=path.name, parity=parity),)

    def _summary(self, boxes: Verdict, masks: Verdict | None) -> dict[str, float]:
        extra = {"best_epoch": float(self.state.best_epoch), "epochs": float(len(self.state.history))}
        return {**_figures(boxes, masks), **extra}


def _figures(boxes: Verdict, masks: Verdict | None) -> dict[str, float]:
    return {**boxes.as_metrics(), **(masks.as_metrics(MASK) if masks else {})}
