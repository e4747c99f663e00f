"""Datumaro JSON: one file per subset lists items, annotations and categories."""

from pathlib import Path

from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.writing import Target


class Datumaro:
    """The registered format."""

    name = "datumaro"
    tasks = ("classification", "detection", "instance_segmentation", "keypoint_detection")
    layout = "annotations/train.json with images/train/1.jpg"

    def matches(self, root: Path) -> Certainty:
        return Certainty.NO

    def read(self, root: Path) -> Reading:
        raise NotImplementedError

    def carries(self, present: Features) -> Features:
        raise NotImplementedError

    def write(self, target: Target) -> None:
        raise NotImplementedError
