"""Pictures for people: the confusion matrix, the curves, the worst mistakes. Files only; no window system is touched."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from eyebright_torch.classification.metrics import Report
from eyebright_torch.classification.mistakes import Mistake
from eyebright_torch.pictures import DPI, LOSSES, draw_curves, matrix, short
from eyebright_torch.preprocess import Pixels
from eyebright_torch.state import EpochRecord

_COLUMNS = 6


def confusion_matrix(path: Path, report: Report) -> None:
    """Rows are the true classes; colour is the share of a row, numbers are images."""
    title = f"Validation: {report.scores.top1:.1%} of {int(report.support.sum()):,} images right"
    matrix(path, report.classes, report.confusion, title)


def curves(path: Path, history: Sequence[EpochRecord]) -> None:
    """Loss and accuracy over the epochs, of training and validation."""
    accuracy = {"training (augmented)": "train_top1", "validation": "top1"}
    draw_curves(path, history, {"Loss": LOSSES, "Accuracy": accuracy})


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
        title = f"{short(mistake.predicted)}? ({mistake.score:.0%})\nis {short(mistake.true)}"
        axes.set_title(title, fontsize=9, parse_math=False)
    figure.savefig(path, dpi=DPI)


def _headline(shown: int, validated: int) -> str:
    if not shown:
        return f"No mistake in {validated:,} validation images"
    return f"The worst mistakes among {validated:,} validation images (the model's answer, and what it is)"
