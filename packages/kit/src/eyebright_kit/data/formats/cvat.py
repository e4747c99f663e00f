"""CVAT for images 1.1: one XML file for the whole set."""

from pathlib import Path

from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.writing import Target


class Cvat:
    """The registered format."""

    name = "cvat"
    tasks = ("detection", "instance_segmentation", "keypoint_detection")
    layout = "annotations.xml with images/1.jpg"

    def matches(self, root: Path) -> Certainty:
        return Certainty.NO

    def read(self, root: Path) -> Reading:
        raise NotImplementedError

    def carries(self, present: Features) -> Features:
        raise NotImplementedError

    def write(self, target: Target) -> None:
        raise NotImplementedError
