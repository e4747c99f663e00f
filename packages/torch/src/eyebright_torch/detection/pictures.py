"""Pictures of a detector for people: confusion, curves, precision over recall, and what it sees in validation images."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from eyebright_torch.detection.evaluate import Seen
from eyebright_torch.detection.metrics import Verdict
from eyebright_torch.detection.objects import Objects, inside
from eyebright_torch.pictures import DPI, draw_curves, matrix, short
from eyebright_torch.preprocess import Pixels
from eyebright_torch.state import EpochRecord

_COLUMNS = 4
_NAMED_UP_TO = 10  # classes in a legend
_NOTHING = "nothing"


def confusion_matrix(path: Path, counts: NDArray[np.int64], verdict: Verdict) -> None:
    title = f"Validation: overlap of half and more, scores from {verdict.best_score:.2f}"
    matrix(path, (*verdict.classes, _NOTHING), counts, title)


def curves(path: Path, history: Sequence[EpochRecord], losses: Sequence[str], goals: Sequence[str]) -> None:
    """The losses of training and the goals of validation over the epochs."""
    named = {"all": "loss", **{name: name for name in losses}}
    draw_curves(path, history, {"Training loss": named, "Validation": {name: name for name in goals}})


def precision_over_recall(path: Path, verdict: Verdict) -> None:
    """At the overlap 0.5: a line for each of the first classes, and the mean over all."""
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    shown = np.flatnonzero(verdict.objects > 0)
    for label in shown[:_NAMED_UP_TO]:
        text = f"{short(verdict.classes[label])} ({verdict.average_half[label]:.3f})"
        (line,) = axes.plot(verdict.recall_curve[label], verdict.precision_curve[label], linewidth=1)
        line.set_label(text.replace("_", " "))  # a leading underscore would hide it
    mean = [curve[shown].mean(axis=0) for curve in (verdict.recall_curve, verdict.precision_curve)]
    axes.plot(*mean, color="black", linewidth=2, label=f"mean ({np.nanmean(verdict.average_half):.3f})")
    axes.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1.01), ylim=(0, 1.01), title="Validation, overlap 0.5")
    for text in axes.legend().get_texts():
        text.set_parse_math(False)
    figure.savefig(path, dpi=DPI)


def validation(
    path: Path, squares: Pixels, objects: Sequence[Objects], seen: Sequence[Seen], classes: Sequence[str], score: float
) -> None:
    """Images of the validation split with what is there (green) and what is found (red, with its score)."""
    rows = math.ceil(len(squares) / _COLUMNS)
    figure = Figure(figsize=(3.5 * _COLUMNS, 3.6 * rows + 0.4), layout="constrained")
    figure.suptitle(f"Green: what is there. Red: what is found, scores from {score:.2f}")
    grid = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for axes, square, there, found in zip(grid, squares, objects, seen, strict=False):
        axes.imshow(square)
        for box in there.boxes:
            _box(axes, box, "lime")
        _finds(axes, found, classes, score)
    figure.savefig(path, dpi=DPI)


def _finds(axes: Axes, found: Seen, classes: Sequence[str], score: float) -> None:
    for place in np.flatnonzero(found.finds.scores >= score):
        box = found.finds.boxes[place]
        _box(axes, box, "red")
        text = f"{short(classes[found.finds.labels[place]])} {found.finds.scores[place]:.2f}"
        axes.text(box[0], box[1], text, color="red", fontsize=7, va="bottom", parse_math=False)
        if found.masks:
            axes.contour(inside(found.masks[place]), levels=[0.5], colors="yellow", linewidths=0.8)


def _box(axes: Axes, box: NDArray[np.float32], colour: str) -> None:
    """Pictures count from the middle of the first pixel."""
    left, top, right, bottom = box - 0.5
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.2))
