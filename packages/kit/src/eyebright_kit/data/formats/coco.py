"""COCO JSON: one file per split lists images, objects and categories."""

from pathlib import Path

from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.writing import Target


class Coco:
    """The registered format."""

    name = "coco"
    tasks = ("detection", "instance_segmentation", "keypoint_detection")
    layout = "annotations/instances_train.json beside the images, or train/_annotations.coco.json"

    def matches(self, root: Path) -> Certainty:
        return Certainty.NO

    def read(self, root: Path) -> Reading:
        raise NotImplementedError

    def carries(self, present: Features) -> Features:
        raise NotImplementedError

    def write(self, target: Target) -> None:
        raise NotImplementedError
