"""The tasks of this trainer by name: their settings, and what trains and answers, imported when that is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from eyebright_torch.config import RunConfig
from eyebright_transformers.classification.config import ClassifierConfig
from eyebright_transformers.classification.info import CLASSIFICATION
from eyebright_transformers.detection.config import DetectorConfig
from eyebright_transformers.detection.info import DETECTION
from eyebright_transformers.instance_segmentation.config import InstanceConfig
from eyebright_transformers.instance_segmentation.info import INSTANCE_SEGMENTATION
from eyebright_transformers.semantic_segmentation.config import SegmenterConfig
from eyebright_transformers.semantic_segmentation.info import SEMANTIC_SEGMENTATION
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.predictions import Found


@dataclass(frozen=True)
class Task:
    """`kind` is the package of the shared loop for it, `library` that of what transformers gives to it."""

    info: TaskInfo
    config: type[RunConfig]
    kind: str
    library: str

    def fit(self) -> Callable[..., Any]:
        """`fit(ctx, framework)` of the shared loop."""
        return import_module(f"{self.kind}.fit").fit

    def export(self) -> Callable[..., Any]:
        """`export(ctx, framework)` of it, where the task's manifest says `exports_later`."""
        return import_module(f"{self.kind}.fit").export

    def framework(self) -> Any:
        return import_module(f"{self.library}.framework").FRAMEWORK

    def predict(self, model: Path, image: Path) -> Found:
        return import_module(f"{self.kind}.inference").predict(model, image)


TASKS = (
    Task(CLASSIFICATION, ClassifierConfig, "eyebright_torch.classification", "eyebright_transformers.classification"),
    Task(DETECTION, DetectorConfig, "eyebright_torch.detection", "eyebright_transformers.detection"),
    Task(
        INSTANCE_SEGMENTATION,
        InstanceConfig,
        "eyebright_torch.detection",
        "eyebright_transformers.instance_segmentation",
    ),
    Task(
        SEMANTIC_SEGMENTATION,
        SegmenterConfig,
        "eyebright_torch.segmentation",
        "eyebright_transformers.semantic_segmentation",
    ),
)


def task_named(name: str) -> Task:
    return next(task for task in TASKS if task.info.name == name)
