"""YOLO sets to be tested with: lay files, and say in a few words what is read of them."""

from collections.abc import Mapping
from pathlib import Path

from eyebright_kit.data.conformance import write_image
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark
from eyebright_kit.data.formats.yolo import Yolo
from eyebright_wire.datasets import DatasetReport, Split

BOXES = "0 0.5 0.5 0.25 0.25\n1 0.25 0.25 0.125 0.25\n"
NAMES = "names: [cat, dog]\n"


def lay(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files by name; what is called like an image gets a picture of 16 pixels in the place of its text."""
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


def read(root: Path) -> Reading:
    assert Yolo().matches(root) > Certainty.NO
    return Yolo().read(root)


def candidates(root: Path) -> list[Candidate]:
    return [found for found in read(root).found() if isinstance(found, Candidate)]


def by_split(root: Path) -> dict[str, Split | None]:
    return {candidate.source: candidate.split for candidate in candidates(root)}


def remarks(root: Path) -> list[tuple[str, str]]:
    found = [(f.code, f.path.relative_to(root).as_posix()) for f in read(root).found() if isinstance(f, Remark)]
    return sorted(found)


def details(root: Path, code: str) -> list[str]:
    return [f.detail for f in read(root).found() if isinstance(f, Remark) and f.code == code]


def annotations(root: Path, width: int = 100, height: int = 200) -> Annotations:
    """Of the first image."""
    annotate = candidates(root)[0].annotate
    assert annotate
    return annotate(width, height)


def one(root: Path, line: str | bytes, description: str = NAMES) -> Annotations:
    """What becomes of one label file."""
    lay(root, {"data.yaml": description, "images/1.jpg": "", "labels/1.txt": line})
    return annotations(root)


def complaints(root: Path, text: str | bytes, description: str = NAMES) -> list[tuple[str, str]]:
    return [(remark.mark, remark.detail) for remark in one(root, text, description).remarks]


def finding(report: DatasetReport, code: str) -> str:
    return next(found.message for found in report.findings if found.code == code)


_DATA_YAML = """\
train: ../train/images
val: ../valid/images
test: ../test/images

nc: 2
names: ['cat', 'dog']

roboflow:
  workspace: somebody
  version: 1
  url: https://universe.roboflow.com/somebody/pets/dataset/1
"""


def roboflow(root: Path) -> Path:
    files: dict[str, str | bytes] = {
        "data.yaml": _DATA_YAML,
        "README.dataset.txt": "# pets > v1\nhttps://universe.roboflow.com\n",
        "README.roboflow.txt": "pets - v1\n==============================\n\nThe dataset includes 4 images.\n",
    }
    for split in ("train", "valid", "test"):
        files[f"{split}/images/a_jpg.rf.0123abcd.jpg"] = ""
        files[f"{split}/labels/a_jpg.rf.0123abcd.txt"] = BOXES.rstrip()
    return lay(root, files)


TURNED = "0 0.5 0.2 0.8 0.5 0.5 0.8 0.2 0.5\n"
POSE = "kpt_shape: [2, 3]\nnames: [cat, dog]\n"


def kinds(root: Path, lines: str, description: str = NAMES) -> set[str]:
    """What the objects have besides a box."""
    found = one(root, lines, description)
    assert not found.remarks
    known = [("outline", "polygons"), ("turned", "corners"), ("keypoints", "keypoints")]
    return {name for instance in found.instances for name, field in known if getattr(instance, field)}


def described(root: Path, description: str | bytes) -> Reading:
    lay(root, {"data.yaml": description, "images/1.jpg": "", "labels/1.txt": "0 .5 .5 .1 .1\n3 .5 .5 .1 .1\n"})
    return read(root)
