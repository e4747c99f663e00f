"""What a trained model makes of one image, from its registered artifacts alone: safetensors and JSON, so nothing is unpickled."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from ultralytics.engine.predictor import BasePredictor
from ultralytics.engine.results import Results
from ultralytics.models import yolo
from ultralytics.nn import tasks as networks

from eyebright_kit.errors import ConfigInvalid
from eyebright_ultralytics.pixels import upright
from eyebright_ultralytics.tasks import Task, task_named
from eyebright_wire.predictions import ClassScore, Found, FoundObject, Keypoint

_PREDICTORS: dict[str, type[BasePredictor]] = {
    "detect": yolo.detect.DetectionPredictor,
    "segment": yolo.segment.SegmentationPredictor,
    "classify": yolo.classify.ClassificationPredictor,
    "pose": yolo.pose.PosePredictor,
    "obb": yolo.obb.OBBPredictor,
}

#: Settings that decide what is found at inference too.
LIMITS = ("iou", "max_det")


def predict(folder: Path, image: Path) -> Found:
    """The classes, or the objects with a score of a quarter or more; best first."""
    labels = labels_of(folder)
    task = task_named(labels["task"])
    told = {"task": task.yolo, "imgsz": labels["imgsz"], "device": "cpu", "save": False, "verbose": False}
    predictor = _PREDICTORS[task.yolo](overrides=told | limits_of(folder))
    (result,) = predictor(source=_pixels(image), model=network(task, labels, folder / "model.safetensors"))
    return _scores(result, labels["classes"]) if task.yolo == "classify" else _objects(result, labels["classes"])


def network(task: Task, labels: dict[str, Any], weights: Path) -> torch.nn.Module:
    """The architecture with its trained weights; classes are called by their numbers."""
    classes = len(labels["classes"])
    model = untrained(task, labels, classes)
    model.load_state_dict(load_file(weights))
    model.names = {number: str(number) for number in range(classes)}
    return model.eval()


def untrained(task: Task, labels: dict[str, Any], classes: int) -> torch.nn.Module:
    """The architecture for so many classes, with weights by chance."""
    plan = f"{labels['architecture']}.yaml"
    match task.yolo:
        case "segment":
            return networks.SegmentationModel(plan, nc=classes, verbose=False)
        case "classify":
            return networks.ClassificationModel(plan, nc=classes, verbose=False)
        case "pose":
            shape = (len(labels["keypoints"]), 3)
            return networks.PoseModel(plan, nc=classes, data_kpt_shape=shape, verbose=False)
        case "obb":
            return networks.OBBModel(plan, nc=classes, verbose=False)
        case _:
            return networks.DetectionModel(plan, nc=classes, verbose=False)


def labels_of(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigInvalid(f"{folder} has no labels.json; expected a folder of registered artifacts") from None


def limits_of(folder: Path) -> dict[str, Any]:
    """How many objects it may find and how far they may overlap: as when it was evaluated, not as Ultralytics has it."""
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {name: settings[name] for name in LIMITS if name in settings}


def _pixels(path: Path) -> np.ndarray:
    """[height, width, blue-green-red] of the image as it is to be held."""
    with Image.open(path) as image:
        return np.ascontiguousarray(np.asarray(upright(image))[..., ::-1])


def _scores(result: Results, classes: list[str]) -> tuple[ClassScore, ...]:
    scores = result.probs.data.tolist()
    found = [ClassScore(label=label, score=score) for label, score in zip(classes, scores, strict=True)]
    return tuple(sorted(found, key=lambda one: -one.score))


def _objects(result: Results, classes: list[str]) -> tuple[FoundObject, ...]:
    boxes = result.boxes if result.obb is None else result.obb
    height, width = result.orig_shape
    limits = torch.tensor([width, height, width, height])
    found = [
        FoundObject(
            label=classes[int(label)],
            score=score,
            box=tuple(box.clamp(min=torch.zeros(4), max=limits).tolist()),
            polygons=tuple(_polygons(result, number)),
            keypoints=tuple(_keypoints(result, number)),
            corners=tuple(boxes.xyxyxyxy[number].flatten().tolist()) if result.obb is not None else (),
        )
        for number, (label, score, box) in enumerate(
            zip(boxes.cls.tolist(), boxes.conf.tolist(), boxes.xyxy, strict=True)
        )
    ]
    return tuple(sorted(found, key=lambda one: -one.score))


def _polygons(result: Results, number: int) -> Iterator[tuple[float, ...]]:
    if result.masks is not None and len(ring := result.masks.xy[number]) >= 3:
        yield tuple(ring.flatten().tolist())


def _keypoints(result: Results, number: int) -> Iterator[Keypoint]:
    if result.keypoints is not None:
        for x, y, score in result.keypoints.data[number].tolist():
            yield Keypoint(x=x, y=y, score=score)
