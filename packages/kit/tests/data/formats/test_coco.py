"""COCO as its tools write it: every layout is recognised, every object found, and every oddity told with its place."""

import json
from pathlib import Path
from typing import Any

from eyebright_kit.data.conformance import Example, FormatConformance, write_image
from eyebright_kit.data.features import Feature
from eyebright_kit.data.formats.coco import Coco
from eyebright_wire.datasets import Split

_ORDER = frozenset({Feature.CLASS_ORDER, Feature.CLASS_NAMES})
FLAVOURS = (
    _ORDER | {Feature.BOX},
    _ORDER | {Feature.BOX, Feature.POLYGON, Feature.PARTS, Feature.LOOSE_BOX},
    _ORDER | {Feature.BOX, Feature.RLE, Feature.CROWD},
    _ORDER | {Feature.BOX, Feature.KEYPOINTS, Feature.SKELETON},
    _ORDER | {Feature.BOX, Feature.KEYPOINTS, Feature.POLYGON},
    _ORDER | {Feature.BOX, Feature.ATTRIBUTES, Feature.CAPTION},
    frozenset({Feature.CAPTION}),
)
CATEGORIES = ({"id": 3, "name": "dog", "supercategory": "animal"}, {"id": 1, "name": "cat", "supercategory": "animal"})
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
        "info": {"year": 2017},
        "licenses": [{"id": 1, "name": "CC"}],
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
WITH_POINTS = tuple({**category, **POINTS} for category in CATEGORIES)


class TestCoco(FormatConformance):
    """As COCO itself is distributed."""

    form = Coco()
    flavours = FLAVOURS

    def example(self, root: Path) -> Example:
        for split, numbers in (("train2017", range(1, 5)), ("val2017", range(5, 8))):
            names = root / "annotations"
            content = write_split(names / f"instances_{split}.json", root / split, numbers)
            persons = {**content, "categories": WITH_POINTS}
            persons["annotations"] = [
                {**each, "keypoints": KEYPOINTS, "num_keypoints": 2} for each in content["annotations"][::2]
            ]
            write_json(names / f"person_keypoints_{split}.json", persons)
            captions = [{"image_id": n, "id": 900 + n, "caption": f"Number {n}. "} for n in numbers]
            write_json(names / f"captions_{split}.json", {**content, "annotations": captions, "categories": None})
        files = {
            f"annotations/{kind}_{split}.json"
            for kind in ("instances", "person_keypoints", "captions")
            for split in ("train2017", "val2017")
        }
        return Example(("cat", "dog"), {Split.TRAIN: 4, Split.VAL: 3}, annotations=frozenset(files))


class TestCocoOfRoboflow(FormatConformance):
    form = Coco()

    def example(self, root: Path) -> Example:
        categories = ({"id": 0, "name": "animal", "supercategory": "none"}, *CATEGORIES)
        for split, numbers in (("train", range(1, 5)), ("valid", range(5, 8)), ("test", range(8, 10))):
            write_split(root / split / "_annotations.coco.json", root / split, numbers, "", categories)
        return Example(
            ("cat", "dog"),
            {Split.TRAIN: 4, Split.VAL: 3, Split.TEST: 2},
            ("detection", "instance_segmentation"),
            frozenset(f"{split}/_annotations.coco.json" for split in ("train", "valid", "test")),
        )


class TestCocoWithoutSplits(FormatConformance):
    form = Coco()

    def example(self, root: Path) -> Example:
        write_split(root / "my set" / "result.json", root / "my set" / "images", range(1, 9), "images\\")
        return Example(("cat", "dog"), {}, ("detection", "instance_segmentation"), frozenset({"my set/result.json"}))
