"""COCO as its tools write it: every layout is recognised, every object found, and every oddity told with its place."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools import coco

from eyebright_kit.data.annotations import Skeleton
from eyebright_kit.data.conformance import Example, FormatConformance, store, stored_at, write_image
from eyebright_kit.data.convert import convert
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Remark
from eyebright_kit.data.formats.coco import Coco
from eyebright_kit.data.inspect import Rules, inspect
from eyebright_kit.data.version import prepare
from eyebright_wire.datasets import Split

#: What is done to the content of a file before it is written.
Change = Callable[[dict[str, Any]], object]

_ORDER = frozenset({Feature.CLASS_ORDER, Feature.CLASS_NAMES})
FLAVOURS = (
    _ORDER | {Feature.BOX},
    _ORDER | {Feature.BOX, Feature.POLYGON, Feature.PARTS, Feature.LOOSE_BOX},
    _ORDER | {Feature.BOX, Feature.RLE, Feature.LOOSE_BOX, Feature.CROWD},
    _ORDER | {Feature.BOX, Feature.KEYPOINTS, Feature.SKELETON},
    _ORDER | {Feature.BOX, Feature.KEYPOINTS, Feature.POLYGON},
    _ORDER | {Feature.BOX, Feature.ATTRIBUTES, Feature.CAPTION},
    frozenset({Feature.CAPTION}),
)
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
        grouped = ({**category, "supercategory": "animal"} for category in CATEGORIES)
        categories = ({"id": 0, "name": "animal", "supercategory": "none"}, *grouped)
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


# Helpers


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


# Objects


def test_the_files_of_one_release_tell_of_the_same_objects(tmp_path: Path) -> None:
    TestCoco().example(tmp_path)
    found = annotations(tmp_path, "train2017/1.png")
    assert found.caption == "Number 1."
    assert [instance.label for instance in found.instances] == [0, 1]
    first, second = found.instances
    assert first.polygons == ((2, 1, 6, 1, 6, 6, 2, 6),)
    assert first.keypoints == tuple(KEYPOINTS)
    assert second.keypoints == ()
    assert found.file == tmp_path / "annotations" / "instances_train2017.json"
    assert list(found.marks) == ["annotation 10", "annotation 11"]


def test_objects_that_share_only_a_number_stay_two(tmp_path: Path) -> None:
    content = write_split(tmp_path / "instances_train.json", tmp_path / "images", range(1, 5))
    for each in content["annotations"]:
        each["bbox"] = [0, 0, 9, 9]
    write_json(tmp_path / "more_train.json", content)
    assert [instance.box for instance in annotations(tmp_path, "images/1.png").instances] == [
        (2, 1, 4, 5),
        (3, 2, 4, 5),
        (0, 0, 9, 9),
        (0, 0, 9, 9),
    ]
    assert list(annotations(tmp_path, "images/1.png").marks)[2] == "annotation 10 of more_train.json"


def test_an_image_without_objects_is_an_image(tmp_path: Path) -> None:
    one_file(tmp_path)
    assert annotations(tmp_path, "images/4.png").instances == []


def with_first(**fields: Any) -> Change:
    """The first annotation, whose id is 10, has these fields; without those that are given as ...."""

    def change(content: dict[str, Any]) -> None:
        first = {**content["annotations"][0], **fields}
        content["annotations"][0] = {name: value for name, value in first.items() if value is not ...}

    return change


SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]
RUNS = [17, 3, 13, 3, 220]  # two columns of 3 pixels in 16×16
#: What an entry can be and what it is read as: box, polygons, run lengths.
OBJECTS: dict[str, tuple[dict[str, Any], tuple[Any, Any, str]]] = {
    "only a box": ({"segmentation": ...}, ((2, 1, 4, 5), (), "")),
    "an empty outline": ({"segmentation": []}, ((2, 1, 4, 5), (), "")),
    "an outline of one empty part": ({"segmentation": [[]]}, ((2, 1, 4, 5), (), "")),
    "no outline": ({"segmentation": None}, ((2, 1, 4, 5), (), "")),
    "no box": ({"bbox": ..., "segmentation": [SQUARE]}, ((1, 1, 4, 3), (tuple(SQUARE),), "")),
    "a box of null": ({"bbox": None, "segmentation": [SQUARE]}, ((1, 1, 4, 3), (tuple(SQUARE),), "")),
    "an empty box": ({"bbox": [], "segmentation": [SQUARE]}, ((1, 1, 4, 3), (tuple(SQUARE),), "")),
    "an outline without its brackets": ({"segmentation": SQUARE}, ((2, 1, 4, 5), (tuple(SQUARE),), "")),
    "a closed outline": ({"segmentation": [[*SQUARE, 1, 1]]}, ((2, 1, 4, 5), (tuple(SQUARE),), "")),
    "two parts": (
        {"bbox": ..., "segmentation": [SQUARE, [8, 8, 9, 8, 9, 10]]},
        ((1, 1, 8, 9), (tuple(SQUARE), (8, 8, 9, 8, 9, 10)), ""),
    ),
    "many decimals": (
        {"bbox": [1.00004, 1, 4.123456, 3], "segmentation": [[1.123456, *SQUARE[1:]]]},
        ((1, 1, 4.1235, 3), ((1.1235, *SQUARE[1:]),), ""),
    ),
    "run lengths": ({"bbox": ..., "segmentation": {"size": [16, 16], "counts": RUNS}}, ((1, 1, 2, 3), (), "a03=0_6")),
    "compressed run lengths": (
        {"bbox": ..., "segmentation": {"counts": "a03=0_6", "size": [16, 16]}},
        ((1, 1, 2, 3), (), "a03=0_6"),
    ),
}


@pytest.mark.parametrize("what", OBJECTS)
def test_an_object_is_read_however_it_is_written(tmp_path: Path, what: str) -> None:
    fields, expected = OBJECTS[what]
    one_file(tmp_path, with_first(**fields))
    found = annotations(tmp_path, "images/1.png")
    assert found.remarks == []
    assert (found.instances[0].box, found.instances[0].polygons, found.instances[0].rle) == expected


def test_a_box_that_is_not_given_holds_the_keypoints_that_are_known(tmp_path: Path) -> None:
    one_file(tmp_path, with_first(bbox=..., segmentation=[], keypoints=[2, 3, 2, 9, 9, 0, 6, 5, 1]))
    found = annotations(tmp_path, "images/1.png").instances[0]
    assert found.box == (2, 3, 4, 2)
    assert found.keypoints == (2, 3, 2, 0, 0, 0, 6, 5, 1)


def test_a_crowd_stays_one(tmp_path: Path) -> None:
    one_file(tmp_path, with_first(iscrowd=1))
    assert [instance.crowd for instance in annotations(tmp_path, "images/1.png").instances] == [True, False]


def test_attributes_are_kept_and_what_is_none_is_told(tmp_path: Path) -> None:
    given = {"occluded": False, "rotation": 1.5, "colour": "red", "age": 7, "none": None, "parts": [1], "large": 2**70}
    path = one_file(tmp_path, with_first(attributes=given))
    found = annotations(tmp_path, "images/1.png")
    assert found.instances[0].attributes == {"occluded": False, "rotation": 1.5, "colour": "red", "age": 7}
    where = [(remark.code, remark.path, remark.mark) for remark in found.remarks]
    assert where == [("unsupported_annotations", path, "annotation 10")] * 2


def test_boxes_are_given_as_they_were_found(tmp_path: Path) -> None:
    one_file(tmp_path, with_first(bbox=[12, 12, 20, 20]))
    assert annotations(tmp_path, "images/1.png").instances[0].box == (12, 12, 20, 20)
    report = inspect(tmp_path)
    finding = next(finding for finding in report.findings if finding.code == "box_out_of_range")
    assert finding.examples == ("annotations/instances_train.json: annotation 10",)


# What is wrong with one entry, one image

WHERE = "annotations/instances_train.json"
BROKEN_ENTRIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "two points": ({"segmentation": [[1, 1, 5, 5]]}, "broken_annotations", "an outline has 4 numbers"),
    "half a point": ({"segmentation": [[*SQUARE, 1]]}, "broken_annotations", "an outline has 9 numbers"),
    "run lengths of another size": (
        {"segmentation": {"size": [16, 17], "counts": RUNS}},
        "broken_annotations",
        "its run lengths are for 17×16; the image has 16×16",
    ),
    "run lengths that do not suffice": (
        {"segmentation": {"size": [16, 16], "counts": RUNS[:-1]}},
        "broken_annotations",
        "the run lengths cover 36 pixels; the image has 16×16",
    ),
    "run lengths that are none": (
        {"segmentation": {"size": [16, 16], "counts": "!"}},
        "broken_annotations",
        "'!' is no letter of a run length",
    ),
    "an outline of text": ({"segmentation": "none"}, "broken_annotations", "Expected `array`, got `str`"),
    "three numbers": ({"bbox": [1, 2, 3]}, "broken_annotations", "its bbox has 3 numbers"),
    "a box of text": ({"bbox": ["1", 2, 3, 4]}, "broken_annotations", "Expected `float`, got `str` - at `$.bbox[0]`"),
    "a box of nothing": ({"bbox": [None, 2, 3, 4]}, "broken_annotations", "Expected `float`, got `null`"),
    "no box and no outline": ({"bbox": ..., "segmentation": ...}, "broken_annotations", "it has neither a box nor an"),
    "a box at the end of the world": ({"bbox": [1e300, 2, 3, 4]}, "broken_annotations", "a coordinate is 1e+300"),
    "a point at its end": ({"segmentation": [[*SQUARE[:-1], -1e9]]}, "broken_annotations", "a coordinate is -1e+09"),
    "keypoints that are no points": ({"keypoints": [1, 2]}, "broken_annotations", "its keypoints are 2 numbers"),
    "an unknown visibility": ({"keypoints": [1, 2, 3]}, "broken_annotations", "a visibility is neither 0, 1 nor 2"),
    "an unknown category": ({"category_id": 2}, "class_without_name", "there is no category 2"),
    "no category": ({"category_id": ...}, "broken_annotations", "it has no category_id"),
    "a category that is a list": ({"category_id": [1]}, "broken_annotations", "Expected `int | float | str | null`"),
    "an unknown image": ({"image_id": 77}, "broken_annotations", "there is no image 77"),
    "no image": ({"image_id": ...}, "broken_annotations", "it has no image_id"),
    "attributes that are none": ({"attributes": [1]}, "broken_annotations", "Expected `object`, got `array`"),
}


@pytest.mark.parametrize("what", BROKEN_ENTRIES)
def test_a_broken_entry_is_told_with_its_number(tmp_path: Path, what: str) -> None:
    fields, code, detail = BROKEN_ENTRIES[what]
    one_file(tmp_path, with_first(**fields))
    ((found, where, said),) = told(tmp_path)
    assert (found, where) == (code, f"{WHERE}:annotation 10")
    assert said.startswith(detail)


def test_an_image_with_a_broken_entry_blocks_and_can_be_left_out(tmp_path: Path) -> None:
    one_file(tmp_path, with_first(bbox=[1, 2, 3]))
    report = inspect(tmp_path)
    assert not report.ready_tasks
    expected = f"{WHERE}: annotation 10 cannot be understood: its bbox has 3 numbers; expected left, top, width, height"
    assert report.ready_for("detection").missing[0].startswith(expected)
    assert sum(report.images.values()) == 3
    left_out = inspect(tmp_path, rules=Rules(leave_out_broken=True))
    assert "detection" in left_out.ready_tasks


def test_an_entry_without_an_id_is_told_by_its_place(tmp_path: Path) -> None:
    one_file(tmp_path, with_first(id=..., bbox=[1, 2, 3]))
    assert {where for _, where, _ in told(tmp_path)} == {f"{WHERE}:entry 1"}


def test_an_entry_that_is_no_object_is_told_by_its_place(tmp_path: Path) -> None:
    one_file(tmp_path, lambda content: content["annotations"].insert(0, 7))
    assert told(tmp_path) == {("broken_annotations", f"{WHERE}:entry 1", "Expected `object`, got `int`")}


def image(number: int, **fields: Any) -> Change:
    """The image at this place of the list has these fields; without those that are given as ...."""

    def change(content: dict[str, Any]) -> None:
        changed = {**content["images"][number], **fields}
        content["images"][number] = {name: value for name, value in changed.items() if value is not ...}

    return change


def test_an_image_that_is_listed_but_not_there_is_missing(tmp_path: Path) -> None:
    one_file(tmp_path, image(3, file_name="gone.png"))
    assert told(tmp_path) == {
        ("missing_image", f"{WHERE}:image 4", "gone.png: no file is called so"),
        ("unlisted_image", "images/4.png", ""),
    }


def test_an_image_without_a_name_is_broken(tmp_path: Path) -> None:
    one_file(tmp_path, image(3, file_name=""))
    assert ("broken_annotations", f"{WHERE}:image number 4", "it has no file_name") in told(tmp_path)
    one_file(tmp_path, image(3, file_name=..., coco_url=None))
    assert ("broken_annotations", f"{WHERE}:image number 4", "it has no file_name") in told(tmp_path)
    one_file(tmp_path, image(3, id=...))
    assert ("broken_annotations", f"{WHERE}:image number 4", "it has no id") in told(tmp_path)


def test_an_image_of_lvis_is_called_as_its_address_ends(tmp_path: Path) -> None:
    one_file(tmp_path, image(0, file_name=..., coco_url="http://images.cocodataset.org/train2017/1.png"))
    assert told(tmp_path) == set()
    assert len(annotations(tmp_path, "images/1.png").instances) == 2


def test_two_images_with_one_id_cannot_be_told_apart(tmp_path: Path) -> None:
    one_file(tmp_path, image(1, id=1))
    found = told(tmp_path)
    assert ("broken_annotations", f"{WHERE}:image 1", "1.png and 2.png have the same id") in found
    assert sorted(candidates(tmp_path)) == ["images/3.png", "images/4.png"]


def test_an_image_that_is_listed_twice_is_one(tmp_path: Path) -> None:
    one_file(tmp_path, lambda content: content["images"].append(content["images"][0]))
    assert told(tmp_path) == {("listed_twice", f"{WHERE}:image 1", "1.png")}
    assert len(candidates(tmp_path)) == 4


def test_an_image_that_is_listed_under_two_ids_has_the_objects_of_both(tmp_path: Path) -> None:
    one_file(tmp_path, image(1, file_name="1.png"))
    assert ("listed_twice", f"{WHERE}:image 2", "images/1.png") in told(tmp_path)
    assert len(annotations(tmp_path, "images/1.png").instances) == 4


def test_an_image_that_is_listed_a_hundred_thousand_times_is_soon_read(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": "1.png"} for number in range(100_000)]
    only(tmp_path, "annotations.json", {"images": images, "annotations": [], "categories": []})
    began = time.process_time()
    assert len(list(Coco().read(tmp_path).found())) == 100_000
    assert time.process_time() - began < 20  # if each were compared with all others: hours


def test_an_image_of_another_size_than_it_is_said_to_have_is_told(tmp_path: Path) -> None:
    one_file(tmp_path, image(0, width=8, height=32))
    assert told(tmp_path) == {("size_mismatch", "images/1.png", "8×32 where it is listed, 16×16 in fact")}
    remarks = annotations(tmp_path, "images/1.png", 32, 8).remarks
    assert remarks[0].detail == "8×32 where it is listed, 32×8 in fact, turned"


@pytest.mark.parametrize("size", [None, 0, ...])
def test_a_size_that_is_not_said_contradicts_nothing(tmp_path: Path, size: Any) -> None:
    one_file(tmp_path, image(0, width=size, height=size))
    assert told(tmp_path) == set()


def test_an_image_that_no_file_lists_is_told(tmp_path: Path) -> None:
    one_file(tmp_path)
    write_image(tmp_path / "images" / "stray.png", 99)
    assert told(tmp_path) == {("unlisted_image", "images/stray.png", "")}


def test_ids_may_be_texts_or_fractions(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["images"][0]["id"] = "first"
        content["images"][1]["id"] = "2"
        for each in content["annotations"]:
            each["image_id"] = {1: "first", 2: 2.0}.get(each["image_id"], each["image_id"])
            each["category_id"] = str(each["category_id"])
            each["id"] = f"a{each['id']}"

    one_file(tmp_path, change)
    assert told(tmp_path) == set()
    assert [len(annotations(tmp_path, f"images/{n}.png").instances) for n in (1, 2, 3, 4)] == [2, 2, 2, 0]
    assert list(annotations(tmp_path, "images/1.png").marks) == ["annotation a10", "annotation a11"]


# Classes


def categories(*names: tuple[Any, Any], **others: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["categories"] = [{"id": number, "name": name, **others} for number, name in names]

    return change


def test_classes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    one_file(tmp_path, categories((90, "toothbrush"), (3, "dog"), (1, "cat"), (12, "ant")))
    assert Coco().read(tmp_path).classes == ("cat", "dog", "ant", "toothbrush")


def test_classes_without_names_are_called_by_their_numbers(tmp_path: Path) -> None:
    one_file(tmp_path, categories((1, None), (3, "")))
    assert Coco().read(tmp_path).classes == ("1", "3")
    assert {(code, where) for code, where, _ in told(tmp_path)} == {
        ("unnamed_classes", f"{WHERE}:category 1"),
        ("unnamed_classes", f"{WHERE}:category 3"),
    }


def test_a_number_with_two_names_cannot_be_read(tmp_path: Path) -> None:
    one_file(tmp_path, categories((1, "cat"), (1, "dog"), (3, "x")))
    with pytest.raises(Unreadable, match="category 1 is both 'cat' and 'dog'"):
        Coco().read(tmp_path)


def two_files(root: Path, *, train: Change, val: Change) -> None:
    for split, change, numbers in (("train", train, range(1, 5)), ("val", val, range(5, 9))):
        path = root / split / "_annotations.coco.json"
        content = write_split(path, root / split, numbers)
        change(content)
        write_json(path, content)


def test_classes_of_several_files_are_joined_by_their_names(tmp_path: Path) -> None:
    two_files(tmp_path, train=categories((1, "cat"), (3, "dog")), val=categories((1, "dog"), (3, "cat")))
    assert Coco().read(tmp_path).classes == ("cat", "dog")
    assert [i.label for i in annotations(tmp_path, "train/1.png").instances] == [0, 1]
    assert [i.label for i in annotations(tmp_path, "val/5.png").instances] == [1, 0]
    assert {found for found in told(tmp_path) if found[0] == "conflicting_categories"} == {
        (
            "conflicting_categories",
            "val/_annotations.coco.json:category 1",
            "'dog' is number 3 in train/_annotations.coco.json",
        ),
        (
            "conflicting_categories",
            "val/_annotations.coco.json:category 3",
            "'cat' is number 1 in train/_annotations.coco.json",
        ),
    }


def test_a_number_that_means_another_class_in_another_file_is_told(tmp_path: Path) -> None:
    two_files(tmp_path, train=categories((1, "cat"), (3, "dog")), val=categories((1, "kitten"), (3, "dog")))
    assert Coco().read(tmp_path).classes == ("cat", "kitten", "dog")
    assert told(tmp_path) == {
        (
            "conflicting_categories",
            "val/_annotations.coco.json:category 1",
            "'kitten' is 'cat' in train/_annotations.coco.json",
        )
    }


def test_a_class_that_only_one_file_has_keeps_its_place(tmp_path: Path) -> None:
    two_files(tmp_path, train=categories((1, "cat"), (3, "dog")), val=categories((1, "cat"), (2, "bird"), (3, "dog")))
    assert Coco().read(tmp_path).classes == ("cat", "bird", "dog")
    assert codes(tmp_path) == set()


@pytest.mark.parametrize(
    ("part", "said", "left"),
    [
        ("info", {"description": "COCO 2017 Dataset", "year": 2017}, "info"),
        ("info", "drawn by hand", "info"),
        ("licenses", [{"id": 1, "name": "CC BY 4.0", "url": ""}], "licenses"),
        (
            "categories",
            [{"id": 1, "name": "cat", "supercategory": "animal"}, {"id": 3, "name": "dog"}],
            "supercategories",
        ),
    ],
)
def test_what_is_said_of_the_whole_set_is_left_behind_and_told(
    tmp_path: Path, part: str, said: object, left: str
) -> None:
    one_file(tmp_path / "set", lambda content: content.update({part: said}))
    assert told(tmp_path / "set") == {("details_left_behind", WHERE, left)}
    changes = prepare(tmp_path / "set", work=tmp_path / "work").report.changes
    assert changes
    assert changes.by_code == {"details_left_behind": 1}


@pytest.mark.parametrize("info", [None, {}, "", {"url": "", "year": 2024}, {"a": {"b": " "}}])
def test_what_says_nothing_is_not_told(tmp_path: Path, info: object) -> None:
    one_file(tmp_path, lambda content: content.update(info=info, licenses=[]))
    assert told(tmp_path) == set()


def roboflow(content: dict[str, Any], group: str = "pets") -> None:
    content["categories"] = [
        {"id": 0, "name": group, "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": group},
        {"id": 3, "name": "dog", "supercategory": group},
    ]


def test_a_category_that_only_groups_the_others_is_no_class(tmp_path: Path) -> None:
    two_files(tmp_path, train=roboflow, val=roboflow)
    assert Coco().read(tmp_path).classes == ("cat", "dog")
    assert ("placeholder_class", "train/_annotations.coco.json:category 0", "'pets'") in told(tmp_path)


def test_a_category_that_groups_others_but_has_objects_is_a_class(tmp_path: Path) -> None:
    def used(content: dict[str, Any]) -> None:
        roboflow(content)
        content["annotations"][0]["category_id"] = 0

    two_files(tmp_path, train=roboflow, val=used)
    assert Coco().read(tmp_path).classes == ("pets", "cat", "dog")
    assert codes(tmp_path) == {"details_left_behind"}


def test_the_keypoints_of_a_class_are_its_skeleton(tmp_path: Path) -> None:
    one_file(tmp_path, categories((1, "cat"), (3, "dog"), **POINTS))
    expected = Skeleton(keypoints=("nose", "left_ear", "right_ear"), edges=((0, 1), (0, 2)), flip=(0, 2, 1))
    assert Coco().read(tmp_path).skeletons == {0: expected, 1: expected}


@pytest.mark.parametrize(
    ("lines", "edges", "told_of"), [([[0, 1]], ((0, 1),), False), ([[1, 9], [1, 3]], ((0, 2),), True)]
)
def test_lines_of_a_skeleton_lead_to_its_keypoints(tmp_path: Path, lines: object, edges: object, told_of: bool) -> None:
    one_file(tmp_path, categories((1, "cat"), (3, "dog"), keypoints=["a", "b", "c"], skeleton=lines))
    skeleton = Coco().read(tmp_path).skeletons[0]
    assert (skeleton.edges, skeleton.flip) == (edges, ())
    assert codes(tmp_path) == ({"unsupported_annotations"} if told_of else set())


def test_keypoints_that_do_not_fit_the_skeleton_are_broken(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        categories((1, "cat"), (3, "dog"), **POINTS)(content)
        with_first(keypoints=[1, 2, 2])(content)

    one_file(tmp_path, change)
    assert told(tmp_path) == {
        ("broken_annotations", f"{WHERE}:annotation 10", "its keypoints are 3 numbers; expected 3 × 3")
    }


def test_names_are_text_that_is_safe_to_show(tmp_path: Path) -> None:
    one_file(tmp_path, categories((1, "c\x1b[31mat"), (3, "Ko\u0308ter")))
    assert Coco().read(tmp_path).classes == ("c\\x1b[31mat", "K\u00f6ter")


# Files and layouts

LAYOUTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "coco": (
        {"train": "annotations/instances_train2017.json", "val": "annotations/instances_val2017.json"},
        {"train": "train2017", "val": "val2017"},
    ),
    "coco below images": (
        {"train": "coco/annotations/instances_train.json", "val": "coco/annotations/instances_val.json"},
        {"train": "coco/images/train", "val": "coco/images/val"},
    ),
    "all images in one folder": (
        {"train": "annotations/train.json", "val": "annotations/val.json"},
        {"train": "images", "val": "images"},
    ),
    "roboflow": (
        {"train": "train/_annotations.coco.json", "val": "valid/_annotations.coco.json"},
        {"train": "train", "val": "valid"},
    ),
    "lists at the top": (
        {"train": "fruit_train.json", "val": "fruit_val.json"},
        {"train": "images", "val": "images"},
    ),
    "lists in the folders of the splits": (
        {"train": "train/annotations.json", "val": "val/annotations.json"},
        {"train": "train/images", "val": "val/images"},
    ),
    "annotations in folders of splits": (
        {"train": "annotations/train/instances.json", "val": "annotations/val/instances.json"},
        {"train": "images/train", "val": "images/val"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("same_names", [False, True])
def test_every_layout_is_read(tmp_path: Path, layout: str, same_names: bool) -> None:
    lists, folders = LAYOUTS[layout]
    if same_names and folders["train"] == folders["val"]:
        return  # one name in one folder is one image
    for split, numbers in (("train", range(1, 5)), ("val", range(1, 4) if same_names else range(5, 8))):
        write_split(tmp_path / lists[split], tmp_path / folders[split], numbers)
    assert Coco().matches(tmp_path) == Certainty.SURE
    reading = Coco().read(tmp_path)
    found = [each for each in reading.found() if isinstance(each, Candidate)]
    assert Counter(each.split for each in found) == {Split.TRAIN: 4, Split.VAL: 3}
    assert {each.split: each.path.parent for each in found} == {
        Split.TRAIN: tmp_path / folders["train"],
        Split.VAL: tmp_path / folders["val"],
    }
    assert reading.splits == {Split.TRAIN: lists["train"], Split.VAL: lists["val"]}
    assert told(tmp_path) == set()


def test_one_list_of_folders_for_splits_has_their_splits(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    content = write_split(path, tmp_path / "train", range(1, 5), "train/")
    others = write_split(path, tmp_path / "val", range(5, 9), "val/")
    write_json(path, {**others, **{part: content[part] + others[part] for part in ("images", "annotations")}})
    assert Counter(each.split for each in candidates(tmp_path).values()) == {Split.TRAIN: 4, Split.VAL: 4}


def test_what_a_list_without_split_says_is_said_of_the_images_of_the_splits(tmp_path: Path) -> None:
    content = write_split(tmp_path / "train.json", tmp_path / "images", range(1, 5))
    write_json(tmp_path / "all.json", content)
    assert [each.split for each in candidates(tmp_path).values()] == [Split.TRAIN] * 4
    assert len(annotations(tmp_path, "images/1.png").instances) == 2


@pytest.mark.parametrize(
    "name",
    [
        "1.png",
        "images/1.png",
        "./images/1.png",
        "images\\1.png",
        "C:\\Users\\me\\images\\1.png",
        "/home/me/set/images/1.png",
        "../images/1.png",
        "../../../etc/1.png",
        "train2017/1.png",
        "https://example.com/a/images/1.png?size=large",
        "gs://bucket/1.png",
        "IMAGES/1.PNG",
    ],
)
def test_an_image_is_found_however_its_name_is_written(tmp_path: Path, name: str) -> None:
    one_file(tmp_path, image(0, file_name=name))
    assert told(tmp_path) == set()
    assert candidates(tmp_path)["images/1.png"].path == tmp_path / "images" / "1.png"


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/hostname", "..", "/", "images", "https://example.com/", "\u0000"]
)
def test_a_name_of_what_is_not_in_the_data_set_leads_nowhere(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "secret.png", 1)
    one_file(tmp_path / "set", image(3, file_name=name))
    found = told(tmp_path / "set")
    assert {code for code, _, _ in found} == {"missing_image", "unlisted_image"}
    assert all(each.path.is_relative_to(tmp_path / "set") for each in candidates(tmp_path / "set").values())


def test_a_name_that_could_mean_two_files_means_none(tmp_path: Path) -> None:
    one_file(tmp_path)
    for folder in ("a", "b"):
        write_image(tmp_path / folder / "1.png", 70)
        (tmp_path / "images" / "1.png").unlink(missing_ok=True)
    assert ("missing_image", f"{WHERE}:image 1", "1.png: 2 files are called so") in told(tmp_path)


def only(root: Path, name: str, content: object) -> Path:
    write_image(root / "images" / "1.png", 1)
    return write_json(root / name, content)


IMAGES = [{"id": 1, "file_name": "1.png", "width": 16, "height": 16}]
SEGMENTS = [{"id": 5, "category_id": 1, "area": 9, "iscrowd": 0, "bbox": [1, 1, 3, 3]}]
NOT_READ: dict[str, tuple[str, object, str]] = {
    "panoptic": (
        "annotations/panoptic_train2017.json",
        {"images": IMAGES, "annotations": [{"segments_info": SEGMENTS, "file_name": "1.png", "image_id": 1}]},
        "its annotations are panoptic",
    ),
    "stuff": ("annotations/stuff_train2017.json", {"images": IMAGES, "annotations": []}, "its regions (stuff)"),
    "names of images": (
        "annotations/image_info_test2017.json",
        {"images": IMAGES, "categories": []},
        "it lists images but has no annotations",
    ),
    "results": (
        "results.json",
        [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3], "score": 0.9}],
        "it is a list of what a model found; expected an object with images, annotations and categories",
    ),
}


@pytest.mark.parametrize("what", NOT_READ)
def test_a_set_of_nothing_that_is_read_says_what_it_is(tmp_path: Path, what: str) -> None:
    name, content, said = NOT_READ[what]
    only(tmp_path, name, content)
    report = inspect(tmp_path)
    assert report.format == "coco"
    assert [finding.code for finding in report.findings] == ["unsupported_annotations"]
    assert said in report.ready_for("detection").missing[0]


@pytest.mark.parametrize("what", NOT_READ)
def test_beside_what_is_read_the_rest_is_left_out(tmp_path: Path, what: str) -> None:
    name, content, said = NOT_READ[what]
    one_file(tmp_path, name="annotations/instances_train2017.json")
    write_json(tmp_path / name, content)
    ((code, where, detail),) = told(tmp_path)
    assert (code, where) == ("unsupported_annotations", name)
    assert detail.startswith(said)


def test_of_several_captions_the_first_is_used(tmp_path: Path) -> None:
    texts = [{"id": n, "image_id": 1, "caption": f"Caption {n}."} for n in (1, 2, 3)]
    only(tmp_path, "annotations/captions_train2014.json", {"images": IMAGES, "annotations": texts})
    assert annotations(tmp_path, "images/1.png").caption == "Caption 1."
    assert told(tmp_path) == {("more_captions", "images/1.png", "3")}


@pytest.mark.parametrize(
    "content",
    [
        {"version": "5.0", "shapes": [], "imagePath": "1.png", "imageData": None},
        {"info": {}, "categories": {}, "items": [{"id": "1", "annotations": [], "image": {"path": "1.png"}}]},
        {"images": 3},
        [{"image": "1.png", "annotations": []}],
        {"answer": '{"images": []'},
        {},
        [],
        7,
    ],
    ids=str,
)
def test_other_json_is_not_taken_for_coco(tmp_path: Path, content: Any) -> None:
    only(tmp_path, "annotations/train.json", content)
    expected = Certainty.SURE if content == {"images": 3} else Certainty.NO
    assert Coco().matches(tmp_path) == expected


def test_labels_of_yolo_for_all_images_are_more_than_a_list_of_some(tmp_path: Path) -> None:
    write_split(tmp_path / "coco/annotations/instances_val2017.json", tmp_path / "coco/images/val2017", range(1, 5))
    for split, number in (("train2017", 9), ("val2017", 1)):
        write_image(tmp_path / "coco/images" / split / f"{number}.png", number)
        label = tmp_path / "coco/labels" / split / f"{number}.txt"
        label.parent.mkdir(parents=True)
        label.write_text("0 0.5 0.5 0.2 0.2")
    assert Coco().matches(tmp_path) == Certainty.POSSIBLE


def test_json_of_others_beside_it_is_no_annotation(tmp_path: Path) -> None:
    one_file(tmp_path)
    write_json(tmp_path / "meta.json", {"name": "fruit"})
    (tmp_path / "broken.json").write_text("{")
    assert told(tmp_path) == {("other_file", "meta.json", ""), ("other_file", "broken.json", "")}


def test_a_mark_of_byte_order_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    text = json.dumps(json.loads(path.read_text()), indent=1).replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert Coco().matches(tmp_path) == Certainty.SURE
    assert told(tmp_path) == set()
    assert len(candidates(tmp_path)) == 4


def of_roboflow(root: Path) -> Path:
    for split, numbers in (("train", range(1, 5)), ("valid", range(5, 8))):
        write_split(root / split / "_annotations.coco.json", root / split, numbers)
    return root


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_file_that_powershell_wrote_anew_is_read(tmp_path: Path, split: str, encoding: str) -> None:
    path = of_roboflow(tmp_path) / split / "_annotations.coco.json"
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"  # these write their own
    path.write_bytes((mark + path.read_text()).encode(encoding))
    assert told(tmp_path) == set()
    assert Counter(found.split for found in candidates(tmp_path).values()) == {Split.TRAIN: 4, Split.VAL: 3}
    assert len(annotations(tmp_path, f"{split}/{5 if split == 'valid' else 1}.png").instances) == 2


_LOST = {
    "another file": b"[]",
    "an empty object": b"{}",
    "nothing": b"",
    "cut off at once": b'{"info": {"year',
    "nested deep": b'{"info": ' + b"[" * 100_000,
    "no mark": '{"images": []}'.encode("utf-16-le"),
    "half of a character": '{"images": []}'.encode("utf-16")[:-1],
}
_KNOWN_NAMES = (
    "valid/_annotations.coco.json",
    "annotations/instances_val2017.json",
    "annotations/person_keypoints_val2017.json",
    "annotations/captions_val.json",
    "set/annotations/instances_default.json",
)


@pytest.mark.parametrize("what", _LOST)
@pytest.mark.parametrize("name", _KNOWN_NAMES)
def test_a_file_that_can_only_be_an_annotation_is_never_passed_over(tmp_path: Path, name: str, what: str) -> None:
    path = of_roboflow(tmp_path) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_LOST[what])
    report = inspect(tmp_path)
    assert [finding.code for finding in report.findings] == ["broken_annotations"]
    assert [example.removesuffix(":1") for example in report.findings[0].examples] == [name]
    assert name in report.ready_for("detection").missing[0]


@pytest.mark.parametrize("what", _LOST)
def test_a_broken_file_that_is_the_only_one_is_named(tmp_path: Path, what: str) -> None:
    path = one_file(tmp_path)
    path.write_bytes(_LOST[what])
    report = inspect(tmp_path)
    assert report.format == "coco"
    assert [finding.code for finding in report.findings] == ["broken_annotations"]
    assert WHERE in report.ready_for("detection").missing[0]


def test_a_broken_list_beside_labels_of_yolo_takes_nothing_from_them(tmp_path: Path) -> None:
    write_json(tmp_path / "annotations/instances_val2017.json", [])
    write_image(tmp_path / "images/train/1.png", 1)
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/1.txt").write_text("0 0.5 0.5 0.2 0.2")
    assert Coco().matches(tmp_path) == Certainty.POSSIBLE
    assert inspect(tmp_path).format == "yolo"


def test_a_list_whose_head_is_longer_than_the_glimpse_is_read(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    write_json(path, {**json.loads(path.read_text()), "info": {"licence": "x" * 200_000}})
    assert len(candidates(tmp_path)) == 4


# Hostile content


def replaced(old: str, new: str) -> Callable[[str], bytes]:
    def change(text: str) -> bytes:
        assert old in text
        return text.replace(old, new).encode("latin-1")

    return change


UNREADABLE: dict[str, tuple[Callable[[str], bytes], str]] = {
    "cut off": (lambda text: text[: len(text) // 2].encode(), "it is no JSON: Input data was truncated"),
    "not a number": (replaced("[2, 1, 4, 5]", "[NaN, 1, 4, 5]"), "it is no JSON: JSON is malformed: invalid character"),
    "endless": (replaced("[2, 1, 4, 5]", "[-Infinity, 1, 4, 5]"), "it is no JSON: JSON is malformed"),
    "nested deep": (
        replaced('"info": {', '"info": {"a":' + "[" * 10_000 + "]" * 10_000 + ","),
        "it is nested too deep",
    ),
    "images of text": (replaced('"images": [', '"images": "none", "x": ['), "Expected `array | null`, got `str`"),
    "a category of text": (
        replaced('"categories": [', '"categories": ["cat", '),
        "category number 1: Expected `object`",
    ),
    "a category without a number": (
        replaced('"id": 3, "name": "dog"', '"name": "dog"'),
        "category number 1: Object missing",
    ),
    "a skeleton of text": (
        replaced('"name": "dog"', '"name": "dog", "skeleton": "none"'),
        "category number 1: Expected `array | null`",
    ),
    "no text": (replaced('"name": "dog"', '"name": "\xff"'), "category number 1: it is no UTF-8 text"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_cannot_be_read_as_a_whole_says_why(tmp_path: Path, what: str) -> None:
    change, said = UNREADABLE[what]
    path = one_file(tmp_path)
    path.write_bytes(change(path.read_text()))
    assert Coco().matches(tmp_path)
    report = inspect(tmp_path)
    assert [finding.code for finding in report.findings] == ["broken_annotations"]
    assert said in report.findings[0].message
    assert said in report.ready_for("detection").missing[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[2, 1, 4, 5]", "[1e400, 1, 4, 5]"),
        ("[2, 1, 4, 5]", f"[{'9' * 5000}, 1, 4, 5]"),
        ("[[2, 1, 6, 1, 6, 6, 2, 6]]", '{"size": [16, 16], "counts": [-5, 261]}'),
        ("[[2, 1, 6, 1, 6, 6, 2, 6]]", '{"size": [16, 16], "counts": "' + "o" * 50_000 + '"}'),
        ("[[2, 1, 6, 1, 6, 6, 2, 6]]", '{"size": [16, 16], "counts": [1e30]}'),
        ('"category_id": 1, "id": 10}', '"category_id": 1, "id": 10, "attributes": {"a": 1e400}}'),
    ],
)
def test_numbers_without_end_break_one_entry(tmp_path: Path, old: str, new: str) -> None:
    path = one_file(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert {(code, where) for code, where, _ in told(tmp_path)} <= {
        ("broken_annotations", f"{WHERE}:annotation 10"),
        ("broken_annotations", f"{WHERE}:entry 1"),
    }
    assert codes(tmp_path) == {"broken_annotations"}


def test_a_list_that_is_a_link_out_of_the_data_set_is_not_read(tmp_path: Path) -> None:
    path = one_file(tmp_path / "set")
    path.rename(tmp_path / "instances_train.json")
    path.symlink_to(tmp_path / "instances_train.json")
    with pytest.raises(Unreadable) as caught:
        Coco().read(tmp_path / "set")
    assert caught.value.code == "outside_link"


def test_a_listed_image_that_is_a_link_out_of_the_data_set_is_not_used(tmp_path: Path) -> None:
    one_file(tmp_path / "set")
    image = tmp_path / "set" / "images" / "1.png"
    image.rename(tmp_path / "1.png")
    image.symlink_to(tmp_path / "1.png")
    assert "outside_link" in {finding.code for finding in inspect(tmp_path / "set").findings}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just(2**80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def spots(value: object) -> list[tuple[Any, Any]]:
    """Every place in nested lists and dictionaries, as the container and the key."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [spot for key, inner in inside for spot in [(value, key), *spots(inner)]]


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_file_there_is_a_report(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    path = one_file(root, lambda content: (with_first(keypoints=KEYPOINTS)(content), roboflow(content)))
    content = json.loads(path.read_text())
    for _ in range(data.draw(st.integers(0, 4))):
        holder, key = data.draw(st.sampled_from(spots(content)))
        holder[key] = data.draw(VALUES)
    text = bytearray(json.dumps(content).encode())
    for _ in range(data.draw(st.integers(0, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(text[: data.draw(st.one_of(st.just(len(text)), st.integers(0, len(text))))])
    inspect(root)
    try:
        reading = Coco().read(root)
    except Unreadable:
        return
    for found in reading.found():
        if isinstance(found, Candidate) and found.annotate:
            found.annotate(16, 16)


# Written


def written(root: Path, work: Path) -> Path:
    """What stands in `root`, written anew."""
    version = prepare(root, work=work / "work")
    blobs = store(version, work / "blobs")
    convert(version.manifest, stored_at(blobs), Coco(), work / "written")
    return work / "written"


def mixed(content: dict[str, Any]) -> None:
    """Outlines of one and of two parts, run lengths, a crowd, and keypoints."""
    categories((1, "cat"), (3, "dog"), **POINTS)(content)
    outlines = [
        [SQUARE],
        [SQUARE, [8, 8, 14, 8, 14, 13, 8, 13]],
        {"size": [16, 16], "counts": RUNS},
        {"size": [16, 16], "counts": "a03=0_6"},
        [[1.5, 2.25, 9.75, 3, 7, 12.125]],
        [SQUARE],
    ]
    for place, (each, outline) in enumerate(zip(content["annotations"], outlines, strict=True)):
        each.update(segmentation=outline, iscrowd=int(place == 2), keypoints=KEYPOINTS)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools with numpy 2.4
def test_what_is_written_loads_in_the_tool_that_defines_the_format(tmp_path: Path) -> None:
    one_file(tmp_path / "set", mixed)
    folder = written(tmp_path / "set", tmp_path)
    objects = 0
    for split in ("train", "val"):
        path = folder / "annotations" / f"instances_{split}.json"
        loaded = coco.COCO(path)
        assert [each["name"] for each in loaded.loadCats(loaded.getCatIds())] == ["cat", "dog"]
        for picture in loaded.loadImgs(loaded.getImgIds()):
            assert (folder / "images" / split / picture["file_name"]).is_file()
        for each in loaded.loadAnns(loaded.getAnnIds()):
            objects += 1
            area = int(loaded.annToMask(each).sum())
            if isinstance(each["segmentation"], dict):
                assert area == each["area"]
            else:  # pycocotools counts whole pixels
                assert area == pytest.approx(each["area"], abs=5)
            assert each["num_keypoints"] == 2
    assert objects == 6


def test_areas_are_those_of_the_outlines(tmp_path: Path) -> None:
    one_file(tmp_path / "set", mixed)
    folder = written(tmp_path / "set", tmp_path)
    lists = [json.loads(path.read_text()) for path in sorted((folder / "annotations").glob("instances_*.json"))]
    assert sorted(each["area"] for one in lists for each in one["annotations"]) == [6, 6, 12, 12, 38.6719, 42]


def test_what_is_written_is_numbered_from_one(tmp_path: Path) -> None:
    TestCoco().example(tmp_path / "set")
    folder = written(tmp_path / "set", tmp_path)
    content = {path.name: json.loads(path.read_text()) for path in (folder / "annotations").iterdir()}
    assert sorted(content) == [
        "captions_train.json",
        "captions_val.json",
        "instances_train.json",
        "instances_val.json",
    ]
    for kind in ("instances", "captions"):
        for part in ("images", "annotations"):
            numbers = [each["id"] for split in ("train", "val") for each in content[f"{kind}_{split}.json"][part]]
            assert sorted(numbers) == list(range(1, len(numbers) + 1))
    train = content["instances_train.json"]
    visibilities = [v for each in train["annotations"] for v in each.get("keypoints", ())[2::3]]
    assert {type(v) for v in visibilities} == {int}
    assert train["categories"][0] == {
        "id": 1,
        "name": "cat",
        "supercategory": "",
        "keypoints": ["nose", "left_ear", "right_ear"],
        "skeleton": [[1, 2], [1, 3]],
    }
    assert {"id": 1, "file_name": "4.png", "width": 16, "height": 16} in train["images"]  # the one without objects
