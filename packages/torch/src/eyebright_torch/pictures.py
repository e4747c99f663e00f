"""Pictures for people that several tasks draw. Files only; no window system is touched."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from eyebright_torch.state import EpochRecord

DPI = 120
#: The curves of a loss: what stands beside each, and its metric.
LOSSES = {"training": "loss", "validation": "val_loss"}

_NUMBERS_UP_TO = 25  # classes; beyond that numbers in the cells can't be read
_LABELS_UP_TO = 100  # beyond that every second, third … class is named on the axes
_NAME = 24  # characters of a class name


def matrix(
    path: Path, classes: Sequence[str], confusion: NDArray[np.int64], title: str, as_shares: bool = False
) -> None:
    """`confusion` is [true class, predicted class]; colour is the share of a row. The numbers are those of `confusion`, or the
    shares in percent."""
    count = len(classes)
    side = min(36.0, max(5.5, 2.5 + 0.34 * count))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    shares = confusion / np.maximum(1, confusion.sum(axis=1))[:, None]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= _NUMBERS_UP_TO:
        _write_numbers(axes, np.rint(100 * shares).astype(np.int64) if as_shares else confusion, shares)
    _name_axes(axes, classes)
    axes.set_title(title)
    figure.savefig(path, dpi=DPI)


def draw_curves(path: Path, history: Sequence[EpochRecord], panels: Mapping[str, Mapping[str, str]]) -> None:
    """Metrics over the epochs: for each panel its title, and the metrics that it shows by their labels."""
    figure = Figure(figsize=(5 * len(panels), 4), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True):
        _draw(axes, title, history, lines)
    figure.savefig(path, dpi=DPI)


def short(name: str) -> str:
    """A class name as it fits into a picture."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _write_numbers(axes: Axes, numbers: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for row, column in np.argwhere(numbers > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(numbers[row, column]), ha="center", va="center", color=colour, fontsize=8)


def _name_axes(axes: Axes, classes: Sequence[str]) -> None:
    places = range(0, len(classes), math.ceil(len(classes) / _LABELS_UP_TO))
    names = [short(classes[place]) for place in places]
    upright = max(map(len, names)) <= 3
    axes.set_xticks(places, names, rotation=0 if upright else 90, fontsize=8, parse_math=False)
    axes.set_yticks(places, names, fontsize=8, parse_math=False)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")


def _draw(axes: Axes, title: str, history: Sequence[EpochRecord], lines: Mapping[str, str]) -> None:
    epochs = [record.epoch for record in history]
    for label, name in lines.items():
        axes.plot(epochs, [record.metrics[name] for record in history], marker=".", label=label)
    axes.set_title(title)
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
