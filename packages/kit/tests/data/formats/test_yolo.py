"""YOLO sets as tools write them: every layout, every kind of line, and everything that can be wrong with them."""

from collections.abc import Mapping
from pathlib import Path

from eyebright_kit.data.conformance import Example, FormatConformance, write_image
from eyebright_kit.data.features import Feature
from eyebright_kit.data.formats.yolo import Yolo
from eyebright_wire.datasets import Split

_ALL = frozenset({Feature.BOX, Feature.CLASS_ORDER, Feature.CLASS_NAMES})
_BOXES = "0 0.5 0.5 0.25 0.25\n1 0.25 0.25 0.125 0.25\n"


def lay(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files by name; what is called like an image gets a picture of 16 pixels and ignores its text."""
    for number, (name, content) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".png", ".webp"):
            write_image(path, number)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
    return root


class TestYolo(FormatConformance):
    form = Yolo()
    flavours = (
        _ALL,
        _ALL | {Feature.POLYGON},
        _ALL | {Feature.KEYPOINTS},
        _ALL | {Feature.KEYPOINTS, Feature.SKELETON},
        _ALL | {Feature.CORNERS},
    )

    def example(self, root: Path) -> Example:
        """Ultralytics' own layout, with outlines."""
        outline = "0 0.1 0.1 0.9 0.1 0.5 0.8\n1 0.2 0.2 0.4 0.2 0.4 0.6 0.2 0.5\n"
        lay(
            root,
            {
                "data.yaml": "train: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n",
                "images/train/1.jpg": "",
                "labels/train/1.txt": outline,
                "images/train/2.jpg": "",
                "labels/train/2.txt": "",
                "images/val/3.jpg": "",
                "labels/val/3.txt": outline,
            },
        )
        return Example(
            ("cat", "dog"),
            {Split.TRAIN: 2, Split.VAL: 1},
            tasks=("detection", "instance_segmentation"),
            annotations=frozenset({"data.yaml", "labels/train/1.txt", "labels/train/2.txt", "labels/val/3.txt"}),
        )
