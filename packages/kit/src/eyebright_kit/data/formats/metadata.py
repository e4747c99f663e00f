"""Hugging Face image folders: a metadata.jsonl or metadata.csv beside the images."""

from pathlib import Path

from eyebright_kit.data.features import Features
from eyebright_kit.data.format import Certainty, Reading
from eyebright_kit.data.writing import Target


class Metadata:
    """The registered format."""

    name = "metadata"
    tasks = ("classification", "detection", "text_to_image")
    layout = "metadata.jsonl or metadata.csv, with a column file_name, beside the images"

    def matches(self, root: Path) -> Certainty:
        return Certainty.NO

    def read(self, root: Path) -> Reading:
        raise NotImplementedError

    def carries(self, present: Features) -> Features:
        raise NotImplementedError

    def write(self, target: Target) -> None:
        raise NotImplementedError
