"""Everything that can be wrong with a YOLO set is told with its place."""

from pathlib import Path

import pytest
from yolo_sets import (
    BOXES,
    NAMES,
    POSE,
    by_split,
    complaints,
    described,
    details,
    finding,
    lay,
    read,
    remarks,
    roboflow,
)

from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.inspect import inspect
from eyebright_wire.datasets import Split


def test_lists_of_classes_that_differ_stop_the_import(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "train/classes.txt": "cat\ndog\n",
            "train/1.jpg": "",
            "train/1.txt": BOXES,
            "val/classes.txt": "dog\ncat\n",
            "val/2.jpg": "",
            "val/2.txt": BOXES,
        },
    )
    with pytest.raises(Unreadable, match=r"other classes than train/classes\.txt") as raised:
        read(tmp_path)
    assert raised.value.path == tmp_path / "val" / "classes.txt"
    assert "val/classes.txt" in inspect(tmp_path).ready_for("detection").missing[0]


def test_what_data_yaml_says_besides_is_left_behind_and_told(tmp_path: Path) -> None:
    more = "license: CC BY 4.0\nroboflow:\n  workspace: pets\nauthor: ''\n\"\\e[2J\": 1\n"
    described(tmp_path, f"train: images\n{NAMES}{more}")
    assert details(tmp_path, "details_left_behind") == [r"license, roboflow, \x1b[2J"]


def test_of_many_entries_that_are_left_behind_some_are_named(tmp_path: Path) -> None:
    more = "".join(f"x{number}: 1\n" for number in range(12))
    described(tmp_path, NAMES + more)
    assert details(tmp_path, "details_left_behind") == [", ".join(f"x{n}" for n in range(10)) + " and 2 more"]


def test_a_listed_image_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": f"train: train.txt\nval: val.txt\n{NAMES}",
            "train.txt": "images/1.jpg\nimages/lost.jpg\n",
            "val.txt": "images/2.jpg\n",
            **{f"images/{n}.jpg": "" for n in (1, 2)},
            **{f"labels/{n}.txt": BOXES for n in (1, 2)},
        },
    )
    assert "train.txt:2: images/lost.jpg" in finding(inspect(tmp_path), "missing_image")


def test_a_folder_for_two_splits_is_that_of_the_first(tmp_path: Path) -> None:
    lay(tmp_path, {"data.yaml": f"train: images\nval: ./images/\n{NAMES}", "images/1.jpg": "", "labels/1.txt": BOXES})
    assert by_split(tmp_path) == {"images/1.jpg": Split.TRAIN}
    assert details(tmp_path, "contradiction") == ["val is './images/', as train is; its images count for train"]


def test_every_kind_of_stray_file_has_its_remark(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": NAMES,
            "preview.png": "",
            "args.yaml": "epochs: 3\n",
            "images/train/1.jpg": "",
            "images/train/2.jpg": "",
            "labels/train/1.txt": BOXES,
            "labels/train/gone.txt": BOXES,
            "labels/train/blank.txt": "\n",
            "labels/train/readme.txt": "by hand\n",
            "labels/train/mask.png": "",
        },
    )
    assert remarks(tmp_path) == [
        ("missing_annotations", "images/train/2.jpg"),
        ("orphan_annotations", "labels/train/blank.txt"),
        ("orphan_annotations", "labels/train/gone.txt"),
        ("other_file", "args.yaml"),
        ("other_file", "labels/train/readme.txt"),
        ("unlisted_image", "labels/train/mask.png"),
        ("unlisted_image", "preview.png"),
    ]


def test_an_image_without_label_and_one_with_an_empty_label_have_no_objects(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": NAMES,
            **{f"images/train/{name}.jpg": "" for name in ("full", "blank", "without")},
            **{f"images/val/{name}.jpg": "" for name in ("full", "spaces")},
            "labels/train/full.txt": BOXES,
            "labels/train/blank.txt": "",
            "labels/val/full.txt": BOXES,
            "labels/val/spaces.txt": " \n\r\n",
        },
    )
    report = inspect(tmp_path)
    assert report.images == {"train": 3, "val": 2}
    assert report.ready_for("detection").ready
    assert [f.code for f in report.findings if "annotation" in f.code] == ["missing_annotations"]


_FIVE_OR = "expected 5 values (class, x, y, width, height) or 7, 9, 11 … (class and an outline)"


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("0 0.5 0.5 0.1", f"there are 4 values; {_FIVE_OR}"),
        ("0", f"there is 1 value; {_FIVE_OR}"),
        (
            "0 0.5 0.5 0.1 0.1 0.93",
            f"there are 6 values; {_FIVE_OR}: the last may be the confidence of a prediction, which no label has",
        ),
        (
            "0 .1 .1 .2 .2 .3 .1 0.9",
            f"there are 8 values; {_FIVE_OR}: the last may be the confidence of a prediction; or, for keypoints, "
            "data.yaml needs a kpt_shape",
        ),
        ("cat 0.5 0.5 0.1 0.1", f"'cat' is no number; {_FIVE_OR}; classes are numbers"),
        ("0,0.5,0.5,0.1,0.1", f"'0,0.5,0.5,0.1,0.1' is no number; {_FIVE_OR}; are its values separated by commas?"),
        ("0 0.5 nan 0.1 0.1", f"'nan' is no number; {_FIVE_OR}"),
        ("0 0.5 0.5 inf 0.1", f"'inf' is no number; {_FIVE_OR}"),
        ("0 0.5 0.5 -Infinity 0.1", f"'-Infinity' is no number; {_FIVE_OR}"),
        ("0 1e400 0.5 0.1 0.1", f"'1e400' is no number; {_FIVE_OR}"),
        ("0 0.5 0.5 0.1 1_0", f"'1_0' is no number; {_FIVE_OR}"),
        ("0 0.5 0.5 0.1 \u0661", f"'\u0661' is no number; {_FIVE_OR}"),
        ("0 0.5 0.5 0.1 0.1\0", f"'0.1\\\\x00' is no number; {_FIVE_OR}"),
        ("-1 0.5 0.5 0.1 0.1", "the class is '-1'; expected a whole number from 0 to 99,999"),
        ("1.5 0.5 0.5 0.1 0.1", "the class is '1.5'; expected a whole number from 0 to 99,999"),
        ("100000 0.5 0.5 0.1 0.1", "the class is '100000'; expected a whole number from 0 to 99,999"),
        ("9" * 400 + " 0.5 0.5 0.1 0.1", f"'{'9' * 39}…' is no number; {_FIVE_OR}; classes are numbers"),
        ("0 320 240 64 48", "a coordinate is '320'; expected 0 to 1, relative to the image: are these pixels?"),
        ("0 .1 .1 .2 .2 .3 -7", "a coordinate is '-7'; expected 0 to 1, relative to the image: are these pixels?"),
        ("0 .1 .1 .2 .2 .3 nan", f"'nan' is no number; {_FIVE_OR}"),
    ],
)
def test_a_line_that_cannot_be_understood_says_why(tmp_path: Path, line: str, detail: str) -> None:
    assert complaints(tmp_path, f"0 .5 .5 .1 .1\n\n{line}\n0 .5 .5 .1 .1\n") == [("3", detail)]


_POSED = "5 values (class, x, y, width, height) or 11 (class, box and 2 keypoints of 3)"


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("0 .5 .5 .1 .1 .5 .5 2 .5 .5 .97", "a visibility is '.97'; expected 0 (unknown), 1 (hidden) or 2 (seen)"),
        ("0 .5 .5 .1 .1 .5 .5 3 .5 .5 2", "a visibility is '3'; expected 0 (unknown), 1 (hidden) or 2 (seen)"),
        (
            "0 .5 .5 .1 .1 .5 .5 2 .5 55 2",
            "a coordinate is '55'; expected 0 to 1, relative to the image: are these pixels?",
        ),
        ("0 .5 .5 .1 .1 .5 .5 .5 .5", f"there are 9 values; expected {_POSED}"),
        (
            "0 .5 .5 .1 .1 .5 .5 2 .5 .5 2 .9",
            f"there are 12 values; expected {_POSED}: the last may be the confidence of a prediction, which no label has",
        ),
    ],
)
def test_a_line_with_wrong_keypoints_says_why(tmp_path: Path, line: str, detail: str) -> None:
    assert complaints(tmp_path, line, POSE) == [("1", detail)]


def test_a_turned_box_has_four_corners(tmp_path: Path) -> None:
    detail = "there are 7 values; expected 5 values (class, x, y, width, height) or 9 (class and four corners)"
    assert complaints(tmp_path, "0 .1 .1 .2 .2 .3 .1", "task: obb\nnames: [a]\n") == [("1", detail)]


def test_a_broken_line_leaves_the_image_out_and_is_found_with_its_line(tmp_path: Path) -> None:
    roboflow(tmp_path)
    (tmp_path / "train/labels/a_jpg.rf.0123abcd.txt").write_text("0 .5 .5 .1 .1\n0 .5 .5 .1\n")
    report = inspect(tmp_path)
    message = finding(report, "broken_annotations")
    assert "train/labels/a_jpg.rf.0123abcd.txt:2: there are 4 values; expected 5" in message
    assert "train" not in report.images


def test_a_label_that_is_no_text_leaves_the_image_out(tmp_path: Path) -> None:
    roboflow(tmp_path)
    (tmp_path / "train/labels/a_jpg.rf.0123abcd.txt").write_bytes(b"\xff" + BOXES.encode())
    assert "labels/a_jpg.rf.0123abcd.txt:1: it is no UTF-8" in finding(inspect(tmp_path), "broken_annotations")


def test_a_class_without_a_name_is_found_with_its_line(tmp_path: Path) -> None:
    roboflow(tmp_path)
    (tmp_path / "train/labels/a_jpg.rf.0123abcd.txt").write_text("0 .5 .5 .1 .1\n7 .5 .5 .1 .1\n")
    message = finding(inspect(tmp_path), "class_without_name")
    assert "train/labels/a_jpg.rf.0123abcd.txt:2: class 7" in message


def test_a_gap_between_names_is_called_by_its_number(tmp_path: Path) -> None:
    assert described(tmp_path, "names: {0: a, 2: c}").classes == ("a", "1", "c")
    assert details(tmp_path, "unnamed_classes") == ["class 1"]


def test_a_number_of_classes_that_contradicts_the_names_is_remarked(tmp_path: Path) -> None:
    assert described(tmp_path, "nc: 3\nnames: [a, b]").classes == ("a", "b")
    assert details(tmp_path, "contradiction") == ["nc is 3, but there are names for 2"]


def test_a_number_of_classes_will_do_without_names(tmp_path: Path) -> None:
    assert described(tmp_path, "nc: 2\ntrain: images").classes == ("0", "1")
    assert details(tmp_path, "unnamed_classes") == ["class 0", "class 1"]


@pytest.mark.parametrize(
    ("description", "detail"),
    [
        ("names: [a", "it is no plain YAML"),
        ("names: [a]\nnames: [b]", "comes twice"),
        ("names: !!python/object/apply:os.system ['true']", "it is no plain YAML"),
        ("names: 3", "at `names`"),
        ("names: [a, null]", "got `null` - at `names[1]`"),
        ("names: [a, [b]]", "at `names[1]`"),
        ("names:\nnc:", "names is empty"),
        ("names: {-1: a}", "names has -1; expected a number from 0 to 99,999"),
        ("names: {1000000000: a}", "names has 1000000000; expected a number from 0 to 99,999"),
        ("names: {cat: a}", "names has 'cat'; expected a number from 0 to 99,999"),
        ("nc: 1000000000\ntrain: x", "nc has 1000000000; expected a number from 0 to 99,999"),
        ("nc: true\ntrain: x", "nc has True"),
        ("names: [a]\ntrain: 5", "train is 5; expected a folder"),
        ("names: [a]\nval: [x, {}]", "val is ['x', {}]; expected a folder"),
        ("names: [a]\nkpt_shape: [17]", "at `kpt_shape`"),
        ("names: [a]\nkpt_shape: [17, 4]", "at `kpt_shape[1]`"),
        ("names: [a]\nkpt_shape: [1000000000, 3]", "at `kpt_shape[0]`"),
        ("names: [a]\nkpt_shape: [0, 3]", "at `kpt_shape[0]`"),
        ("names: [a]\ntask: pose", "there is no kpt_shape"),
        ("names: [a]\nkpt_shape: [2, 3]\nflip_idx: [0, 2]", "flip_idx is [0, 2]; expected each of 0 to 1 once"),
        ("names: [a]\nkpt_shape: [2, 3]\nkpt_names: {0: [x]}", "kpt_names has 1 names; expected 2"),
        (f"names: {{99999: a}}\nkpt_shape: [1000, 3]\nkpt_names: [{'x, ' * 1000}]", "expected 1,000,000 in all"),
        ("names: [a]\nkpt_shape: [2, 3]\nskeleton: {0: [[0, 2]]}", "skeleton joins 0 and 2"),
    ],
)
def test_a_description_that_cannot_be_understood_stops_the_import(
    tmp_path: Path, description: str, detail: str
) -> None:
    with pytest.raises(Unreadable) as raised:
        described(tmp_path, description)
    assert raised.value.path == tmp_path / "data.yaml"
    assert detail in raised.value.detail
    assert "data.yaml" in inspect(tmp_path).ready_for("detection").missing[0]


@pytest.mark.parametrize("name", ["data.yaml", "Data.YML", "pets.yaml"])
@pytest.mark.parametrize(
    ("description", "found"),
    [
        ("cat and dog", "it is a text"),
        ("- cat\n- dog", "it is a list"),
        ("- &a [*a]", "it is a list"),
        ("", "it is empty"),
        ("# cat, dog", "it is empty"),
        ("3", "it is 3"),
        ("true", "it is True"),
        ("{}", "it is {}"),
        ("nc: 99999999999", "it has no names, but 'nc'"),
        ("train: a\nclasses: [b]", "it has no names, but 'train', 'classes'"),
        ("a: &a [*a]", "it has no names, but 'a'"),
    ],
)
def test_a_description_that_describes_nothing_is_told(tmp_path: Path, name: str, description: str, found: str) -> None:
    lay(tmp_path, {name: description, "images/1.jpg": "", "labels/1.txt": BOXES})
    assert ("unsupported_annotations", name) in remarks(tmp_path)
    assert ("other_file", name) not in remarks(tmp_path)
    expected = "expected names: a list of them, or a map from numbers to names"
    assert details(tmp_path, "unsupported_annotations") == [f"{found}; {expected}"]
    assert name in finding(inspect(tmp_path), "unsupported_annotations")


@pytest.mark.parametrize("others", [{"classes.txt": "cat\ndog\n"}, {"set.yaml": NAMES}])
def test_a_data_yaml_that_describes_nothing_is_told_beside_what_does(tmp_path: Path, others: dict[str, str]) -> None:
    lay(tmp_path, {"data.yaml": "[]", **others, "images/1.jpg": "", "labels/1.txt": BOXES})
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("unsupported_annotations", "data.yaml")]


def test_a_data_yaml_that_is_no_yaml_stops_the_import_whatever_lies_beside_it(tmp_path: Path) -> None:
    lay(tmp_path, {"data.yaml": "names: [cat", "set.yaml": NAMES, "images/1.jpg": "", "labels/1.txt": BOXES})
    report = inspect(tmp_path)
    assert "data.yaml:1: it is no plain YAML" in finding(report, "broken_annotations")
    assert "data.yaml" in report.ready_for("detection").missing[0]
