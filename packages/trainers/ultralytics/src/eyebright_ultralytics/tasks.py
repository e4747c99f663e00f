"""The tasks: Eyebright's name of each, Ultralytics' name, its settings, and the metric that chooses the best epoch.

Needs no framework.
"""

from dataclasses import dataclass

from eyebright_kit.errors import ConfigInvalid
from eyebright_ultralytics.config import (
    ClassificationConfig,
    DetectionConfig,
    OrientedConfig,
    PoseConfig,
    RunConfig,
    SegmentationConfig,
)


@dataclass(frozen=True, slots=True)
class Task:
    """`suffix` is what Ultralytics puts behind a model's name, as in yolo11n-seg."""

    name: str
    yolo: str
    suffix: str
    config: type[RunConfig]
    primary_metric: str


TASKS = (
    Task("detection", "detect", "", DetectionConfig, "mAP50-95"),
    Task("instance_segmentation", "segment", "-seg", SegmentationConfig, "mask_mAP50-95"),
    Task("classification", "classify", "-cls", ClassificationConfig, "top1"),
    Task("keypoint_detection", "pose", "-pose", PoseConfig, "pose_mAP50-95"),
    Task("oriented_detection", "obb", "-obb", OrientedConfig, "mAP50-95"),
)


def task_named(name: str) -> Task:
    """Raises ConfigInvalid for one that this trainer does not have."""
    for task in TASKS:
        if task.name == name:
            return task
    raise ConfigInvalid(f"task {name!r} is not known; there are {', '.join(task.name for task in TASKS)}")
