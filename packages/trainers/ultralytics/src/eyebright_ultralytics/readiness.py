"""Can this data be trained on? Asked before anything expensive happens."""

from collections.abc import Callable, Mapping

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_kit.errors import DatasetInvalid
from eyebright_ultralytics.tasks import Task
from eyebright_wire.datasets import Split

#: What an object must have to be learnt from, and what that is called.
_NEEDED: Mapping[str, tuple[str, Callable[[Instance], bool]]] = {
    "detection": ("a box", lambda instance: True),
    "instance_segmentation": ("an outline", lambda instance: bool(instance.polygons or instance.rle)),
    "keypoint_detection": ("keypoints", lambda instance: bool(instance.keypoints)),
    "oriented_detection": ("a turned box", lambda instance: bool(instance.corners)),
}


def check(data: LocalDataset, task: Task) -> None:
    """Raises DatasetInvalid naming the missing condition."""
    for split in (Split.TRAIN, Split.VAL):
        if not data.samples(split):
            raise DatasetInvalid(
                f"the data set has no image in the split {split}; {task.name} needs both train and val"
            )
    if task.name == "classification":
        _classes_to_tell_apart(data)
    else:
        _objects(data, task)


def _classes_to_tell_apart(data: LocalDataset) -> None:
    for split in (Split.TRAIN, Split.VAL):
        if all(sample.label is None for sample in data.samples(split)):
            raise DatasetInvalid(f"no image of the split {split} has a class; classification needs one for each image")
    if len({sample.label for sample in data.samples(Split.TRAIN)} - {None}) < 2:
        raise DatasetInvalid("all training images are of one class; classification needs images of 2 or more")


def _objects(data: LocalDataset, task: Task) -> None:
    what, has = _NEEDED[task.name]
    for split in (Split.TRAIN, Split.VAL):
        if not any(has(instance) for sample in data.samples(split) for instance in told_apart(sample)):
            raise DatasetInvalid(f"no object in the split {split} has {what}, which {task.name} learns from")


def told_apart(sample: LocalSample) -> tuple[Instance, ...]:
    """The objects that stand for one each: a crowd that nobody told apart cannot be learnt as one."""
    return tuple(instance for instance in sample.instances if not instance.crowd)
