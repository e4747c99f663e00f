"""The architectures: every size of each family that Ultralytics ships for a task. Needs no framework."""

from eyebright_ultralytics.tasks import Task
from eyebright_wire.manifest import ModelInfo

_SIZES = {"n": "nano", "s": "small", "m": "medium", "l": "large", "x": "extra large"}
_FAMILIES = {"yolo11": "the proven choice", "yolo12": "with attention; slower", "yolo26": "needs no NMS; the newest"}


def models_of(task: Task) -> tuple[ModelInfo, ...]:
    return tuple(
        ModelInfo(name=f"{family}{letter}{task.suffix}", description=f"{family.upper()} {size}: {character}")
        for family, character in _FAMILIES.items()
        for letter, size in _SIZES.items()
    )


def default_model(task: Task) -> str:
    return f"yolo11n{task.suffix}"
