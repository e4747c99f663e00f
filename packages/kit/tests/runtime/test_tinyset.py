"""The tiny data sets that trainers try themselves out on: ready for the task that they are for, and the same each time."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from eyebright_kit.data.annotations import IGNORED, Instance
from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.manifest import Manifest
from eyebright_kit.data.materialise import materialise
from eyebright_kit.runtime.tinyset import tiny_set
from eyebright_wire.datasets import Split

OBJECTS: dict[str, Callable[[Instance], object]] = {
    "detection": lambda instance: instance.box,
    "instance_segmentation": lambda instance: instance.polygons,
    "keypoint_detection": lambda instance: instance.keypoints,
    "oriented_detection": lambda instance: instance.corners,
}


@pytest.mark.parametrize(("task", "known"), OBJECTS.items())
def test_every_object_is_annotated_as_its_task_needs_and_lies_in_its_image(task: str, known, tmp_path: Path):
    sha256 = tiny_set(task).store(tmp_path / "blobs")
    data = materialise(Manifest(blob_path(tmp_path / "blobs", sha256)), tmp_path / "blobs", tmp_path / "data")
    assert data.classes == tiny_set(task).classes
    for split in (Split.TRAIN, Split.VAL):
        objects = [(sample, instance) for sample in data.samples(split) for instance in sample.instances]
        assert {instance.label for _, instance in objects} == set(range(len(data.classes)))
        for sample, instance in objects:
            left, top, width, height = instance.box
            assert known(instance)
            assert left >= 0
            assert top >= 0
            assert left + width <= sample.width
            assert top + height <= sample.height


def test_every_pixel_of_a_mask_has_a_class_or_is_nobodys(tmp_path: Path):
    sha256 = tiny_set("semantic_segmentation").store(tmp_path / "blobs")
    data = materialise(Manifest(blob_path(tmp_path / "blobs", sha256)), tmp_path / "blobs", tmp_path / "data")
    for split in (Split.TRAIN, Split.VAL):
        masks = [Image.open(sample.mask) for sample in data.samples(split) if sample.mask]
        assert [mask.size for mask in masks] == [(s.width, s.height) for s in data.samples(split)]
        shown = {value for mask in masks for value, count in enumerate(mask.histogram()) if count}
        assert shown == {*range(len(data.classes)), IGNORED}


@pytest.mark.parametrize("task", ["classification", "semantic_segmentation", *OBJECTS])
def test_a_set_is_the_same_each_time(task: str, tmp_path: Path):
    assert tiny_set(task).store(tmp_path / "first") == tiny_set(task).store(tmp_path / "second")


def test_a_task_that_is_not_known_gets_the_classifiers_set():
    assert tiny_set("text_to_speech") is tiny_set("classification")
