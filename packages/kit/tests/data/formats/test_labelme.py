"""LabelMe's files, and those of tools that write alike; and as nobody should."""

import base64
import io
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz.mutation import mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from reads import Reads, write

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.bitmaps import bitmap_of
from eyebright_kit.data.conformance import Example, FormatConformance, write_image
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Annotations, Certainty, detect
from eyebright_kit.data.formats.labelme import Labelme
from eyebright_kit.data.inspect import inspect
from eyebright_kit.data.rle import expand
from eyebright_wire.datasets import DatasetReport, Split

OUTLINE = [[2, 3], [8, 3], [8, 9.5]]


def shape(label: str = "cat", kind: str | None = "polygon", points: Any = OUTLINE, **more: Any) -> dict[str, Any]:
    known = {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}}
    return {name: value for name, value in (known | more).items() if value is not ...}


def document(*shapes: dict[str, Any], name: str = "1.png", size: int = 16, **more: Any) -> bytes:
    known = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": name,
        "imageData": base64.b64encode(bytes(300)).decode(),
        "imageHeight": size,
        "imageWidth": size,
    }
    return json.dumps(known | more, indent=2).encode()


def one(root: Path, content: bytes) -> Path:
    write_image(root / "1.png", 1)
    return write(root / "1.json", content)


class TestLabelme(FormatConformance):
    form = Labelme()
    flavours = (
        frozenset({Feature.BOX}),
        frozenset({Feature.BOX, Feature.CLASS_ORDER, Feature.CLASS_NAMES}),
        frozenset({Feature.BOX, Feature.ATTRIBUTES}),
        frozenset({Feature.BOX, Feature.POLYGON, Feature.ATTRIBUTES}),
        frozenset({Feature.BOX, Feature.POLYGON, Feature.PARTS, Feature.CLASS_ORDER}),
        frozenset({Feature.BOX, Feature.RLE}),
        frozenset({Feature.BOX, Feature.CORNERS}),
    )

    def example(self, root: Path) -> Example:
        files: set[str] = set()
        for seed, place in enumerate(("train/a", "train/b", "val/c")):
            write_image(root / f"{place}.jpg", seed)
            write(root / f"{place}.json", document(shape("dog"), shape("cat"), name=f"{place[-1]}.jpg"))
            files.add(f"{place}.json")
        tasks = ("detection", "instance_segmentation")
        return Example(("cat", "dog"), {Split.TRAIN: 2, Split.VAL: 1}, tasks, frozenset(files))


class TestLabelmeSortedIntoFolders(FormatConformance):
    form = Labelme()

    def example(self, root: Path) -> Example:
        files = {"labels.txt"}
        root.mkdir(exist_ok=True)
        (root / "labels.txt").write_text("__ignore__\n_background_\nzebra\nape\n")
        for seed, place in enumerate(("train/a", "valid/b")):
            write_image(root / "images" / f"{place}.jpg", seed)
            write(root / "annotations" / f"{place}.json", document(shape("ape"), shape("zebra")))
            files.add(f"annotations/{place}.json")
        tasks = ("detection", "instance_segmentation")
        return Example(("zebra", "ape"), {Split.TRAIN: 1, Split.VAL: 1}, tasks, frozenset(files))


reads = Reads(Labelme())


def codes(report: DatasetReport) -> dict[str, int]:
    return {found.code: found.count for found in report.findings}


def picture(*rows: tuple[int, ...], mode: str = "1") -> str:
    image = Image.frombytes("L", (len(rows[0]), len(rows)), bytes(255 * value for row in rows for value in row))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


# Shapes


def test_an_outline_has_the_box_around_it(tmp_path: Path) -> None:
    one(tmp_path, document(shape()))
    assert reads.only(tmp_path) == Instance(label=0, box=(2, 3, 6, 6.5), polygons=((2, 3, 8, 3, 8, 9.5),))


@pytest.mark.parametrize("kind", [..., None])
def test_a_shape_without_a_kind_is_an_outline(tmp_path: Path, kind: Any) -> None:
    """As the first versions wrote it."""
    one(tmp_path, document(shape(kind=kind)))
    assert len(reads.only(tmp_path).polygons) == 1


@pytest.mark.parametrize("points", [[[2, 3], [8, 9]], [[8, 9], [2, 3]], [[2, 3], [8, 3], [8, 9], [2, 9]]])
def test_a_rectangle_may_begin_at_any_corner_and_have_all_four(tmp_path: Path, points: list[list[int]]) -> None:
    one(tmp_path, document(shape(kind="rectangle", points=points)))
    assert reads.only(tmp_path) == Instance(label=0, box=(2, 3, 6, 6))


def test_a_circle_becomes_an_outline_with_its_box(tmp_path: Path) -> None:
    one(tmp_path, document(shape(kind="circle", points=[[8, 8], [8, 12]])))
    found = reads.only(tmp_path)
    assert found.box == (4, 4, 8, 8)
    assert len(found.polygons[0]) >= 24


def test_a_turned_box_of_x_anylabeling_becomes_corners(tmp_path: Path) -> None:
    one(tmp_path, document(shape(kind="rotation", points=[[8, 2], [14, 8], [8, 14], [2, 8]], direction=0.785)))
    assert reads.only(tmp_path) == Instance(label=0, box=(2, 2, 12, 12), corners=(8, 2, 14, 8, 8, 14, 2, 8))


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_mask_becomes_run_lengths_where_it_lies(tmp_path: Path, mode: str) -> None:
    one(
        tmp_path, document(shape(kind="mask", points=[[3, 2], [4, 4]], mask=picture((1, 0), (1, 1), (0, 1), mode=mode)))
    )
    found = reads.only(tmp_path)
    assert found.box == (3, 2, 2, 3)
    pixels = bitmap_of(expand(found.rle), (16, 16))
    inside = {(x, y) for x in range(16) for y in range(16) if pixels.getpixel((x, y))}
    assert inside == {(3, 2), (3, 3), (4, 3), (4, 4)}


def test_a_mask_that_reaches_over_the_edge_is_cut(tmp_path: Path) -> None:
    one(tmp_path, document(shape(kind="mask", points=[[-1, 15], [0, 16]], mask=picture((1, 1), (1, 1)))))
    assert reads.only(tmp_path).box == (0, 15, 1, 1)


def test_outlines_of_one_group_and_label_are_parts_of_one_object(tmp_path: Path) -> None:
    other = [[10, 10], [12, 10], [12, 12]]
    shapes = (
        shape("cat", group_id=1),
        shape("dog", group_id=1),
        shape("cat", points=other, group_id=1),
        shape("cat", points=other),
    )
    one(tmp_path, document(*shapes))
    found = reads.annotations(tmp_path)
    assert [(i.label, len(i.polygons), i.box) for i in found.instances] == [
        (0, 2, (2, 3, 10, 9)),
        (1, 1, (2, 3, 6, 6.5)),
        (0, 1, (10, 10, 2, 2)),
    ]
    assert found.marks == ("shape 1", "shape 2", "shape 4")


def test_flags_descriptions_and_attributes_become_attributes(tmp_path: Path) -> None:
    more = {"a": "red", "b": 2, "c": True, "d": [1], "e": None}
    one(
        tmp_path,
        document(
            shape(
                flags={"occluded": True, "old": False}, description="half", difficult=True, attributes=more, score=None
            )
        ),
    )
    assert reads.only(tmp_path).attributes == {
        "occluded": True,
        "difficult": True,
        "description": "half",
        "a": "red",
        "b": 2,
        "c": True,
    }


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "points", "cuboid"])
def test_a_shape_of_another_kind_is_told_and_its_label_is_no_class(tmp_path: Path, kind: str) -> None:
    path = one(tmp_path, document(shape("cat"), shape("nose", kind, [[1, 1]])))
    assert reads(tmp_path).classes == ("cat",)
    found = reads.annotations(tmp_path)
    assert len(found.instances) == 1
    assert [(r.code, r.path, r.mark) for r in found.remarks] == [("unsupported_annotations", path, "shape 2")]


def test_another_size_than_the_images_is_told(tmp_path: Path) -> None:
    one(tmp_path, document(shape(), size=32))
    (remark,) = reads.annotations(tmp_path).remarks
    assert (remark.code, remark.detail) == ("size_mismatch", "it says 32×32, the image has 16×16 pixels")


def test_an_image_without_shapes_is_an_image(tmp_path: Path) -> None:
    one(tmp_path, document())
    assert reads.annotations(tmp_path) == Annotations((), tmp_path / "1.json", ())


# Files and their counterparts


def test_what_has_no_counterpart_is_told(tmp_path: Path) -> None:
    write_image(tmp_path / "alone.png", 1)
    write(tmp_path / "inside.json", document(shape()))
    write(tmp_path / "lost.json", document(shape(), imageData=None))
    write(tmp_path / "package.json", b'{"name": "x"}')
    assert reads.remarks(tmp_path) == [
        ("missing_image", "inside.json", ""),
        ("orphan_annotations", "lost.json", ""),
        ("orphan_annotations", "package.json", ""),
    ]
    assert [r.code for r in reads.annotations(tmp_path).remarks] == ["missing_annotations"]


@pytest.mark.parametrize("name", ["../photos/b.png", "..\\photos\\b.png"])
def test_a_file_of_another_name_belongs_to_the_image_that_it_names(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "photos" / "b.png", 1)
    write(tmp_path / "json" / "17.json", document(shape(), name=name))
    assert len(reads.only(tmp_path).polygons) == 1
    assert reads.remarks(tmp_path) == []


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "C:\\x.png", "http://x/1.png", "\0", "", "."])
def test_a_name_that_leads_out_of_the_data_set_is_never_followed(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "secret.png", 1)
    root = tmp_path / "set"
    one(root, document(shape()))
    write(root / "other" / "2.json", document(shape(), name=name, imageData=None))
    assert reads.remarks(root) == [("orphan_annotations", "other/2.json", "")]


def test_the_picture_inside_is_never_looked_at(tmp_path: Path) -> None:
    one(tmp_path, document(shape(), imageData="!" * 20_000_000))
    assert len(reads.only(tmp_path).polygons) == 1


# Recognition


def test_json_of_others_is_not_taken_for_labelme(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png", 1)
    write(tmp_path / "1.json", b'{"images": [], "annotations": [], "categories": []}')
    assert Labelme().matches(tmp_path) == Certainty.NO


def test_labelme_is_recognised_behind_a_wrapping(tmp_path: Path) -> None:
    one(tmp_path / "a" / "b", document(shape()))
    form = detect(tmp_path)
    assert form
    assert form.name == "labelme"
    assert reads.candidates(tmp_path)[0].source == "1.png"


# What nobody should write


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        (shape(points=[[1, 1], [2, 2]]), "an outline has 2 points; expected 3 or more"),
        (shape(points=[[1, 1], [2, 2], [1e300, 3]]), "a coordinate is 1e+300, which lies in no image"),
        (shape(kind="rectangle", points=[[1, 1]]), "a rectangle has 1 points; expected 2 or more"),
        (shape(kind="circle", points=OUTLINE), "a circle has 3 points; expected its middle and one on it"),
        (shape(kind="rotation"), "a turned box has 3 points; expected 4"),
        (shape(kind="mask", points=[]), "a mask has 0 points; expected 1 or more"),
        (shape(kind="mask"), "it has no mask"),
        (shape(kind="mask", mask="%%%"), "its mask is no base64: Only base64 data is allowed"),
        (shape(kind="mask", mask=base64.b64encode(b"text").decode()), "its mask is no picture: its header is broken"),
        (
            shape(kind="mask", mask=picture((1,), mode="RGB")),
            "the pixels of its mask are of the mode RGB; expected black and white",
        ),
    ],
)
def test_a_shape_that_cannot_be_understood_is_named(tmp_path: Path, wrong: dict[str, Any], detail: str) -> None:
    path = one(tmp_path, document(shape(), wrong))
    (remark,) = reads.annotations(tmp_path).remarks
    assert (remark.code, remark.path, remark.mark, remark.detail) == ("broken_annotations", path, "shape 2", detail)
    assert codes(inspect(tmp_path))["broken_annotations"] == 1


def test_a_label_that_the_list_lacks_leaves_the_image_out(tmp_path: Path) -> None:
    one(tmp_path, document(shape("cat"), shape("dog")))
    (tmp_path / "labels.txt").write_text("cat\n")
    (remark,) = reads.annotations(tmp_path).remarks
    assert (remark.code, remark.mark) == ("class_without_name", "shape 2")
    assert remark.detail == "the label 'dog' is not in the list of classes"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        document(shape())[:-60],
        document(shape()).replace(b"9.5", b"NaN"),
        document(shape()).replace(b"9.5", b"1e400"),
        document(shape()).replace(b"9.5", b'"9"'),
        document(shape(points=[[1, 2, 3]] * 3)),
        document(shape(label=5)),  # type: ignore[arg-type]
        b'{"shapes": ' + b"[" * 100_000,
        b'{"shapes": {}}',
        b"[]",
    ],
)
def test_a_file_that_cannot_be_read_concerns_its_image_alone(tmp_path: Path, content: bytes) -> None:
    TestLabelme().example(tmp_path)
    write(tmp_path / "train" / "a.json", content)
    report = inspect(tmp_path)
    assert codes(report)["broken_annotations"] == 1
    assert "train/a.json" in report.findings[0].message
    assert report.images == {"train": 1, "val": 1}


def test_a_mark_at_the_beginning_and_other_line_ends_do_no_harm(tmp_path: Path) -> None:
    one(tmp_path, b"\xef\xbb\xbf" + document(shape()).replace(b"\n", b"\r\n"))
    assert len(reads.only(tmp_path).polygons) == 1


@pytest.mark.parametrize(
    ("flags", "details"),
    [
        ({}, []),
        (None, []),
        ({"wet": False}, []),
        ({"dry": False, "wet": True}, ["the flag 'wet' of the whole image is not read"]),
        ({"wet": True, "day\u202e": True}, ["the flag 'wet' of the whole image is not read, nor are others"]),
    ],
)
def test_flags_of_the_whole_image_are_told_where_they_are_set(tmp_path: Path, flags: Any, details: list[str]) -> None:
    one(tmp_path, document(shape(), flags=flags))
    found = reads.annotations(tmp_path)
    assert [(remark.code, remark.detail) for remark in found.remarks] == [
        ("unsupported_annotations", detail) for detail in details
    ]
    assert len(found.instances) == 1


def test_a_bomb_in_a_mask_is_not_decoded(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    one(tmp_path, document(shape(kind="mask", mask=base64.b64encode(buffer.getvalue()).decode())))
    (remark,) = reads.annotations(tmp_path).remarks
    assert "megapixels" in remark.detail


SOUND = document(
    shape(group_id=1, attributes={"a": 1}),
    shape("dog", "rectangle", [[1, 2], [3, 4]]),
    shape("ape", "mask", [[1, 1], [2, 2]], mask=picture((1, 1), (0, 1))),
    shape("fox", "circle", [[5, 5], [6, 7]]),
    imageData=None,
)
_PIECES = (b"[]", b'"x"', b"[[", b"\\ud800", b"1e300")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_stands_in_a_file_there_is_a_report(tmp_path: Path, seed: int) -> None:
    one(tmp_path, mutated(SOUND, Random(seed), _PIECES))
    assert inspect(tmp_path).format
    assert [found.path.name for found in reads.candidates(tmp_path)] == ["1.png"]


_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(["label", "points", "group_id", "shape_type", "flags", "attributes", "mask"]), value=_VALUES)
def test_any_value_under_any_key_gives_a_report(tmp_path: Path, key: str, value: Any) -> None:
    one(tmp_path, document(shape(kind="mask" if key == "mask" else "polygon") | {key: value}))
    assert inspect(tmp_path).format == "labelme"
