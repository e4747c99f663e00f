"""Ultralytics' names of figures, and ours."""

import re
from collections.abc import Mapping

_FIGURE = re.compile(r"metrics/(?P<name>[\w-]+)\((?P<of>[BMP])\)")
_OF = {"B": "", "M": "mask_", "P": "pose_"}
_OTHERS = {"metrics/accuracy_top1": "top1", "metrics/accuracy_top5": "top5", "lr/pg0": "lr"}


def translated(figures: Mapping[str, float]) -> dict[str, float]:
    """mAP50, mAP50-95, precision and recall of boxes, the same with `mask_` and `pose_`; top1 and top5; losses, those of
    validation with `val_`; the learning rate. What has no name here is left out."""
    named = {_name(figure): value for figure, value in figures.items()}
    return {name: float(value) for name, value in named.items() if name}


def _name(figure: str) -> str:
    if match := _FIGURE.fullmatch(figure):
        return _OF[match["of"]] + match["name"]
    if figure.startswith("train/"):
        return figure.removeprefix("train/")
    if figure.startswith("val/"):
        return "val_" + figure.removeprefix("val/")
    return _OTHERS.get(figure, "")
