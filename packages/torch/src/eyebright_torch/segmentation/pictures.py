"""Pictures for people: the confusion matrix, the curves, the worst images beside their masks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.data.hues import colour_of
from eyebright_torch.pictures import DPI, LOSSES, draw_curves, matrix
from eyebright_torch.preprocess import Pixels
from eyebright_torch.segmentation.metrics import Report
from eyebright_torch.state import EpochRecord

Masks = NDArray[np.uint8]  # [N, side, side], class indices

_COLOURS = np.array([colour_of(label) for label in range(IGNORED)] + [(255, 255, 255)], dtype=np.uint8)


def confusion_matrix(path: Path, report: Report) -> None:
    """Rows are the true classes; numbers are shares of a row in percent."""
    title = f"Validation: mean IoU {report.miou:.3f}, {report.pixel_accuracy:.1%} of the pixels right"
    matrix(path, report.classes, report.confusion, title, as_shares=True)


def curves(path: Path, history: Sequence[EpochRecord]) -> None:
    """Loss and accuracy over the epochs, of training and validation."""
    shares = {"training pixels (augmented)": "train_pixel_accuracy", "pixels": "pixel_accuracy", "mean IoU": "mIoU"}
    draw_curves(path, history, {"Loss": LOSSES, "Accuracy": shares})


def worst(path: Path, squares: Pixels, truth: Masks, answers: Masks, shares: Sequence[float]) -> None:
    """A row for each image: itself, its mask (white: nobody knows), the model's answer."""
    figure = Figure(figsize=(7, 2.4 * len(squares) + 0.5), layout="constrained")
    figure.suptitle("The validation images with the fewest right pixels: image, mask, answer")
    grid = figure.subplots(len(squares), 3, squeeze=False)
    for row, square, true, answer, share in zip(grid, squares, truth, answers, shares, strict=True):
        for axes, shown in zip(row, (square, _COLOURS[true], _COLOURS[answer]), strict=True):
            axes.imshow(shown, interpolation="nearest")
            axes.set_axis_off()
        row[2].set_title(f"{share:.0%} right", fontsize=9)
    figure.savefig(path, dpi=DPI)
