"""Datumaro's JSON as `datum` and CVAT export it: objects are put together, and every oddity is told with its place."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz.mutation import mutated_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyebright_kit.data.annotations import Instance, Skeleton
from eyebright_kit.data.conformance import Example, FormatConformance, write_image
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Remark
from eyebright_kit.data.formats.datumaro import Datumaro
from eyebright_kit.data.inspect import inspect
from eyebright_wire.datasets import Split

_ORDER = frozenset({Feature.CLASS_ORDER, Feature.CLASS_NAMES})
TRAIN = "annotations/train.json"
SQUARE = [1, 1, 5, 1, 5, 4, 1, 4]
SEEN = (1, 2, 2, 3, 4, 2, 5, 6, 2)

Change = Callable[[dict[str, Any]], object]


def box(number: int, label: int = 0, group: int = 0, **others: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "bbox",
        "attributes": {"occluded": False},
        "group": group,
        "label_id": label,
        "z_order": 0,
        "bbox": [float(number % 4), float(number % 3), 4.0, 5.0],
        **others,
    }


def part(kind: str, group: int = 0, label: int = 0, **others: Any) -> dict[str, Any]:
    return {"id": 0, "type": kind, "attributes": {}, "group": group, "label_id": label, "z_order": 0, **others}


def entries(number: int) -> list[dict[str, Any]]:
    """A box with outline, a box with keypoints, a label and a caption."""
    return [
        box(number, 0, 1),
        part("polygon", 1, 0, points=SQUARE),
        box(number + 1, 1, 2),
        part("points", 2, 1, points=[1, 2, 3, 4, 5, 6], visibility=[2, 2, 2]),
        part("label", 0, number % 2),
        {"id": 0, "type": "caption", "attributes": {}, "group": 0, "caption": f"Number {number}."},
    ]


def write_subset(root: Path, subset: str, numbers: range, change: Change | None = None) -> Path:
    """Images 12.png and so on, each 16×16."""
    labels = [{"name": name, "parent": "", "attributes": []} for name in ("dog", "cat")]
    points = [{"label_id": n, "labels": ["nose", "left_ear", "right_ear"], "joints": [[1, 2], [1, 3]]} for n in (0, 1)]
    content = {
        "dm_format_version": "1.0",
        "media_type": 2,
        "infos": {},
        "categories": {
            "label": {"labels": labels, "label_groups": [], "attributes": ["occluded"]},
            "mask": {"colormap": [{"label_id": 0, "r": 0, "g": 0, "b": 0}]},
            "points": {"items": points},
        },
        "items": [
            {
                "id": f"{n}",
                "annotations": entries(n),
                "attr": {"frame": n},
                "image": {"path": f"{n}.png", "size": [16, 16]},
            }
            for n in numbers
        ],
    }
    if change:
        change(content)
    for n in numbers:
        write_image(root / "images" / subset / f"{n}.png", n)
    path = root / "annotations" / f"{subset}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


class TestDatumaro(FormatConformance):
    form = Datumaro()
    flavours = (
        _ORDER | {Feature.BOX, Feature.ATTRIBUTES, Feature.CAPTION},
        _ORDER | {Feature.BOX, Feature.POLYGON, Feature.PARTS, Feature.LOOSE_BOX, Feature.LABEL},
        _ORDER | {Feature.BOX, Feature.RLE, Feature.LOOSE_BOX, Feature.CROWD},
        _ORDER | {Feature.BOX, Feature.RLE, Feature.POLYGON, Feature.SEVERAL_SHAPES},
        _ORDER | {Feature.BOX, Feature.KEYPOINTS, Feature.SKELETON},
        _ORDER | {Feature.LABEL},
    )

    def example(self, root: Path) -> Example:
        write_subset(root, "train", range(1, 5))
        write_subset(root, "validation", range(5, 8))
        files = frozenset({"annotations/train.json", "annotations/validation.json"})
        return Example(("dog", "cat"), {Split.TRAIN: 4, Split.VAL: 3}, annotations=files)


class TestDatumaroOfCvat(FormatConformance):
    form = Datumaro()

    def example(self, root: Path) -> Example:
        write_subset(root / "task 7", "default", range(1, 9))
        return Example(("dog", "cat"), {}, annotations=frozenset({"task 7/annotations/default.json"}))


def saying(*rows: Any) -> Change:
    """The first item says this and nothing else."""

    def change(content: dict[str, Any]) -> None:
        content["items"][0]["annotations"] = list(rows)

    return change


def candidates(root: Path) -> dict[str, Candidate]:
    return {found.source: found for found in Datumaro().read(root).found() if isinstance(found, Candidate)}


def annotations(root: Path, source: str = "images/train/1.png") -> Annotations:
    annotate = candidates(root)[source].annotate
    assert annotate
    return annotate(16, 16)


def told(root: Path) -> set[tuple[str, str, str]]:
    """Code, where and what of everything that is remarked upon, with the annotations of every image."""
    remarks: list[Remark] = []
    for found in Datumaro().read(root).found():
        if isinstance(found, Remark):
            remarks.append(found)
        elif found.annotate:
            remarks += found.annotate(16, 16).remarks
    return {(each.code, f"{each.path.relative_to(root)}:{each.mark}".rstrip(":"), each.detail) for each in remarks}


def test_the_parts_of_a_group_are_one_object(tmp_path: Path) -> None:
    write_subset(tmp_path, "train", range(1, 3))
    found = annotations(tmp_path)
    assert found.instances == [
        Instance(label=0, box=(1, 1, 4, 5), polygons=((1, 1, 5, 1, 5, 4, 1, 4),), attributes={"occluded": False}),
        Instance(label=1, box=(2, 2, 4, 5), keypoints=SEEN, attributes={"occluded": False}),
    ]
    assert found.marks == ["item 1, annotation 1", "item 1, annotation 3"]
    assert found.caption == "Number 1."
    assert [each.label for each in candidates(tmp_path).values()] == [1, 0]


def test_what_is_in_no_group_is_an_object_of_its_own(tmp_path: Path) -> None:
    rows = (
        box(1),
        part("polygon", points=SQUARE),
        part("points", points=[1, 2, 3, 4, 5, 6]),
        part("skeleton", points=list(SEEN)),
        part("mask", rle={"counts": "a03=0_6", "size": [16, 16]}),
    )
    write_subset(tmp_path, "train", range(1, 3), saying(*rows))
    assert [each.box for each in annotations(tmp_path).instances] == [
        (1, 1, 4, 5),
        (1, 1, 4, 3),
        (1, 2, 4, 4),
        (1, 2, 4, 4),
        (1, 1, 2, 3),
    ]


def test_two_boxes_of_one_group_are_two_objects(tmp_path: Path) -> None:
    rows = (
        box(1, 0, 5),
        part("polygon", 5, points=SQUARE),
        part("polygon", 5, points=SQUARE),
        box(2, 0, 5),
        box(3, 1, 5),
    )
    write_subset(tmp_path, "train", range(1, 3), saying(*rows))
    found = annotations(tmp_path).instances
    assert [(each.label, len(each.polygons)) for each in found] == [(0, 2), (0, 0), (1, 0)]


def test_a_crowd_is_an_attribute_in_the_file(tmp_path: Path) -> None:
    write_subset(tmp_path, "train", range(1, 3), saying(box(1, attributes={"is_crowd": True, "x": 1})))
    (found,) = annotations(tmp_path).instances
    assert (found.crowd, found.attributes) == (True, {"x": 1})


BROKEN: dict[str, tuple[Any, str, str]] = {
    "an unknown label": (box(1, 7), "class_without_name", "there is no label 7"),
    "no label": (box(1, label_id=None), "class_without_name", "it has no label"),
    "a box of three": (box(1, bbox=[1, 2, 3]), "broken_annotations", "its bbox has 3 numbers"),
    "no box": (part("bbox"), "broken_annotations", "its bbox has 0 numbers"),
    "half a point": (part("polygon", points=[1, 2, 3]), "broken_annotations", "an outline has 3 numbers"),
    "two of three keypoints": (
        part("points", points=[1, 2, 3, 4]),
        "broken_annotations",
        "its keypoints are 6 numbers",
    ),
    "more coordinates than points": (
        part("points", points=[1, 2, 3], visibility=[2]),
        "broken_annotations",
        "it has 3 coordinates and 1 visibilities",
    ),
    "no run lengths": (part("mask"), "broken_annotations", "its mask has no run lengths"),
    "a mask of another size": (
        part("mask", rle={"counts": "a03=0_6", "size": [16, 17]}),
        "broken_annotations",
        "its run lengths are for 17×16; the image has 16×16",
    ),
    "no object": (7, "broken_annotations", "Expected `object`, got `int`"),
    "no type": ({"id": 1}, "broken_annotations", "Object missing required field `type`"),
    "a line": (part("polyline", points=SQUARE), "unsupported_annotations", "it is of the type 'polyline'"),
    "an attribute of parts": (box(1, attributes={"a": [1]}), "unsupported_annotations", "attribute 'a' is neither"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, what: str) -> None:
    row, code, detail = BROKEN[what]
    write_subset(tmp_path, "train", range(1, 3), saying(box(2), row))
    if what == "no object":
        assert {found[0] for found in told(tmp_path)} == {"broken_annotations", "unlisted_image"}
        return
    ((found, where, said),) = told(tmp_path)
    assert (found, where) == (code, f"{TRAIN}:item 1, annotation 2")
    assert said.startswith(detail)


def test_images_are_found_and_missed_as_they_are_listed(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["items"][0]["image"] = {"path": "gone.png"}
        content["items"][1]["image"] = {"path": "C:\\old\\2.png", "size": [8, 32]}
        content["items"][2] |= {"image": None, "video_frame": {"video_path": "1.mp4", "frame_index": 3}}

    write_subset(tmp_path, "train", range(1, 4), change)
    assert told(tmp_path) == {
        ("missing_image", f"{TRAIN}:image 1", "train/gone.png: no file is called so"),
        ("size_mismatch", "images/train/2.png", "32×8 where it is listed, 16×16 in fact"),
        (
            "unsupported_annotations",
            f"{TRAIN}:item 3",
            "it has no image, but perhaps a frame of a video or a cloud of points",
        ),
        ("unlisted_image", "images/train/1.png", ""),
        ("unlisted_image", "images/train/3.png", ""),
    }


def test_equal_names_in_two_subsets_are_two_images(tmp_path: Path) -> None:
    for subset in ("red", "blue"):
        write_subset(tmp_path, subset, range(1, 3))
    assert sorted(candidates(tmp_path)) == [f"images/{subset}/{n}.png" for subset in ("blue", "red") for n in (1, 2)]
    assert told(tmp_path) == set()


def test_labels_of_keypoints_are_no_classes(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        labels = content["categories"]["label"]["labels"]
        labels += [{"name": name, "parent": "dog", "attributes": []} for name in ("nose", "puppy")]

    write_subset(tmp_path, "train", range(1, 3), change)
    reading = Datumaro().read(tmp_path)
    assert reading.classes == ("dog", "cat", "puppy")
    expected = Skeleton(keypoints=("nose", "left_ear", "right_ear"), edges=((0, 1), (0, 2)), flip=(0, 2, 1))
    assert reading.skeletons == {0: expected, 1: expected}


def test_an_image_of_two_classes_is_of_none(tmp_path: Path) -> None:
    write_subset(tmp_path, "train", range(1, 3), saying(part("label", label=0), part("label", label=1)))
    assert candidates(tmp_path)["images/train/1.png"].label is None
    expected = "it has 2 labels; an image is of one class or none"
    assert told(tmp_path) == {("unsupported_annotations", "images/train/1.png", expected)}


def test_coco_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert Datumaro().matches(tmp_path) == Certainty.NO


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_stands_in_a_file_there_is_a_report(tmp_path: Path, seed: int) -> None:
    path = write_subset(tmp_path, "train", range(1, 3))
    path.write_bytes(mutated_json(json.loads(path.read_text()), Random(seed)))
    assert inspect(tmp_path).readiness
    with suppress(Unreadable):
        told(tmp_path)
