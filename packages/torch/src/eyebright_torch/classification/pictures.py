"""Pictures for people: the confusion matrix, the curves, the worst mistakes. Files only; no window system is touched."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eyebright_torch.classification.metrics import Report
from eyebright_torch.classification.mistakes import Mistake
from eyebright_torch.preprocess import Pixels
from eyebright_torch.state import EpochRecord

_DPI = 120
_COLUMNS = 6
_NUMBERS_UP_TO = 25  # classes; beyond that numbers in the cells can't be read
_LABELS_UP_TO = 100  # beyond that every second, third … class is named on the axes
_NAME = 24  # characters of a class name


def confusion_matrix(path: Path, report: Report) -> None:
    """Rows are the true classes; colour is the share of a row, numbers are images."""
    count = len(report.classes)
    side = min(36.0, max(5.5, 2.5 + 0.34 * count))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    shares = report.confusion / np.maximum(1, report.support)[:, None]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= _NUMBERS_UP_TO:
        _write_counts(axes, report, shares)
    _name_axes(axes, report.classes)
    axes.set_title(f"Validation: {report.scores.top1:.1%} of {int(report.support.sum()):,} images right")
    figure.savefig(path, dpi=_DPI)


def curves(path: Path, history: Sequence[EpochRecord]) -> None:
    """Loss and accuracy over the epochs, of training and validation."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    _draw(loss, "Loss", history, {"training": "loss", "validation": "val_loss"})
    _draw(accuracy, "Accuracy", history, {"training (augmented)": "train_top1", "validation": "top1"})
    figure.savefig(path, dpi=_DPI)


def mistakes(path: Path, worst: Sequence[Mistake], squares: Pixels, validated: int) -> None:
    """A sheet of the images that the model gets wrong; `squares` [N, side, side, 3] belong to `worst`, one by one."""
    rows = max(1, math.ceil(len(worst) / _COLUMNS))
    figure = Figure(figsize=(2.1 * _COLUMNS, 2.6 * rows + 0.5), layout="constrained")
    figure.suptitle(_headline(len(worst), validated))
    grid = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for axes, mistake, square in zip(grid, worst, squares, strict=False):
        axes.imshow(square)
        title = f"{_short(mistake.predicted)}? ({mistake.score:.0%})\nis {_short(mistake.true)}"
        axes.set_title(title, fontsize=9, parse_math=False)
    figure.savefig(path, dpi=_DPI)


def _write_counts(axes: Axes, report: Report, shares: np.ndarray) -> None:
    for row, column in np.argwhere(report.confusion > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(report.confusion[row, column]), ha="center", va="center", color=colour, fontsize=8)


def _name_axes(axes: Axes, classes: Sequence[str]) -> None:
    places = range(0, len(classes), math.ceil(len(classes) / _LABELS_UP_TO))
    names = [_short(classes[place]) for place in places]
    upright = max(map(len, names)) <= 3
    axes.set_xticks(places, names, rotation=0 if upright else 90, fontsize=8, parse_math=False)
    axes.set_yticks(places, names, fontsize=8, parse_math=False)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")


def _draw(axes: Axes, title: str, history: Sequence[EpochRecord], lines: dict[str, str]) -> None:
    epochs = [record.epoch for record in history]
    for label, name in lines.items():
        axes.plot(epochs, [record.metrics[name] for record in history], marker=".", label=label)
    axes.set_title(title)
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()


def _headline(shown: int, validated: int) -> str:
    if not shown:
        return f"No mistake in {validated:,} validation images"
    return f"The worst mistakes among {validated:,} validation images (the model's answer, and what it is)"


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
