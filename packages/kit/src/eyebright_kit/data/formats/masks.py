"""Semantic masks: for each image a picture as large whose values or colours are classes."""

from pathlib import Path

from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.writing import Target


class Masks:
    """The registered format."""

    name = "masks"
    tasks = ("semantic_segmentation",)
    layout = "images/1.jpg with masks/1.png"

    def matches(self, root: Path) -> Certainty:
        return Certainty.NO

    def read(self, root: Path) -> Reading:
        raise NotImplementedError

    def carries(self, present: Features) -> Features:
        raise NotImplementedError

    def write(self, target: Target) -> None:
        raise NotImplementedError
