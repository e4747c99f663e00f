"""What this trainer says about itself. Nothing here imports the framework: `describe` must be quick."""

from importlib.resources import files
from typing import Any

import yaml

from eyebright_ultralytics import __version__
from eyebright_ultralytics.models import default_model, models_of
from eyebright_ultralytics.tasks import TASKS, Task
from eyebright_wire.manifest import TaskInfo, TrainerManifest


def _recipe(task: str) -> dict[str, Any]:
    return yaml.safe_load((files("eyebright_ultralytics") / "recipes" / f"{task}.yaml").read_text(encoding="utf-8"))


def _info(task: Task) -> TaskInfo:
    return TaskInfo(
        name=task.name,
        models=models_of(task),
        default_model=default_model(task),
        config_schema=task.config.model_json_schema(),
        recipe=_recipe(task.name),
        exports=("onnx", "torchscript", "openvino"),
        exports_later=True,
        takes_parent=True,
        primary_metric=task.primary_metric,
    )


MANIFEST = TrainerManifest(
    name="ultralytics",
    version=__version__,
    module="eyebright_ultralytics",
    licence="AGPL-3.0-only",
    description="YOLO11, YOLO12 and YOLO26 from Ultralytics: boxes, outlines, keypoints, turned boxes, whole images.",
    tasks=tuple(_info(task) for task in TASKS),
    layouts=("yolo", "imagefolder"),
    reads_only=False,  # Ultralytics mends JPEGs where they lie
    conformance={"epochs": 2, "batch": 4, "imgsz": 64, "nbs": 4, "warmup_epochs": 0, "plots": False},
    rehearsal={"plots": False, "save_every_epochs": 1},
)
