"""Project Training's words for what is trained with what, and where it stands; and ours."""

from collections.abc import Mapping
from types import MappingProxyType

from eyebright.errors import InvalidRequest
from eyebright_wire.jobs import JobState

#: Of several of its names for one thing, it is told the first.
FRAMEWORKS: Mapping[str, str] = MappingProxyType({"mmdetection": "mmdet"})
TASKS: Mapping[str, str] = MappingProxyType(
    {
        "detection": "detection",
        "classification": "classification",
        "segmentation": "instance_segmentation",
        "pose": "keypoint_detection",
        "obb": "oriented_detection",
        "detect": "detection",
        "segment": "instance_segmentation",
        "classify": "classification",
    }
)
STATUS: Mapping[JobState, str] = MappingProxyType(
    {
        JobState.QUEUED: "queued",
        JobState.STARTING: "queued",
        JobState.RUNNING: "running",
        JobState.SUCCEEDED: "completed",
        JobState.FAILED: "failed",
        JobState.CANCELLED: "stopped",
    }
)
_BASE = "default.yaml"


def trainer_of(framework: str) -> str:
    return FRAMEWORKS.get(framework.lower(), framework.lower())


def task_of(task: str) -> str:
    return TASKS.get(task.lower(), task.lower())


def recipe_of(framework: str, task: str) -> str:
    return f"{trainer_of(framework)}/{task_of(task)}"


def framework_word(trainer: str) -> str:
    return _told(trainer, FRAMEWORKS)


def task_word(task: str) -> str:
    return _told(task, TASKS)


def place_of(base_config: str) -> tuple[str, str]:
    """Framework and task of `<framework>/<task>`, or of a path that ends so, with or without `default.yaml`.

    Raises InvalidRequest.
    """
    parts = base_config.strip("/").removesuffix(f"/{_BASE}").split("/")
    if len(parts) == 1:
        raise InvalidRequest(
            f"base_config {base_config!r} names no framework and task; expected <framework>/<task>, such as ultralytics/detection"
        )
    return parts[-2], parts[-1]


def _told(ours: str, words: Mapping[str, str]) -> str:
    return next((word for word, meant in words.items() if meant == ours), ours)
