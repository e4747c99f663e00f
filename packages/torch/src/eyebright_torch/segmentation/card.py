"""The model card of a segmenter: what it is worth and how it is used. The rest is as in every task."""

import numpy as np

from eyebright_torch.card import Facts, cell, closing, exports, opening, table, use
from eyebright_torch.segmentation.metrics import Report


def card(facts: Facts, report: Report) -> str:
    """Markdown."""
    sections = (
        opening(
            facts,
            "A model for semantic segmentation, trained by Eyebright: it tells of each pixel which class it is of.",
        ),
        _results(facts, report),
        _classes(report),
        use(facts, "Output: for each pixel of the square one logit per class, in the order of `labels.json`."),
        exports(facts, "greatest difference of a logit", "mIoU"),
        *closing(facts),
    )
    return "\n\n".join(sections) + "\n"


def _results(facts: Facts, report: Report) -> str:
    names = {
        "mIoU": "mean IoU",
        "pixel_accuracy": "pixel accuracy",
        "mean_accuracy": "mean accuracy",
        "val_loss": "loss",
    }
    metrics = report.as_metrics()
    rows = ((name, f"{metrics[key]:.4f}") for key, name in names.items())
    return f"## Results\n\n{facts.where_judged}\n\n{table(('metric', 'value'), rows)}"


def _classes(report: Report) -> str:
    rows = (
        (cell(name), _number(iou), _number(found), f"{pixels:,}")
        for name, iou, found, pixels in zip(report.classes, report.iou, report.recall, report.support, strict=True)
    )
    return f"## Classes\n\n{table(('class', 'IoU', 'accuracy', 'pixels'), rows)}"


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"
