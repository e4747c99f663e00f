"""What a classifier is worth, from its logits or from sums over them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]
Confusion = NDArray[np.int64]  # [true class, predicted class]

TOP5_FROM = 5  # below that many classes, being among the best five says nothing


@dataclass(frozen=True)
class Scores:
    """The short verdict after an epoch."""

    loss: float
    top1: float
    top5: float | None = None

    def as_metrics(self) -> dict[str, float]:
        named = {"val_loss": self.loss, "top1": self.top1, "top5": self.top5}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Report:
    """The whole verdict on the final model."""

    scores: Scores
    classes: tuple[str, ...]
    confusion: Confusion

    @property
    def precision(self) -> NDArray[np.float64]:
        return _share(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def recall(self) -> NDArray[np.float64]:
        return _share(self.confusion.diagonal(), self.confusion.sum(axis=1))

    @property
    def f1(self) -> NDArray[np.float64]:
        hits = 2 * self.confusion.diagonal()
        return _share(hits, self.confusion.sum(axis=0) + self.confusion.sum(axis=1))

    @property
    def support(self) -> NDArray[np.int64]:
        return self.confusion.sum(axis=1)

    @property
    def macro_f1(self) -> float:
        """The mean over the classes that the validation split has."""
        return float(self.f1[self.support > 0].mean())

    def as_json(self) -> dict[str, Any]:
        rows = zip(self.classes, self.precision, self.recall, self.f1, self.support, strict=True)
        return {
            "split": "val",
            "samples": int(self.support.sum()),
            "top1": self.scores.top1,
            **({} if self.scores.top5 is None else {"top5": self.scores.top5}),
            "loss": self.scores.loss,
            "macro_f1": self.macro_f1,
            "per_class": [
                {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
                for name, p, r, f, n in rows
            ],
            "confusion_matrix": {"rows": "true", "columns": "predicted", "counts": self.confusion.tolist()},
        }


def report(logits: Logits, labels: Labels, classes: tuple[str, ...]) -> Report:
    """The verdict on raw outputs [N, classes] and their true classes [N]; N is 1 or more."""
    losses = cross_entropy(logits, labels)
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, logits.argmax(axis=1)), 1)
    top5 = _top(5, logits, labels) if len(classes) >= TOP5_FROM else None
    scores = Scores(float(losses.mean()), float(confusion.trace() / len(labels)), top5)
    return Report(scores, classes, confusion)


def cross_entropy(logits: Logits, labels: Labels) -> NDArray[np.float64]:
    """The loss of each sample, in nats."""
    wide = logits.astype(np.float64)
    peak = wide.max(axis=1)
    total = np.log(np.exp(wide - peak[:, None]).sum(axis=1)) + peak
    return total - wide[np.arange(len(labels)), labels]


def _top(count: int, logits: Logits, labels: Labels) -> float:
    best = np.argpartition(-logits, count - 1, axis=1)[:, :count]
    return float((best == labels[:, None]).any(axis=1).mean())


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """0 where there is nothing to share."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
