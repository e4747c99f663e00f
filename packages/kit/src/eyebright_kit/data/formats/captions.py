"""Images with captions: a text of the same name, a list in JSON lines, or folders whose name is the caption."""

from pathlib import Path

from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.writing import Target


class Captions:
    """The registered format."""

    name = "captions"
    tasks = ("text_to_image",)
    layout = "1.jpg beside 1.txt"

    def matches(self, root: Path) -> Certainty:
        return Certainty.NO

    def read(self, root: Path) -> Reading:
        raise NotImplementedError

    def carries(self, present: Features) -> Features:
        raise NotImplementedError

    def write(self, target: Target) -> None:
        raise NotImplementedError
