"""CVAT's own file, as tasks, projects and jobs are exported; and as nobody should write it."""

import tracemalloc
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from fuzz.mutation import mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reads import Reads, write

from eyebright_kit.data.annotations import Instance, Skeleton
from eyebright_kit.data.bitmaps import bitmap_of
from eyebright_kit.data.conformance import Example, FormatConformance, write_image
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Certainty, Reading, detect
from eyebright_kit.data.formats.cvat import Cvat
from eyebright_kit.data.inspect import inspect
from eyebright_kit.data.rle import expand
from eyebright_wire.datasets import DatasetReport, Split

BOX = '<box label="cat" source="manual" occluded="0" xtl="2" ytl="3" xbr="8" ybr="9.5" z_order="0"></box>'


def label(name: str, inside: str = "", kind: str = "any") -> str:
    return (
        f"<label><name>{name}</name><color>#ff0000</color><type>{kind}</type><attributes>{inside}</attributes></label>"
    )


def attribute(name: str, kind: str) -> str:
    return (
        f"<attribute><name>{name}</name><mutable>False</mutable><input_type>{kind}</input_type>"
        "<default_value></default_value><values></values></attribute>"
    )


def image(*shapes: str, name: str = "1.png", subset: str = "train", size: int = 16) -> str:
    inside = "\n".join(shapes)
    more = f'subset="{subset}" ' if subset else ""
    return f'<image id="0" name="{name}" {more}width="{size}" height="{size}">\n{inside}\n</image>\n'


def document(*parts: str, labels: str = label("dog") + label("cat"), level: str = "task") -> str:
    """The head has five lines, so the first part begins in the sixth."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"<meta><{level}><id>7</id><name>t</name><labels>{labels}</labels></{level}>\n"
        f"<dumped>2024-01-01</dumped></meta>\n{''.join(parts)}</annotations>\n"
    )


def one(root: Path, *shapes: str, labels: str = label("dog") + label("cat")) -> Path:
    write_image(root / "images" / "1.png", 1)
    return write(root / "annotations.xml", document(image(*shapes), labels=labels))


class TestCvat(FormatConformance):
    form = Cvat()
    flavours = (
        frozenset({Feature.BOX, Feature.CLASS_ORDER, Feature.CLASS_NAMES}),
        frozenset({Feature.BOX, Feature.ATTRIBUTES}),
        frozenset({Feature.BOX, Feature.POLYGON, Feature.PARTS, Feature.ATTRIBUTES}),
        frozenset({Feature.BOX, Feature.RLE, Feature.CLASS_ORDER}),
        frozenset({Feature.BOX, Feature.CORNERS}),
        frozenset({Feature.BOX, Feature.KEYPOINTS}),
        frozenset({Feature.BOX, Feature.KEYPOINTS, Feature.SKELETON, Feature.ATTRIBUTES, Feature.CLASS_ORDER}),
        frozenset({Feature.BOX, Feature.KEYPOINTS, Feature.SKELETON, Feature.POLYGON, Feature.PARTS}),
        frozenset({Feature.BOX, Feature.KEYPOINTS, Feature.RLE}),
        frozenset({Feature.BOX, Feature.KEYPOINTS, Feature.CORNERS}),
        frozenset({Feature.LABEL, Feature.CLASS_ORDER}),
    )

    def example(self, root: Path) -> Example:
        polygon = '<polygon label="dog" source="manual" occluded="0" points="1,1;5,1;5,5" z_order="0"></polygon>'
        parts: list[str] = []
        for seed, (subset, name) in enumerate((("train", "a.jpg"), ("train", "b.jpg"), ("Validation", "c.jpg"))):
            write_image(root / "images" / subset / name, seed)
            parts.append(image(BOX, polygon, name=name, subset=subset))
        write(root / "annotations.xml", document(*parts, level="project"))
        return Example(
            ("dog", "cat"),
            {Split.TRAIN: 2, Split.VAL: 1},
            ("detection", "instance_segmentation"),
            frozenset({"annotations.xml"}),
        )


class TestCvatOfATaskInAWrapping(FormatConformance):
    form = Cvat()

    def example(self, root: Path) -> Example:
        for seed, name in enumerate(("train/a.jpg", "val/b.jpg")):
            write_image(root / "task_7" / "images" / name, seed)
        parts = (image(BOX, name="train/a.jpg", subset="default"), image(BOX, name="val/b.jpg", subset=""))
        write(root / "task_7" / "annotations.xml", document(*parts))
        files = frozenset({"task_7/annotations.xml"})
        return Example(("dog", "cat"), {Split.TRAIN: 1, Split.VAL: 1}, ("detection",), files)


reads = Reads(Cvat())


def codes(report: DatasetReport) -> dict[str, int]:
    return {found.code: found.count for found in report.findings}


# Shapes


def test_a_box_is_read_with_its_line(tmp_path: Path) -> None:
    one(tmp_path, BOX, BOX.replace("cat", "dog"))
    found = reads.annotations(tmp_path)
    assert found.instances[0] == Instance(label=1, box=(2, 3, 6, 6.5))
    assert found.marks == (7, 8)


def test_a_turned_box_becomes_corners(tmp_path: Path) -> None:
    one(tmp_path, '<box label="cat" occluded="0" xtl="6" ytl="4" xbr="10" ybr="6" rotation="90.00" z_order="0"/>')
    found = reads.only(tmp_path)
    assert found.corners == (9, 3, 9, 7, 7, 7, 7, 3)
    assert found.box == (7, 3, 2, 4)


def test_corners_that_were_written_beside_a_turned_box_count_only_while_nobody_moves_it(tmp_path: Path) -> None:
    exact = 'corners="9.0001,3;9,7;7,7;7,3"'
    turned = f'<box label="cat" xtl="6" ytl="4" xbr="10" ybr="6" rotation="90" {exact}/>'
    one(tmp_path, turned)
    assert reads.only(tmp_path).corners[0] == 9  # they do not fit: a 10,000th of a pixel turns the box by too much
    one(tmp_path, turned.replace("9.0001", "9"))
    assert reads.only(tmp_path).corners == (9, 3, 9, 7, 7, 7, 7, 3)
    one(tmp_path, turned.replace("9.0001", "9").replace('xtl="6"', 'xtl="4"'))
    assert reads.only(tmp_path).corners == (8, 2, 8, 8, 6, 8, 6, 2)


def test_an_outline_has_the_box_around_it(tmp_path: Path) -> None:
    one(tmp_path, '<polygon label="cat" occluded="1" points="2.00,3.00;8.5,3;8,9"/>')
    assert reads.only(tmp_path) == Instance(
        label=1, box=(2, 3, 6.5, 6), polygons=((2, 3, 8.5, 3, 8, 9),), attributes={"occluded": True}
    )


def test_outlines_of_one_label_and_group_are_parts_of_one_object(tmp_path: Path) -> None:
    polygon = '<polygon label="{}" points="{}" group_id="{}"/>'
    shapes = [
        ("cat", "1,1;3,1;3,3", 5),
        ("dog", "1,1;3,1;3,3", 5),
        ("cat", "6,6;8,6;8,8", 5),
        ("cat", "6,6;8,6;8,8", 0),
    ]
    one(tmp_path, *(polygon.format(*shape) for shape in shapes))
    found = reads.annotations(tmp_path)
    assert [(i.label, len(i.polygons), i.box) for i in found.instances] == [
        (1, 2, (1, 1, 7, 7)),
        (0, 1, (1, 1, 2, 2)),
        (1, 1, (6, 6, 2, 2)),
    ]
    assert found.marks == (7, 8, 10)


def test_boxes_of_one_group_stay_boxes(tmp_path: Path) -> None:
    grouped = BOX.replace("z_order", 'group_id="1" z_order')
    one(tmp_path, grouped, grouped.replace('xbr="8"', 'xbr="9"'))
    assert len(reads.annotations(tmp_path).instances) == 2


def test_an_ellipse_becomes_an_outline(tmp_path: Path) -> None:
    one(tmp_path, '<ellipse label="cat" cx="8" cy="8" rx="6" ry="2" rotation="90"/>')
    found = reads.only(tmp_path)
    assert found.box == (6, 2, 4, 12)
    assert len(found.polygons[0]) >= 24


def test_a_mask_of_rows_becomes_run_lengths_of_columns(tmp_path: Path) -> None:
    """Two rows of three pixels: .XX and X.."""
    one(tmp_path, '<mask label="cat" occluded="0" rle="1, 3, 2" left="4" top="5" width="3" height="2" z_order="0"/>')
    found = reads.only(tmp_path)
    pixels = bitmap_of(expand(found.rle), (16, 16))
    inside = {(x, y) for x in range(16) for y in range(16) if pixels.getpixel((x, y))}
    assert inside == {(5, 5), (6, 5), (4, 6)}
    assert found.box == (4, 5, 3, 2)


SVG = (
    "&lt;line data-type=&quot;edge&quot; data-node-from=&quot;2&quot; data-node-to=&quot;1&quot;&gt;&lt;/line&gt;"
    "&lt;circle data-node-id=&quot;1&quot; data-element-id=&quot;9&quot; data-label-name=&quot;tail&quot;&gt;&lt;/circle&gt;"
    "&lt;circle data-node-id=&quot;2&quot; data-element-id=&quot;8&quot; data-label-name=&quot;nose&quot;&gt;&lt;/circle&gt;"
)
SKELETON = (
    f"<label><name>horse</name><type>skeleton</type><attributes></attributes><svg>{SVG}</svg></label>"
    "<label><name>nose</name><type>points</type><attributes></attributes><parent>horse</parent></label>"
    "<label><name>ear</name><type>points</type><attributes></attributes><parent>horse</parent></label>"
    "<label><name>tail</name><type>points</type><attributes></attributes><parent>horse</parent></label>"
)


def point(name: str, place: str, occluded: int = 0, outside: int = 0) -> str:
    return f'<points label="{name}" occluded="{occluded}" outside="{outside}" points="{place}"></points>'


def skeleton(*points: str, group: int = 0) -> str:
    return f'<skeleton label="horse" group_id="{group}" z_order="0">{"".join(points)}</skeleton>'


def test_a_skeleton_has_its_points_in_the_order_of_their_declaration(tmp_path: Path) -> None:
    points = (point("tail", "9,9", occluded=1), point("ear", "5,5", outside=1), point("nose", "1,2"))
    one(tmp_path, skeleton(*points), labels=SKELETON)
    reading = reads(tmp_path)
    assert reading.classes == ("horse",)
    assert reading.skeletons == {0: Skeleton(keypoints=("nose", "ear", "tail"), edges=((0, 2),))}
    assert reads.only(tmp_path) == Instance(label=0, box=(1, 2, 8, 7), keypoints=(1, 2, 2, 0, 0, 0, 9, 9, 1))


@pytest.mark.parametrize("box_first", [True, False])
def test_a_box_in_the_group_of_a_skeleton_is_its_box(tmp_path: Path, box_first: bool) -> None:
    box = BOX.replace('label="cat"', 'label="horse" group_id="3"')
    shapes = [box, skeleton(point("nose", "4,4"), group=3)]
    one(tmp_path, *(shapes if box_first else reversed(shapes)), labels=SKELETON)
    assert reads.only(tmp_path) == Instance(label=0, box=(2, 3, 6, 6.5), keypoints=(4, 4, 2, 0, 0, 0, 0, 0, 0))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_outlines_in_the_group_of_a_skeleton_are_its_outlines(tmp_path: Path, order: tuple[int, ...]) -> None:
    polygon = '<polygon label="horse" points="{}" group_id="3"/>'
    shapes = [
        polygon.format("1,1;5,1;5,5"),
        polygon.format("6,6;9,6;9,9"),
        skeleton(point("nose", "4,4"), group=3),
    ]
    one(tmp_path, *(shapes[place] for place in order), labels=SKELETON)
    found = reads.only(tmp_path)
    assert sorted(found.polygons) == [(1, 1, 5, 1, 5, 5), (6, 6, 9, 6, 9, 9)]
    assert found.keypoints[:3] == (4, 4, 2)


@pytest.mark.parametrize(
    "shape",
    [
        '<mask label="horse" rle="1, 3, 2" left="4" top="5" width="3" height="2" group_id="3"/>',
        BOX.replace('label="cat"', 'label="horse" group_id="3"'),
    ],
)
def test_a_skeleton_lies_in_one_mask_or_box_and_not_in_a_second(tmp_path: Path, shape: str) -> None:
    one(tmp_path, skeleton(point("nose", "4,4"), group=3), shape, shape, labels=SKELETON)
    assert [bool(found.keypoints) for found in reads.annotations(tmp_path).instances] == [True, False]


def test_two_skeletons_of_one_group_stay_two(tmp_path: Path) -> None:
    one(tmp_path, *[skeleton(point("nose", "4,4"), group=3)] * 2, labels=SKELETON)
    assert len(reads.annotations(tmp_path).instances) == 2


@pytest.mark.parametrize(
    ("shape", "detail"),
    [
        ('<tag label="horse"><attribute name="a">{}</attribute></tag>', "attributes of a tag are not read"),
        (
            skeleton('<points label="nose" points="4,4"><attribute name="a">{}</attribute></points>'),
            "attributes of a point are not read",
        ),
    ],
)
def test_attributes_that_have_no_place_are_told_if_they_say_anything(tmp_path: Path, shape: str, detail: str) -> None:
    one(tmp_path, shape.format("yes"), labels=SKELETON)
    assert [(r.code, r.detail, r.mark) for r in reads.annotations(tmp_path).remarks] == [
        ("unsupported_annotations", detail, "7")
    ]
    one(tmp_path, shape.format(""), labels=SKELETON)
    assert reads.annotations(tmp_path).remarks == ()


def test_a_skeleton_without_a_known_point_has_a_box_without_area(tmp_path: Path) -> None:
    one(tmp_path, skeleton(point("nose", "1,1", outside=1)), labels=SKELETON)
    assert codes(inspect(tmp_path))["box_without_area"] == 1


def test_points_of_the_same_name_belong_to_each_their_own_skeleton(tmp_path: Path) -> None:
    one(tmp_path, BOX, labels=SKELETON + SKELETON.replace("horse", "cat"))
    assert {number: s.keypoints for number, s in reads(tmp_path).skeletons.items()} == {
        0: ("nose", "ear", "tail"),
        1: ("nose", "ear", "tail"),
    }


def test_attributes_have_the_types_that_were_declared(tmp_path: Path) -> None:
    kinds = {"plate": "text", "wild": "checkbox", "age": "number", "colour": "select", "empty": "text"}
    values = {"plate": "007", "wild": "True", "age": "3", "colour": "1", "empty": "", "free": "1.5"}
    inside = "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in values.items())
    labels = label("cat", "".join(attribute(name, kind) for name, kind in kinds.items()))
    one(tmp_path, BOX.replace("></box>", f">{inside}</box>"), labels=labels)
    assert reads.only(tmp_path).attributes == {"plate": "007", "wild": True, "age": 3, "colour": "1", "free": 1.5}


def test_the_order_of_layers_is_kept_where_it_says_something(tmp_path: Path) -> None:
    one(tmp_path, BOX.replace('z_order="0"', 'z_order="3"'))
    assert reads.only(tmp_path).attributes == {"z_order": 3}


def test_a_tag_is_the_class_of_the_image_and_a_second_one_is_told(tmp_path: Path) -> None:
    tag = '<tag label="{}" source="manual"></tag>'
    one(tmp_path, tag.format("cat"), tag.format("dog"))
    assert reads.candidates(tmp_path)[0].label == 1
    assert [(r.code, r.mark) for r in reads.annotations(tmp_path).remarks] == [("unsupported_annotations", "8")]


@pytest.mark.parametrize("tag", ["polyline", "points", "cuboid"])
def test_a_shape_of_another_kind_is_told_with_its_line(tmp_path: Path, tag: str) -> None:
    path = one(tmp_path, BOX, f'<{tag} label="cat" points="1,1;2,2"/>')
    found = reads.annotations(tmp_path)
    assert len(found.instances) == 1
    assert [(r.code, r.path, r.mark) for r in found.remarks] == [("unsupported_annotations", path, "8")]


def test_the_tracks_of_a_video_are_told(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "1.png", 1)
    track = '<track id="0" label="cat"><box frame="0" xtl="1" ytl="1" xbr="2" ybr="2" outside="0"/></track>\n'
    write(tmp_path / "annotations.xml", document(track, image(BOX)))
    assert reads.remarks(tmp_path) == [("unsupported_annotations", "annotations.xml", "6")]
    assert len(reads.annotations(tmp_path).instances) == 1
    (found,) = [f for f in inspect(tmp_path).findings if f.code == "unsupported_annotations"]
    assert "annotations.xml:6: a track goes over the frames of a video" in found.message


def test_another_size_than_the_images_is_told(tmp_path: Path) -> None:
    one(tmp_path, BOX)
    (remark,) = reads.annotations(tmp_path, size=8).remarks
    assert (remark.code, remark.mark) == ("size_mismatch", "6")
    assert remark.detail == "it says 16×16, the image has 8×8 pixels"


# Labels and images


def test_without_declared_labels_those_in_use_are_the_classes(tmp_path: Path) -> None:
    one(tmp_path, BOX, BOX.replace("cat", "ape"), labels="")
    assert reads(tmp_path).classes == ("ape", "cat")


def test_a_project_repeats_the_labels_of_its_tasks_and_each_counts_once(tmp_path: Path) -> None:
    one(tmp_path, BOX, labels=label("cat") + label("cat") + label("dog"))
    assert reads(tmp_path).classes == ("cat", "dog")


def test_two_files_are_one_set(tmp_path: Path) -> None:
    for split, labels in (("train", label("dog") + label("cat")), ("val", label("cat") + label("ape"))):
        write_image(tmp_path / split / "images" / "1.png", len(split))
        write(tmp_path / split / "annotations.xml", document(image(BOX, subset=""), labels=labels))
    assert reads(tmp_path).classes == ("dog", "cat", "ape")
    assert [(c.source, c.split) for c in reads.candidates(tmp_path)] == [
        ("train/images/1.png", Split.TRAIN),
        ("val/images/1.png", Split.VAL),
    ]


def test_frames_of_a_video_are_listed_without_their_ending(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "frame_000001.PNG", 1)
    write(tmp_path / "annotations.xml", document(image(BOX, name="frame_000001", subset="")))
    assert len(reads.annotations(tmp_path).instances) == 1


def test_what_has_no_counterpart_is_told(tmp_path: Path) -> None:
    for seed, name in enumerate(("1.png", "extra.png")):
        write_image(tmp_path / "images" / name, seed)
    write(tmp_path / "annotations.xml", document(image(BOX), image(BOX, name="gone.png"), image(BOX)))
    write(tmp_path / "other.xml", "<a/>")
    assert reads.remarks(tmp_path) == [
        ("missing_image", "annotations.xml", "9"),
        ("orphan_annotations", "other.xml", ""),
        ("unlisted_image", "images/extra.png", ""),
        ("unsupported_annotations", "annotations.xml", "12"),
    ]


@pytest.mark.parametrize(
    "name", ["../../secret.png", "/etc/passwd", "C:\\x\\secret.png", "http://x/secret.png", "", "."]
)
def test_a_name_that_leads_out_of_the_data_set_is_never_followed(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "secret.png", 1)
    root = tmp_path / "set"
    write_image(root / "images" / "1.png", 2)
    write(root / "annotations.xml", document(image(BOX), image(BOX, name=name)))
    assert reads.remarks(root) == [("missing_image", "annotations.xml", "9")]


# Recognition


def test_other_xml_is_not_taken_for_cvat(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png", 1)
    write(tmp_path / "1.xml", "<annotation><object/></annotation>")
    assert Cvat().matches(tmp_path) == Certainty.NO
    one(tmp_path / "other", BOX)
    form = detect(tmp_path / "other")
    assert form
    assert form.name == "cvat"


# What nobody should write


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        (BOX.replace('xtl="2" ', ""), "it has no xtl"),
        (BOX.replace('xtl="2"', 'xtl="nan"'), "its xtl is 'nan'; expected a number"),
        (BOX.replace('xtl="2"', 'xtl="1e400"'), "its xtl is '1e400'; expected a number"),
        (BOX.replace("z_order", 'rotation="inf" z_order'), "its rotation is 'inf'; expected a number"),
        ('<polygon label="cat" points="1,1;2,2"/>', "an outline has 2 points; expected 3 or more"),
        ('<polygon label="cat" points="1,1;2;3,3"/>', "its points are not written as x,y;x,y"),
        ('<polygon label="cat"/>', "an outline has 0 points; expected 3 or more"),
        ('<ellipse label="cat" cx="1" cy="1" rx="0" ry="1"/>', "an ellipse has the radii 0 and 1"),
        (
            '<mask label="cat" rle="4" left="0" top="0" width="99999999" height="9"/>',
            "a mask has 99999999×9 pixels, the image 16×16",
        ),
        (
            '<mask label="cat" rle="5" left="0" top="0" width="2" height="2"/>',
            "the run lengths of a mask are not 4 pixels in whole numbers",
        ),
        (
            '<mask label="cat" rle="-1,5" left="0" top="0" width="2" height="2"/>',
            "the run lengths of a mask are not 4 pixels in whole numbers",
        ),
        ('<skeleton label="cat"/>', "the points of the skeleton 'cat' are not declared"),
        (skeleton(point("wing", "1,1")), "a point of the skeleton is called 'wing', which is not declared"),
        (skeleton(point("nose", "1,1;2,2")), "a point of a skeleton has 4 numbers; expected x,y"),
    ],
)
def test_a_shape_that_cannot_be_understood_is_named(tmp_path: Path, wrong: str, detail: str) -> None:
    path = one(tmp_path, BOX, wrong, labels=label("cat") + SKELETON)
    (remark,) = reads.annotations(tmp_path).remarks
    assert (remark.code, remark.path, remark.mark, remark.detail) == ("broken_annotations", path, "8", detail)
    assert codes(inspect(tmp_path))["broken_annotations"] == 1


@pytest.mark.parametrize("shape", [BOX.replace("cat", "ape"), '<tag label="ape"/>'])
def test_a_label_that_is_not_declared_leaves_the_image_out(tmp_path: Path, shape: str) -> None:
    one(tmp_path, shape)
    (remark,) = reads.annotations(tmp_path).remarks
    assert (remark.code, remark.mark, remark.detail) == ("class_without_name", "7", "no label 'ape' is declared")


@pytest.mark.parametrize(
    "text",
    [
        document(image(BOX))[:-30],
        "<annotations>" + "<a>" * 100_000,
        '<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>',
        "<annotations>&b;</annotations>",
        "<x><annotations></annotations></x>",
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    write_image(tmp_path / "images" / "1.png", 1)
    write(tmp_path / "annotations.xml", text)
    report = inspect(tmp_path)
    assert report.format == "cvat"
    assert codes(report) == {"broken_annotations": 1}
    assert "annotations.xml" in report.findings[0].message


def test_a_file_of_many_images_is_never_held_whole(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "1.png", 1)
    path = write(tmp_path / "annotations.xml", document(*[image(*[BOX] * 20, name=f"{n}.png") for n in range(2000)]))
    # Of two, because the interpreter's one table of all names grows at once whenever it is full.
    assert min(most_held(reads(tmp_path)) for _ in range(2)) < path.stat().st_size / 3


def most_held(reading: Reading) -> int:
    """Bytes, while 2000 images are read."""
    tracemalloc.start()
    try:
        assert sum(1 for _ in reading.found()) == 2000
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_one_image_with_more_elements_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eyebright_kit.data.formats.cvat_document._MOST_NODES", 100)
    one(tmp_path, *[BOX] * 100)
    (found,) = inspect(tmp_path).findings
    assert "annotations.xml:6: a part of it has more than 100 elements" in found.message


SOUND = document(
    image(
        BOX.replace("z_order", 'rotation="30" z_order'),
        '<polygon label="cat" points="2.00,3.00;8.5,3;8,9"><attribute name="a">1</attribute></polygon>',
        '<mask label="cat" rle="1, 3, 2" left="4" top="5" width="3" height="2"/>',
        '<ellipse label="cat" cx="8" cy="8" rx="6" ry="2" rotation="90"/>',
        skeleton(point("nose", "4,4"), group=3),
    ),
    labels=label("cat", attribute("a", "number")) + SKELETON,
).encode()
_PIECES = (b"nan", b"<box/>", b"</image>", b"<image>", b"&#0;", b";", b"9999999999", b"<!--")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_stands_in_a_file_there_is_a_report(tmp_path: Path, seed: int) -> None:
    write_image(tmp_path / "images" / "1.png", 1)
    write(tmp_path / "annotations.xml", mutated(SOUND, Random(seed), _PIECES))
    assert inspect(tmp_path).format
