"""YOLO text labels: one `.txt` per image, one object per line, coordinates relative to the image."""

from pathlib import Path

from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.writing import Target


class Yolo:
    """The registered format."""

    name = "yolo"
    tasks = ("detection", "instance_segmentation", "keypoint_detection", "oriented_detection")
    layout = "images/train/1.jpg with labels/train/1.txt, or train/images/ and train/labels/"

    def matches(self, root: Path) -> Certainty:
        return Certainty.NO

    def read(self, root: Path) -> Reading:
        raise NotImplementedError

    def carries(self, present: Features) -> Features:
        raise NotImplementedError

    def write(self, target: Target) -> None:
        raise NotImplementedError
