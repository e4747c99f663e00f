"""Data that cannot teach a task are refused before the framework is started."""

from dataclasses import replace

import pytest

from eyebright_kit.errors import DatasetInvalid
from eyebright_ultralytics.readiness import check
from eyebright_ultralytics.tasks import TASKS, task_named
from eyebright_wire.datasets import Split


@pytest.mark.parametrize("task", [task.name for task in TASKS])
def test_the_tiny_set_of_a_task_is_ready_for_it(task: str, tiny):
    check(tiny(task), task_named(task))


@pytest.mark.parametrize("task", [task.name for task in TASKS])
@pytest.mark.parametrize("split", [Split.TRAIN, Split.VAL])
def test_a_missing_split_is_named(task: str, split: Split, tiny):
    data = tiny(task)
    with pytest.raises(DatasetInvalid, match=f"no image in the split {split}"):
        check(replace(data, splits={**data.splits, split: ()}), task_named(task))


@pytest.mark.parametrize(
    ("task", "missing"),
    [
        ("instance_segmentation", "an outline"),
        ("keypoint_detection", "keypoints"),
        ("oriented_detection", "a turned box"),
    ],
)
def test_boxes_alone_do_not_do_for_what_needs_more(task: str, missing: str, tiny):
    with pytest.raises(DatasetInvalid, match=f"no object in the split train has {missing}"):
        check(tiny("detection"), task_named(task))


def test_one_class_cannot_be_told_apart(tiny):
    data = tiny("classification")
    alike = tuple(sample for sample in data.samples(Split.TRAIN) if sample.label == 0)
    with pytest.raises(DatasetInvalid, match="all training images are of one class"):
        check(replace(data, splits={**data.splits, Split.TRAIN: alike}), task_named("classification"))
