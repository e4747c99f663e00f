"""COCO sets to be tested with: write them, change them, and say in a few words what is read of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eyebright_kit.data.conformance import write_image
from eyebright_kit.data.format import Annotations, Candidate, Remark
from eyebright_kit.data.formats.coco import Coco

#: What is done to the content of a file before it is written.
Change = Callable[[dict[str, Any]], object]


CATEGORIES = ({"id": 3, "name": "dog", "supercategory": ""}, {"id": 1, "name": "cat", "supercategory": "none"})
POINTS = {"keypoints": ["nose", "left_ear", "right_ear"], "skeleton": [[1, 2], [1, 3]]}


def annotation(number: int, image: int, category: int = 1, **others: Any) -> dict[str, Any]:
    """A box of 4×5 with its outline, as COCO's own files have it."""
    left, top = number % 4, number % 3
    outline = [left, top, left + 4, top, left + 4, top + 5, left, top + 5]
    return {
        "segmentation": [outline],
        "area": 20.0,
        "iscrowd": 0,
        "image_id": image,
        "bbox": [left, top, 4, 5],
        "category_id": category,
        "id": number,
        **others,
    }


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_split(
    file: Path, images: Path, numbers: range, listed_in: str = "", categories: Any = CATEGORIES, **others: Any
) -> dict[str, Any]:
    """Images 12.png and so on, each 16×16 and with two objects but for the last, and the file that lists them."""
    content = {
        "info": {"year": 2017, "description": ""},
        "licenses": [{"id": 1, "name": "", "url": " "}],  # as CVAT has them
        "images": [
            {"license": 1, "file_name": f"{listed_in}{n}.png", "height": 16, "width": 16, "id": n} for n in numbers
        ],
        "annotations": [
            annotation(n * 10 + k, n, (1, 3)[k], **others) for n in numbers if n != numbers[-1] for k in (0, 1)
        ],
        "categories": list(categories),
    }
    for n in numbers:
        write_image(images / f"{n}.png", n)
    write_json(file, content)
    return content


KEYPOINTS = [2, 2, 2, 3, 3, 1, 0, 0, 0]


def one_file(root: Path, change: Change | None = None, name: str = "annotations/instances_train.json") -> Path:
    """Images 1.png to 4.png in `images/`, 1 to 3 with two objects, in one file that `change` may alter first."""
    path = root / name
    content = write_split(path, root / "images", range(1, 5))
    if change:
        change(content)
        write_json(path, content)
    return path


def candidates(root: Path) -> dict[str, Candidate]:
    return {found.source: found for found in Coco().read(root).found() if isinstance(found, Candidate)}


def annotations(root: Path, source: str, width: int = 16, height: int = 16) -> Annotations:
    annotate = candidates(root)[source].annotate
    assert annotate
    return annotate(width, height)


def told(root: Path) -> set[tuple[str, str, str]]:
    """Code, where and what of everything that is remarked upon, with the annotations of every image."""
    remarks: list[Remark] = []
    for found in Coco().read(root).found():
        if isinstance(found, Remark):
            remarks.append(found)
        elif found.annotate:
            remarks += found.annotate(16, 16).remarks
    return {(each.code, f"{each.path.relative_to(root)}:{each.mark}".rstrip(":"), each.detail) for each in remarks}


def codes(root: Path) -> set[str]:
    return {code for code, _, _ in told(root)}


def with_first(**fields: Any) -> Change:
    """The first annotation, whose id is 10, has these fields; without those that are given as ...."""

    def change(content: dict[str, Any]) -> None:
        first = {**content["annotations"][0], **fields}
        content["annotations"][0] = {name: value for name, value in first.items() if value is not ...}

    return change


SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]
RUNS = [17, 3, 13, 3, 220]  # two columns of 3 pixels in 16×16
WHERE = "annotations/instances_train.json"


def image(number: int, **fields: Any) -> Change:
    """The image at this place of the list has these fields; without those that are given as ...."""

    def change(content: dict[str, Any]) -> None:
        changed = {**content["images"][number], **fields}
        content["images"][number] = {name: value for name, value in changed.items() if value is not ...}

    return change


def categories(*names: tuple[Any, Any], **others: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["categories"] = [{"id": number, "name": name, **others} for number, name in names]

    return change


def two_files(root: Path, *, train: Change, val: Change) -> None:
    for split, change, numbers in (("train", train, range(1, 5)), ("val", val, range(5, 9))):
        path = root / split / "_annotations.coco.json"
        content = write_split(path, root / split, numbers)
        change(content)
        write_json(path, content)


def roboflow(content: dict[str, Any], group: str = "pets") -> None:
    content["categories"] = [
        {"id": 0, "name": group, "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": group},
        {"id": 3, "name": "dog", "supercategory": group},
    ]


def only(root: Path, name: str, content: object) -> Path:
    write_image(root / "images" / "1.png", 1)
    return write_json(root / name, content)


IMAGES = [{"id": 1, "file_name": "1.png", "width": 16, "height": 16}]


def of_roboflow(root: Path) -> Path:
    for split, numbers in (("train", range(1, 5)), ("valid", range(5, 8))):
        write_split(root / split / "_annotations.coco.json", root / split, numbers)
    return root
