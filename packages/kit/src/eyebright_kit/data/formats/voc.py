"""Pascal VOC: one XML file per image."""

from pathlib import Path

from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.writing import Target


class Voc:
    """The registered format."""

    name = "voc"
    tasks = ("detection",)
    layout = "JPEGImages/1.jpg with Annotations/1.xml"

    def matches(self, root: Path) -> Certainty:
        return Certainty.NO

    def read(self, root: Path) -> Reading:
        raise NotImplementedError

    def carries(self, present: Features) -> Features:
        raise NotImplementedError

    def write(self, target: Target) -> None:
        raise NotImplementedError
