"""A run's settings in Ultralytics' own words."""

from pathlib import Path
from typing import Any

from eyebright_ultralytics.config import RunConfig
from eyebright_ultralytics.hardware import Hardware
from eyebright_ultralytics.tasks import Task
from eyebright_ultralytics.weights import Pretrained

#: What Ultralytics has other words for, or knows nothing of.
_OURS = {
    "amp",
    "auto_augment",
    "cache",
    "device",
    "export_tolerance",
    "exports",
    "keep_checkpoints",
    "pretrained",
    "save_every_epochs",
}


def arguments(
    task: Task,
    model: str,
    config: RunConfig,
    data: Path,
    folder: Path,
    hardware: Hardware,
    pretrained: Pretrained | None,
) -> dict[str, Any]:
    """Everything that it writes lies below `folder`. `data` is absolute, because a name that it does not find is downloaded."""
    told = config.model_dump(exclude=_OURS)
    policy = getattr(config, "auto_augment", "off")
    return told | {
        "task": task.yolo,
        "mode": "train",
        "model": f"{model}.yaml",
        "pretrained": str(pretrained.path) if pretrained else False,
        "data": str(data),
        "project": str(folder),
        "name": "run",
        "exist_ok": True,
        "device": hardware.device,
        "amp": hardware.precision,
        "auto_augment": None if policy == "off" else policy,
        "cache": "ram" if config.cache == "ram" else False,
        "verbose": False,
    }
