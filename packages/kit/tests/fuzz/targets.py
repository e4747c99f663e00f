"""What is fuzzed: for each kind of file that strangers send, the smallest data set that has one.

A target is called with the bytes of that file. Whatever they are, the answer is a report or a refusal: nothing is raised, and
nothing is written outside the work folder.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from eyebright_kit.archive import ArchiveRejected, extract
from eyebright_kit.data.conformance import write_image
from eyebright_kit.data.documents import Unreadable, read_yaml
from eyebright_kit.data.format import detect
from eyebright_kit.data.inspect import inspect
from eyebright_kit.data.version import prepare


@dataclass(frozen=True)
class Target:
    """`files` are further files of the set; `file` gets the fuzzed bytes. All have pictures of 16 × 16 pixels."""

    file: str
    images: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()

    def __call__(self, content: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            root = Path(folder, "set")
            for number, image in enumerate(self.images):
                write_image(root / image, number)
            for name, text in self.files:
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            path = root / self.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            before = sorted(Path(folder).rglob("*"))
            report = inspect(root)
            assert sorted(Path(folder).rglob("*")) == before
            assert report.readiness
            if detect(root) is not None:
                prepare(root, work=Path(folder, "work"))


def archive(content: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder, "a.zip")
        path.write_bytes(content)
        try:
            extract(path, Path(folder, "out"))
        except ArchiveRejected:
            assert [found.name for found in Path(folder).iterdir()] == ["a.zip"]


def yaml(content: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder, "data.yaml")
        path.write_bytes(content)
        with suppress(Unreadable):
            read_yaml(path, Path(folder))


_DATA_YAML = "train: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n"
_YOLO = ("images/train/1.png", "images/val/2.png")

TARGETS: dict[str, Callable[[bytes], None]] = {
    "archive": archive,
    "yaml": yaml,
    "image": Target("cats/x.png", ("cats/1.png", "dogs/1.png")),
    "coco": Target("annotations/instances_train.json", ("train/1.png", "train/2.png")),
    "coco_roboflow": Target("train/_annotations.coco.json", ("train/1.png", "train/2.png")),
    "yolo": Target(
        "labels/train/1.txt", _YOLO, (("data.yaml", _DATA_YAML), ("labels/val/2.txt", "0 0.5 0.5 0.5 0.5\n"))
    ),
    "yolo_yaml": Target("data.yaml", _YOLO, (("labels/train/1.txt", "0 0.5 0.5 0.5 0.5\n"),)),
    "voc": Target("Annotations/1.xml", ("JPEGImages/1.png",)),
    "labelmap": Target("labelmap.txt", ("JPEGImages/1.png",), (("Annotations/1.xml", "<annotation/>"),)),
    "cvat": Target("annotations.xml", ("images/1.png",)),
    "labelme": Target("1.json", ("1.png",)),
    "datumaro": Target("annotations/train.json", ("images/train/1.png",)),
    "metadata_jsonl": Target("metadata.jsonl", ("1.png", "2.png")),
    "metadata_csv": Target("metadata.csv", ("1.png", "2.png")),
    "caption": Target("1.txt", ("1.png", "2.png"), (("2.txt", "a photo of a cat"),)),
    "captions_jsonl": Target("captions.jsonl", ("1.png", "2.png")),
    "mask": Target("masks/1.png", ("images/1.png",), (("classes.txt", "a\nb\n"),)),
    "mask_classes": Target("class_dict.csv", ("images/1.png", "masks/1.png")),
}
