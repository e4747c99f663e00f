"""What a segmenter is worth, from how often pixels of each class are taken for each other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Confusion = NDArray[np.int64]  # [true class, predicted class], in pixels


@dataclass(frozen=True)
class Report:
    """The verdict on a split. Pixels that nobody knows count nowhere."""

    classes: tuple[str, ...]
    confusion: Confusion
    loss: float

    @property
    def support(self) -> NDArray[np.int64]:
        """Pixels of each class."""
        return self.confusion.sum(axis=1)

    @property
    def union(self) -> NDArray[np.int64]:
        """Pixels that are of each class or were taken for it."""
        return self.support + self.confusion.sum(axis=0) - self.confusion.diagonal()

    @property
    def iou(self) -> NDArray[np.float64]:
        """Of each class; NaN where there is nothing of it, neither in truth nor in the answers."""
        return _share(self.confusion.diagonal(), self.union)

    @property
    def recall(self) -> NDArray[np.float64]:
        """The share of each class's pixels that are found; NaN where there is none."""
        return _share(self.confusion.diagonal(), self.support)

    @property
    def miou(self) -> float:
        """The mean over the classes that the split or an answer has."""
        return _mean(self.iou)

    @property
    def pixel_accuracy(self) -> float:
        return float(self.confusion.trace() / max(1, self.confusion.sum()))

    def as_metrics(self) -> dict[str, float]:
        return {
            "val_loss": self.loss,
            "mIoU": self.miou,
            "pixel_accuracy": self.pixel_accuracy,
            "mean_accuracy": _mean(self.recall),
        }

    def as_json(self) -> dict[str, Any]:
        rows = zip(self.classes, self.iou, self.recall, self.support, strict=True)
        metrics = self.as_metrics()
        return {
            "split": "val",
            "pixels": int(self.support.sum()),
            "loss": metrics.pop("val_loss"),
            **metrics,
            "per_class": [
                {"class": name, "iou": _told(iou), "accuracy": _told(found), "pixels": int(pixels)}
                for name, iou, found, pixels in rows
            ],
            "confusion_matrix": {"rows": "true", "columns": "predicted", "counts": self.confusion.tolist()},
        }


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _mean(values: NDArray[np.float64]) -> float:
    """Of what there is; 0 of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def _told(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if np.isnan(value) else float(value)
