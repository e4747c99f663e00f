"""The data set as Ultralytics reads it: a tree of our own making in the run's scratch folder.

Every file is named by its number. Ultralytics mends JPEGs where they lie and puts caches beside them: what is linked here are
the run's own copies, which the kit makes because the manifest says that this trainer does not only read.
"""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from PIL import ExifTags, Image

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.formats import yolo_writing
from eyebright_kit.data.geometry import clipped_points
from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_ultralytics.outline import outlined
from eyebright_ultralytics.pixels import upright
from eyebright_ultralytics.readiness import told_apart
from eyebright_ultralytics.tasks import Task
from eyebright_wire.datasets import Split

_SPLITS = (Split.TRAIN, Split.VAL)
#: What OpenCV reads under these names; any other image becomes a PNG.
_READABLE = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
_PLAIN = re.compile(r"(?!n0)[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}")

#: The line of one object in an image of this width and height.
Line = Callable[[Instance, int, int], str]


def write_tree(data: LocalDataset, task: Task, into: Path, tick: Callable[[], None]) -> Path:
    """What to give Ultralytics as `data`: a folder of class folders, or a data.yaml. `tick` is called for each image."""
    if task.name == "classification":
        return _write_classes(data, into, tick)
    return _write_objects(data, task, into, tick)


def images_of(data: LocalDataset, task: Task, split: Split) -> int:
    """How many images of the split Ultralytics is to find in the tree."""
    samples = data.samples(split)
    return sum(sample.label is not None for sample in samples) if task.name == "classification" else len(samples)


# Whole images


def _write_classes(data: LocalDataset, into: Path, tick: Callable[[], None]) -> Path:
    """Each split has a folder for every class, so that both count the classes alike."""
    for split in _SPLITS:
        folders = [into / split / f"{number:06d}" for number in range(len(data.classes))]
        for folder in folders:
            folder.mkdir(parents=True)
        for number, sample in enumerate(data.samples(split)):
            tick()
            if sample.label is not None:
                _place_image(sample, folders[sample.label] / f"{number:06d}")
    return into


# Objects


def _write_objects(data: LocalDataset, task: Task, into: Path, tick: Callable[[], None]) -> Path:
    points = _most_keypoints(data)
    line = _line_of(task, points)
    for split in _SPLITS:
        images, labels = into / "images" / split, into / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for number, sample in enumerate(data.samples(split)):
            tick()
            _place_image(sample, images / f"{number:06d}")
            lines = (line(instance, sample.width, sample.height) for instance in told_apart(sample))
            (labels / f"{number:06d}.txt").write_text("".join(lines))
    description = into / "data.yaml"
    description.write_text(yaml.safe_dump(_description(data, task, into, points)))
    return description


def _line_of(task: Task, points: int) -> Line:
    match task.name:
        case "instance_segmentation":
            return lambda instance, width, height: yolo_writing.outline(
                outlined(instance, width, height), width, height
            )
        case "keypoint_detection":
            return partial(yolo_writing.box_with_keypoints, points=points)
        case "oriented_detection":
            return _turned_box
        case _:
            return yolo_writing.box


def _turned_box(instance: Instance, width: int, height: int) -> str:
    """With its corners in the image: Ultralytics leaves out an image with a corner outside."""
    line = yolo_writing.turned_box
    if not instance.corners:
        return line(instance, width, height)
    corners = clipped_points(instance.corners, width, height)
    return line(Instance(label=instance.label, box=instance.box, corners=corners), width, height)


def _most_keypoints(data: LocalDataset) -> int:
    counts = (len(i.keypoints) // 3 for split in _SPLITS for sample in data.samples(split) for i in sample.instances)
    return max(max(counts, default=0), max((len(s.keypoints) for s in data.skeletons.values()), default=0))


def spoken(classes: Sequence[str]) -> list[str]:
    """The names of classes as they may stand in pictures: a name that Ultralytics or its plots could stumble over is a number.

    It would fetch a font for other scripts, and takes a name like n01440764 for one of ImageNet's.
    """
    return [name if _PLAIN.fullmatch(name) else f"{number:06d}" for number, name in enumerate(classes)]


def _description(data: LocalDataset, task: Task, into: Path, points: int) -> dict[str, Any]:
    content: dict[str, Any] = {
        "path": str(into),
        "train": "images/train",
        "val": "images/val",
        "names": dict(enumerate(spoken(data.classes))),
    }
    if task.name == "keypoint_detection":
        content["kpt_shape"] = [points, 3]
        flips = {skeleton.flip for skeleton in data.skeletons.values()}
        if len(flips) == 1 and len(flip := flips.pop()) == points:
            content["flip_idx"] = list(flip)
    return content


# Images


def _place_image(sample: LocalSample, stem: Path) -> None:
    """Annotations refer to an image as it is to be held: one that lies otherwise is turned here, for not every reader turns
    every kind of file."""
    suffix = sample.path.suffix.lower()
    if suffix in _READABLE and not _lies_otherwise(sample.path):
        os.link(sample.path, stem.with_suffix(suffix))
        return
    with Image.open(sample.path) as image:
        upright(image).save(stem.with_suffix(".png"), compress_level=1)


def _lies_otherwise(path: Path) -> bool:
    with Image.open(path) as image:
        return image.getexif().get(ExifTags.Base.Orientation, 1) != 1
