"""Everything that is odd in a COCO set is told with its place."""

from pathlib import Path
from typing import Any

import pytest
from coco_sets import (
    IMAGES,
    POINTS,
    RUNS,
    SQUARE,
    WHERE,
    annotations,
    candidates,
    categories,
    image,
    of_roboflow,
    one_file,
    only,
    told,
    two_files,
    with_first,
    write_json,
)

from eyebright_kit.data.conformance import write_image
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.format import Certainty
from eyebright_kit.data.formats.coco import Coco
from eyebright_kit.data.inspect import Rules, inspect
from eyebright_kit.data.version import prepare

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
    "an outline of text": (
        {"segmentation": "none"},
        "broken_annotations",
        "its segmentation cannot be read: Expected `array`, got `str`",
    ),
    "an outline of pairs": (
        {"segmentation": [[[1, 1], [5, 1], [5, 4]]]},
        "broken_annotations",
        "its segmentation cannot be read: Expected `float`, got `array`",
    ),
    "run lengths of nothing": (
        {"segmentation": {"size": [16, 16], "counts": None}},
        "broken_annotations",
        "its segmentation cannot be read: Expected `str | array`, got `null` - at `$.counts`",
    ),
    "keypoints of text": ({"keypoints": ["a"]}, "broken_annotations", "its keypoints cannot be read: Expected `float`"),
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
    "attributes that are none": ({"attributes": [1]}, "broken_annotations", "its attributes cannot be read: Expected"),
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


def test_an_image_of_another_size_than_it_is_said_to_have_is_told(tmp_path: Path) -> None:
    one_file(tmp_path, image(0, width=8, height=32))
    assert told(tmp_path) == {("size_mismatch", "images/1.png", "8×32 where it is listed, 16×16 in fact")}
    remarks = annotations(tmp_path, "images/1.png", 32, 8).remarks
    assert remarks[0].detail == "8×32 where it is listed, 32×8 in fact, turned"


@pytest.mark.parametrize("size", [None, 0, "16", "?", ...])
def test_a_size_that_is_not_said_contradicts_nothing(tmp_path: Path, size: Any) -> None:
    one_file(tmp_path, image(0, width=size, height=size))
    assert told(tmp_path) == set()


def test_an_image_that_no_file_lists_is_told(tmp_path: Path) -> None:
    one_file(tmp_path)
    write_image(tmp_path / "images" / "stray.png", 99)
    assert told(tmp_path) == {("unlisted_image", "images/stray.png", "")}


def test_a_number_with_two_names_cannot_be_read(tmp_path: Path) -> None:
    one_file(tmp_path, categories((1, "cat"), (1, "dog"), (3, "x")))
    with pytest.raises(Unreadable, match="category 1 is both 'cat' and 'dog'"):
        Coco().read(tmp_path)


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


def test_keypoints_that_do_not_fit_the_skeleton_are_broken(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        categories((1, "cat"), (3, "dog"), **POINTS)(content)
        with_first(keypoints=[1, 2, 2])(content)

    one_file(tmp_path, change)
    assert told(tmp_path) == {
        ("broken_annotations", f"{WHERE}:annotation 10", "its keypoints are 3 numbers; expected 3 × 3")
    }


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


def test_json_of_others_beside_it_is_no_annotation(tmp_path: Path) -> None:
    one_file(tmp_path)
    write_json(tmp_path / "meta.json", {"name": "fruit"})
    (tmp_path / "broken.json").write_text("{")
    assert told(tmp_path) == {("other_file", "meta.json", ""), ("other_file", "broken.json", "")}


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
