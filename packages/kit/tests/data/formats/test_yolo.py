"""YOLO sets as tools write them: every layout, every kind of line, and what is written."""

from pathlib import Path

import pytest
import yaml
from yolo_sets import (
    BOXES,
    NAMES,
    POSE,
    TURNED,
    annotations,
    by_split,
    candidates,
    described,
    details,
    kinds,
    lay,
    one,
    read,
    remarks,
    roboflow,
)

from eyebright_kit.data.annotations import Instance, Skeleton
from eyebright_kit.data.blobs import stored_at
from eyebright_kit.data.conformance import Example, FormatConformance, store
from eyebright_kit.data.convert import convert
from eyebright_kit.data.documents import Unreadable, read_text
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Certainty, Remark, detect
from eyebright_kit.data.formats import yolo_lines
from eyebright_kit.data.formats.yolo import Yolo
from eyebright_kit.data.formats.yolo_writing import data_yaml, outline
from eyebright_kit.data.inspect import inspect
from eyebright_kit.data.manifest import Header
from eyebright_kit.data.version import prepare
from eyebright_wire.datasets import Split

_ALL = frozenset({Feature.BOX, Feature.CLASS_ORDER, Feature.CLASS_NAMES})
_OUTLINES = "0 0.1 0.1 0.9 0.1 0.5 0.8\n1 0.2 0.2 0.4 0.2 0.4 0.6 0.2 0.5\n"


class TestYolo(FormatConformance):
    """Ultralytics' own layout, with outlines."""

    form = Yolo()
    flavours = (
        _ALL,
        _ALL | {Feature.POLYGON},
        _ALL | {Feature.KEYPOINTS},
        _ALL | {Feature.KEYPOINTS, Feature.SKELETON},
        _ALL | {Feature.CORNERS},
    )

    def example(self, root: Path) -> Example:
        lay(
            root,
            {
                "data.yaml": "train: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n",
                "images/train/1.jpg": "",
                "labels/train/1.txt": _OUTLINES,
                "images/train/2.jpg": "",
                "labels/train/2.txt": "",
                "images/val/3.jpg": "",
                "labels/val/3.txt": _OUTLINES,
            },
        )
        return Example(
            ("cat", "dog"),
            {Split.TRAIN: 2, Split.VAL: 1},
            tasks=("detection", "instance_segmentation"),
            annotations=frozenset({"data.yaml", "labels/train/1.txt", "labels/train/2.txt", "labels/val/3.txt"}),
        )


class TestYoloOfRoboflow(FormatConformance):
    form = Yolo()

    def example(self, root: Path) -> Example:
        roboflow(root)
        labels = {f"{split}/labels/a_jpg.rf.0123abcd.txt" for split in ("train", "valid", "test")}
        return Example(
            ("cat", "dog"),
            {Split.TRAIN: 1, Split.VAL: 1, Split.TEST: 1},
            tasks=("detection",),
            annotations=frozenset({"data.yaml", *labels}),
        )

    # Its read-me files are remarked upon, so the set is not free of remarks.
    def test_what_systems_leave_behind_changes_no_sample(self, tmp_path: Path) -> None:
        roboflow(tmp_path)
        before = by_split(tmp_path)
        (tmp_path / "train" / "labels" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        assert by_split(tmp_path) == before
        assert ("system_file", "train/labels/.DS_Store") in remarks(tmp_path)


class TestYoloOfDarknet(FormatConformance):
    """CVAT's "YOLO 1.1", whose lists name a folder `data` that is not there."""

    form = Yolo()

    def example(self, root: Path) -> Example:
        lay(
            root,
            {
                "obj.names": "cat\ndog\n",
                "train.txt": "data/obj_train_data/1.jpg\ndata/obj_train_data/2.jpg\n",
                "valid.txt": "data/obj_valid_data/1.jpg\n",
                "obj_train_data/1.jpg": "",
                "obj_train_data/1.txt": BOXES,
                "obj_train_data/2.jpg": "",
                "obj_train_data/2.txt": "",
                "obj_valid_data/1.jpg": "",
                "obj_valid_data/1.txt": BOXES,
            },
        )
        texts = {"obj_train_data/1.txt", "obj_train_data/2.txt", "obj_valid_data/1.txt"}
        return Example(
            ("cat", "dog"),
            {Split.TRAIN: 2, Split.VAL: 1},
            tasks=("detection",),
            annotations=frozenset({"obj.names", "train.txt", "valid.txt", *texts}),
        )


class TestYoloWithKeypoints(FormatConformance):
    form = Yolo()

    def example(self, root: Path) -> Example:
        line = "0 0.5 0.5 0.5 0.5 0.3 0.3 2 0.7 0.3 1 0 0 0\n"
        lay(
            root,
            {
                "pets.yml": "path: ./\ntrain: images/train\nval: images/val\nkpt_shape: [3, 3]\nflip_idx: [1, 0, 2]\n"
                "names:\n  0: cat\n",
                "images/train/1.jpg": "",
                "labels/train/1.txt": line,
                "images/val/2.jpg": "",
                "labels/val/2.txt": line,
            },
        )
        return Example(
            ("cat",),
            {Split.TRAIN: 1, Split.VAL: 1},
            tasks=("detection", "keypoint_detection"),
            annotations=frozenset({"pets.yml", "labels/train/1.txt", "labels/val/2.txt"}),
        )


class TestYoloWithTurnedBoxes(FormatConformance):
    form = Yolo()

    def example(self, root: Path) -> Example:
        lay(
            root,
            {
                "data.yaml": "train: train/images\nval: val/images\nnames: [plane]\n",
                "train/images/1.jpg": "",
                "train/labels/1.txt": TURNED,
                "val/images/2.jpg": "",
                "val/labels/2.txt": TURNED,
            },
        )
        return Example(
            ("plane",),
            {Split.TRAIN: 1, Split.VAL: 1},
            tasks=("detection", "oriented_detection"),
            annotations=frozenset({"data.yaml", "train/labels/1.txt", "val/labels/2.txt"}),
        )


# Layouts


def test_an_export_of_roboflow_is_read_without_a_word_but_on_what_is_no_part_of_a_version(tmp_path: Path) -> None:
    roboflow(tmp_path)
    assert Yolo().matches(tmp_path) == Certainty.SURE
    assert remarks(tmp_path) == [
        ("details_left_behind", "data.yaml"),
        ("other_file", "README.dataset.txt"),
        ("other_file", "README.roboflow.txt"),
    ]
    report = inspect(tmp_path)
    assert report.ready_for("detection").ready
    assert report.instances_per_class["train"] == {"cat": 1, "dog": 1}


def test_what_roboflow_calls_a_folder_further_up_is_the_one_beside(tmp_path: Path) -> None:
    """Even if there is another one, which is not part of the set."""
    roboflow(tmp_path / "set" / "v1")
    lay(tmp_path / "set", {"train/images/stranger.jpg": ""})
    reading = Yolo().read(tmp_path / "set" / "v1")
    assert all(isinstance(f, Remark) or "stranger" not in f.source for f in reading.found())


def test_a_wrapping_folder_is_looked_through(tmp_path: Path) -> None:
    roboflow(tmp_path / "pets.v1.yolov8")
    (tmp_path / "notes.md").write_text("downloaded on Monday")
    assert Yolo().matches(tmp_path) == Certainty.SURE
    assert read(tmp_path).classes == ("cat", "dog")
    assert by_split(tmp_path) == {
        "test/images/a_jpg.rf.0123abcd.jpg": Split.TEST,
        "train/images/a_jpg.rf.0123abcd.jpg": Split.TRAIN,
        "valid/images/a_jpg.rf.0123abcd.jpg": Split.VAL,
    }


def test_the_name_of_a_wrapping_folder_is_no_split(tmp_path: Path) -> None:
    lay(tmp_path / "a", {"test-data/images/1.jpg": "", "test-data/labels/1.txt": BOXES})
    assert by_split(tmp_path / "a") == {"images/1.jpg": None}
    lay(tmp_path / "b", {"test-data/1.jpg": "", "test-data/1.txt": BOXES})
    assert by_split(tmp_path / "b") == {"1.jpg": None}


def test_ultralytics_example_with_path_and_download_is_read_where_it_lies(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "coco8.yaml": "path: coco8\ntrain: images/train\nval: images/val\ntest:\nnames:\n  0: cat\n  1: dog\n"
            "download: |\n  import os; os.system('touch /tmp/yolo-was-here')\n",
            "images/train/1.jpg": "",
            "labels/train/1.txt": BOXES,
            "images/val/2.jpg": "",
            "labels/val/2.txt": BOXES,
            "LICENSE": "",
        },
    )
    assert by_split(tmp_path) == {"images/train/1.jpg": Split.TRAIN, "images/val/2.jpg": Split.VAL}
    assert details(tmp_path, "ignored_entry") == [
        "path is 'coco8'",
        "download is \"import os; os.system('touch /tmp/yolo-was-here')\\n\"",
    ]


def test_a_set_without_splits_has_none(tmp_path: Path) -> None:
    """As Label Studio writes it."""
    lay(
        tmp_path,
        {
            "classes.txt": "cat\ndog\n",
            "notes.json": '{"categories": [{"id": 0, "name": "cat"}]}',
            "images/1.jpg": "",
            "labels/1.txt": BOXES,
        },
    )
    assert Yolo().matches(tmp_path) == Certainty.SURE
    assert by_split(tmp_path) == {"images/1.jpg": None}
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("other_file", "notes.json")]


def test_labels_beside_their_images_are_read_with_the_classes_beside_them(tmp_path: Path) -> None:
    """As labelImg writes it."""
    lay(tmp_path, {"shots/classes.txt": "cat\ndog\n", "shots/1.jpg": "", "shots/1.txt": BOXES, "shots/2.jpg": ""})
    assert Yolo().matches(tmp_path) == Certainty.SURE
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("missing_annotations", "shots/2.jpg")]


def test_a_list_of_classes_in_each_split_is_one_list(tmp_path: Path) -> None:
    """As Roboflow writes for darknet."""
    files = {
        f"{split}/{name}": text
        for split in ("train", "valid")
        for name, text in (("_darknet.labels", "cat\ndog\n"), ("1.webp", ""), ("1.txt", BOXES))
    }
    lay(tmp_path, files)
    assert by_split(tmp_path) == {"train/1.webp": Split.TRAIN, "valid/1.webp": Split.VAL}
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == []


def exports(root: Path, *names: str) -> Path:
    """Exports in folders beside each other, each with its list of names."""
    for number, listed in enumerate(names):
        texts = {
            "data.yaml": f"train: ../train/images\n{listed}",
            "train/images/1.jpg": "",
            "train/labels/1.txt": BOXES,
        }
        lay(root, {f"{number}/{name}": text for name, text in texts.items()})
    return root


def test_exports_in_one_folder_are_one_set_if_their_classes_are_the_same(tmp_path: Path) -> None:
    exports(tmp_path, NAMES, NAMES)
    assert read(tmp_path).classes == ("cat", "dog")
    assert by_split(tmp_path) == {"0/train/images/1.jpg": Split.TRAIN, "1/train/images/1.jpg": Split.TRAIN}


def test_exports_in_one_folder_whose_classes_differ_stop_the_import(tmp_path: Path) -> None:
    exports(tmp_path, NAMES, "names: [dog, cat]\n")
    with pytest.raises(Unreadable, match=r"other classes than 0/data\.yaml; .* or import each by itself") as raised:
        read(tmp_path)
    assert raised.value.path == tmp_path / "1" / "data.yaml"


def test_a_data_yaml_in_a_folder_of_its_own_is_found(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "config/data.yaml": f"train: ../images/monday\nval: ../images/tuesday\n{NAMES}",
            **{f"images/{day}/1.jpg": "" for day in ("monday", "tuesday")},
            **{f"labels/{day}/1.txt": BOXES for day in ("monday", "tuesday")},
        },
    )
    assert read(tmp_path).classes == ("cat", "dog")
    assert by_split(tmp_path) == {"images/monday/1.jpg": Split.TRAIN, "images/tuesday/1.jpg": Split.VAL}
    assert remarks(tmp_path) == []


def test_folders_are_known_in_any_case(tmp_path: Path) -> None:
    lay(tmp_path, {"Train/Images/1.jpg": "", "Train/Labels/1.txt": BOXES, "data.yaml": NAMES})
    assert by_split(tmp_path) == {"Train/Images/1.jpg": Split.TRAIN}
    assert remarks(tmp_path) == []


def test_a_split_can_be_several_folders_or_a_list_of_images(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": f"train: [images/monday, images/tuesday]\nval: chosen.txt\n{NAMES}",
            "chosen.txt": "./images/wednesday/3.jpg\r\n\r\nC:\\home\\me\\images\\wednesday\\4.jpg\n",
            **{f"images/{day}.jpg": "" for day in ("monday/1", "tuesday/2", "wednesday/3", "wednesday/4")},
            "images/wednesday/5.jpg": "",
            **{f"labels/{day}.txt": BOXES for day in ("monday/1", "tuesday/2", "wednesday/3", "wednesday/4")},
        },
    )
    assert by_split(tmp_path) == {
        "images/monday/1.jpg": Split.TRAIN,
        "images/tuesday/2.jpg": Split.TRAIN,
        "images/wednesday/3.jpg": Split.VAL,
        "images/wednesday/4.jpg": Split.VAL,
    }
    assert remarks(tmp_path) == [("unlisted_image", "images/wednesday/5.jpg")]


@pytest.mark.parametrize(
    "place", ["/content/pets/images/{}", "D:\\pets\\Images\\{}\\", "https://example.com/images/{}"]
)
def test_a_folder_of_the_set_is_known_by_where_it_was_before_the_set_was_moved(tmp_path: Path, place: str) -> None:
    described = yaml.safe_dump(
        {"train": place.format("monday"), "val": place.format("tuesday"), "names": ["cat", "dog"]}
    )
    days = ("monday", "tuesday")
    lay(
        tmp_path,
        {
            "data.yaml": described,
            **{f"images/{d}/1.jpg": "" for d in days},
            **{f"labels/{d}/1.txt": BOXES for d in days},
        },
    )
    assert by_split(tmp_path) == {"images/monday/1.jpg": Split.TRAIN, "images/tuesday/1.jpg": Split.VAL}
    assert remarks(tmp_path) == []


def test_a_folder_of_labels_around_the_set_changes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "labels" / "images"
    lay(
        root,
        {
            "data.yaml": NAMES,
            "shots/1.jpg": "",
            "shots/1.txt": "a caption",
            "shots/labels/1.txt": BOXES,
            "notes.txt": "",
        },
    )
    assert len(annotations(root).instances) == 2
    assert remarks(root) == [("other_file", "notes.txt"), ("other_file", "shots/1.txt")]


def test_a_label_goes_before_a_text_beside_the_image(tmp_path: Path) -> None:
    lay(tmp_path, {"data.yaml": NAMES, "labels/1.txt": BOXES, "photos/1.jpg": "", "photos/1.txt": "a caption"})
    assert len(annotations(tmp_path).instances) == 2
    assert remarks(tmp_path) == [("other_file", "photos/1.txt")]


@pytest.mark.parametrize("files", [{"images/1.jpg": "", "labels/1.txt": BOXES}, {"1.jpg": "", "1.txt": BOXES}])
def test_the_folder_that_one_stands_in_is_read_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    lay(tmp_path, {"data.yaml": f"train: ./\n{NAMES}", **files})
    named = by_split(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert by_split(Path()) == named
    assert list(named.values()) == [Split.TRAIN]


def test_images_without_labels_belong_to_the_set_where_images_are_looked_for(tmp_path: Path) -> None:
    lay(tmp_path / "a", {"data.yaml": NAMES, "images/x/1.jpg": "", "labels/x/1.txt": BOXES, "images/y/2.jpg": ""})
    assert by_split(tmp_path / "a") == {"images/x/1.jpg": None, "images/y/2.jpg": None}
    lay(tmp_path / "b", {"data.yaml": NAMES, "train/1.jpg": "", "train/1.txt": BOXES, "test/2.jpg": ""})
    assert by_split(tmp_path / "b") == {"train/1.jpg": Split.TRAIN, "test/2.jpg": Split.TEST}


def test_a_path_within_the_set_says_which_of_two_folders_is_meant(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": f"path: ./new\ntrain: images\n{NAMES}",
            **{f"{folder}/images/1.jpg": "" for folder in ("new", "old")},
            **{f"{folder}/labels/1.txt": BOXES for folder in ("new", "old")},
        },
    )
    assert by_split(tmp_path) == {"new/images/1.jpg": Split.TRAIN, "old/images/1.jpg": None}


@pytest.mark.parametrize("task", ["[x]", "{}", "5", "classify"])
def test_a_task_that_is_none_says_nothing(tmp_path: Path, task: str) -> None:
    assert kinds(tmp_path, TURNED, f"task: {task}\n{NAMES}") == {"turned"}


# What is no YOLO


def test_captions_beside_images_are_no_labels(tmp_path: Path) -> None:
    lay(tmp_path, {"1.jpg": "", "1.txt": "a photo of 2 cats", "2.jpg": "", "2.txt": "1 dog, 3 4 5"})
    assert Yolo().matches(tmp_path) == Certainty.NO


def test_a_caption_of_nothing_but_numbers_makes_no_labels_of_the_others(tmp_path: Path) -> None:
    captions = {"1.txt": "1 2 3 4 5", "2.txt": "two cats", "3.txt": "a dog"}
    lay(tmp_path, {**captions, **{f"{number}.jpg": "" for number in (1, 2, 3)}})
    assert Yolo().matches(tmp_path) == Certainty.NO


def test_captions_with_a_list_of_classes_are_no_labels(tmp_path: Path) -> None:
    lay(tmp_path, {"classes.txt": "cat", "images/1.jpg": "", "images/1.txt": "a photo of two cats"})
    assert Yolo().matches(tmp_path) == Certainty.NO


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cats/1.jpg": "", "dogs/2.jpg": ""},
        {"1.jpg": "", "notes.txt": "0 0.5 0.5 0.5 0.5"},
        {"data.yaml": "train: images\n", "1.jpg": ""},
        {"data.yaml": "names: [", "1.jpg": ""},
        {"images/1.jpg": "", "labels/1.png": ""},
        {"images/1.jpg": "", "labels/1.json": "{}"},
    ],
)
def test_other_folders_are_none(tmp_path: Path, files: dict[str, str]) -> None:
    assert Yolo().matches(lay(tmp_path, files)) == Certainty.NO


def test_a_data_yaml_is_enough_when_no_image_has_a_label(tmp_path: Path) -> None:
    lay(tmp_path, {"data.yaml": f"train: images\n{NAMES}", "images/1.jpg": ""})
    assert Yolo().matches(tmp_path) == Certainty.LIKELY
    assert remarks(tmp_path) == [("missing_annotations", "images/1.jpg")]


def test_labels_are_found_behind_many_folders_of_images(tmp_path: Path) -> None:
    for number in range(90):
        lay(tmp_path, {f"images/{number:02d}/1.jpg": "", f"labels/{number:02d}/1.txt": BOXES})
    assert Yolo().matches(tmp_path) == Certainty.LIKELY
    found = detect(tmp_path)
    assert found
    assert found.name == "yolo"


def test_labels_that_are_all_broken_are_still_labels(tmp_path: Path) -> None:
    """Of some other tool, but the shape of the folders says what was meant."""
    lay(tmp_path, {"images/1.jpg": "", "labels/1.txt": "cat 0.5 0.5 0.1 0.1\n"})
    assert Yolo().matches(tmp_path) == Certainty.LIKELY
    found = detect(tmp_path)
    assert found
    assert found.name == "yolo"


# Lines


def test_a_box_is_given_by_its_middle(tmp_path: Path) -> None:
    found = one(tmp_path, "1 0.5 0.25 0.2 0.1\n")
    assert found.instances == [Instance(label=1, box=(40, 40, 20, 20))]
    assert found.marks == [1]
    assert found.file == tmp_path / "labels/1.txt"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff1 0.5 0.25 0.2 0.1",
        "1 0.5 0.25 0.2 0.1\r\n\r\n",
        "1\t0.5\t0.25 \t 0.2 0.1  \n\n",
        "\n  1 5e-1 2.5E-01 .2 1.0e-1\n",
        "1.0 0.500000 0.25 2e-1 0.1",
        "1.000000000000000000e+00 5.0e-01 2.5e-01 2.0e-01 1.0e-01",
    ],
)
def test_numbers_are_read_however_they_are_written(tmp_path: Path, text: str) -> None:
    found = one(tmp_path, text)
    assert found.instances == [Instance(label=1, box=(40, 40, 20, 20))]
    assert not found.remarks


def test_a_mark_is_the_line_in_the_file(tmp_path: Path) -> None:
    found = one(tmp_path, "\n0 .5 .5 .1 .1\n\n\n1 .5 .5 .2 .2\n")
    assert found.marks == [2, 5]


def test_what_lies_a_little_outside_is_given_as_found(tmp_path: Path) -> None:
    found = one(tmp_path, "0 1.0 0.5 0.2 1.1\n")
    assert found.instances == [Instance(label=0, box=(90, -10, 20, 220))]
    assert not found.remarks


def test_an_outline_has_the_box_that_holds_it(tmp_path: Path) -> None:
    found = one(tmp_path, "0 0.1 0.1 0.9 0.1 0.5 0.8\n0 0.5 0.5 0.5 0.5\n")
    ring = (10, 20, 90, 20, 50, 160)
    assert found.instances == [
        Instance(label=0, box=(10, 20, 80, 140), polygons=(ring,)),
        Instance(label=0, box=(25, 50, 50, 100)),
    ]


def test_an_outline_that_repeats_its_first_point_has_it_once(tmp_path: Path) -> None:
    """As Roboflow closes them."""
    found = one(tmp_path, "0 0.1 0.1 0.9 0.1 0.5 0.8 0.1 0.1\n")
    assert found.instances[0].polygons == ((10, 20, 90, 20, 50, 160),)


def test_keypoints_have_their_visibility(tmp_path: Path) -> None:
    found = one(tmp_path, "0 0.5 0.5 0.2 0.2 0.5 0.5 2.000 0.1 0.1 0\n1 0.5 0.5 0.2 0.2", POSE)
    assert found.instances == [
        Instance(label=0, box=(40, 80, 20, 40), keypoints=(50, 100, 2, 10, 20, 0)),
        Instance(label=1, box=(40, 80, 20, 40)),
    ]


def test_keypoints_without_visibility_are_seen_unless_they_lie_nowhere(tmp_path: Path) -> None:
    pose = "kpt_shape: [3, 2]\nnames: [cat, dog]\n"
    found = one(tmp_path, "0 0.5 0.5 0.2 0.2 0.5 0.5 0 0 -1 -1", pose)
    assert found.instances[0].keypoints == (50, 100, 2, 0, 0, 0, 0, 0, 0)


def test_turned_boxes_have_their_corners_in_order(tmp_path: Path) -> None:
    found = one(tmp_path, TURNED, "task: obb\nnames: [plane]\n")
    assert found.instances == [Instance(label=0, box=(20, 40, 60, 120), corners=(50, 40, 80, 100, 50, 160, 20, 100))]


# What kind of set it is


_QUADRILATERAL = "0 0.1 0.1 0.9 0.15 0.8 0.7 0.2 0.5\n"
_UPRIGHT = "0 0.1 0.1 0.9 0.1 0.9 0.7 0.1 0.7\n"


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (TURNED, {"turned"}),
        (TURNED + _UPRIGHT * 9, {"turned"}),
        (TURNED * 2 + _QUADRILATERAL, {"turned"}),
        (_UPRIGHT * 3, {"outline"}),  # boxes that a tool wrote as outlines
        (TURNED + _UPRIGHT * 10, {"outline"}),
        (_QUADRILATERAL * 3, {"outline"}),
        (TURNED + _QUADRILATERAL, {"outline"}),
        (TURNED * 5 + "0 0.1 0.1 0.9 0.1 0.5 0.8\n", {"outline"}),
        (TURNED + "0 .5 .5 .1 .1\n", {"turned"}),
        ("0 .5 .5 .1 .1\n", set()),
    ],
)
def test_nine_values_are_a_turned_box_where_all_say_so(tmp_path: Path, lines: str, kind: set[str]) -> None:
    assert kinds(tmp_path, lines) == kind


@pytest.mark.parametrize(("outlines", "kind"), [("", "turned"), ("0 .1 .1 .2 .2 .3 .1\n", "outline")])
def test_what_long_lines_mean_is_the_same_in_every_file(tmp_path: Path, outlines: str, kind: str) -> None:
    """Whichever is read first."""
    files = {f"images/{n}.jpg": "" for n in (1, 2, 3)} | {f"labels/{n}.txt": TURNED for n in (1, 2)}
    lay(tmp_path, {"data.yaml": NAMES, **files, "labels/3.txt": f"0 .5 .5 .1 .1\n{outlines}"})
    found = [candidate.annotate(100, 100) for candidate in candidates(tmp_path) if candidate.annotate]
    assert [bool(each.instances[0].corners) for each in found] == [kind == "turned"] * 2 + [False]


@pytest.mark.parametrize(("lines", "opened"), [("0 .5 .5 .1 .1\n", 4), ("0 .1 .1 .2 .2 .3 .1\n", 5), (TURNED, 8)])
def test_no_label_is_read_twice_but_where_that_is_the_only_way_to_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, opened: int
) -> None:
    files = {f"images/{n}.jpg": "" for n in range(4)} | {f"labels/{n}.txt": lines for n in range(4)}
    lay(tmp_path, {"data.yaml": NAMES, **files})
    found = candidates(tmp_path)
    texts: list[Path] = []

    def counted(path: Path, root: Path) -> str:
        texts.append(path)
        return read_text(path, root)

    monkeypatch.setattr(yolo_lines, "read_text", counted)
    for candidate in found:
        assert candidate.annotate
        candidate.annotate(100, 100)
    assert len(texts) == opened


def test_turned_boxes_are_known_when_the_sides_of_the_image_differ(tmp_path: Path) -> None:
    """A rectangle of 80 × 40 pixels at 30° in an image of 100 × 200 is none any more in relative coordinates."""
    numbers = (25.4, 62.7, 94.6, 102.7, 74.6, 137.3, 5.4, 97.3)
    line = " ".join(f"{number / (200 if place % 2 else 100):.6f}" for place, number in enumerate(numbers))
    assert kinds(tmp_path, f"0 {line}") == {"turned"}


def test_what_data_yaml_calls_the_task_counts_more_than_the_lines(tmp_path: Path) -> None:
    assert kinds(tmp_path / "a", TURNED, f"task: segment\n{NAMES}") == {"outline"}
    assert kinds(tmp_path / "b", _QUADRILATERAL, f"task: obb\n{NAMES}") == {"turned"}


# Names


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ("names: [a, b]", ("a", "b")),
        ("names:\n- a\n- b", ("a", "b")),
        ("names: {1: b, 0: a}", ("a", "b")),
        ("names: {'0': a, '1': b}", ("a", "b")),
        ("names: [7, 0.5, true, no]", ("7", "0.5", "true", "no")),
        ("names: ['Köter', 日本, \"tab\\there\"]", ("Köter", "日本", "tab\\there")),
        ("names: {}", ()),
        ('names: ["lone \\ud800"]', ("lone \\ud800",)),
        ("\ufeffnames: [a, b]\r\nnc: 2\r\n", ("a", "b")),
    ],
)
def test_names_are_a_list_or_a_map(tmp_path: Path, names: str, classes: tuple[str, ...]) -> None:
    assert described(tmp_path, names).classes == classes
    assert not details(tmp_path, "contradiction")


def test_without_any_names_the_labels_say_how_many_classes_there_are(tmp_path: Path) -> None:
    lay(tmp_path, {"images/1.jpg": "", "labels/1.txt": "2 .5 .5 .1 .1\nx\n999999999 .5 .5 .1 .1\n", "images/2.jpg": ""})
    assert read(tmp_path).classes == ("0", "1", "2")
    assert details(tmp_path, "unnamed_classes") == ["class 0", "class 1", "class 2"]
    assert ("unnamed_classes", "labels") in remarks(tmp_path)


def test_an_empty_line_in_a_list_of_names_counts(tmp_path: Path) -> None:
    lay(tmp_path, {"classes.txt": "a\n\nc\n\n", "images/1.jpg": "", "labels/1.txt": BOXES})
    assert read(tmp_path).classes == ("a", "1", "c")
    assert details(tmp_path, "unnamed_classes") == ["class 1"]


def test_data_yaml_goes_before_other_descriptions_and_lists(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "a.yaml": "names: [wrong]",
            "classes.txt": "wrong\n",
            "data.yaml": NAMES,
            "images/1.jpg": "",
            "labels/1.txt": BOXES,
        },
    )
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("other_file", "a.yaml"), ("other_file", "classes.txt")]


def test_a_yaml_of_some_other_tool_is_no_description(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "compose.yml": "services: {}",
            "broken.yaml": "a: [",
            "set.yaml": NAMES,
            "images/1.jpg": "",
            "labels/1.txt": BOXES,
        },
    )
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("other_file", "broken.yaml"), ("other_file", "compose.yml")]


def test_a_set_that_powershell_wrote_anew_is_read(tmp_path: Path) -> None:
    text = (NAMES.encode("utf-16"), BOXES.encode("utf-16"))
    lay(tmp_path, {"data.yaml": text[0], "images/1.jpg": "", "labels/1.txt": text[1]})
    assert read(tmp_path).classes == ("cat", "dog")
    assert len(annotations(tmp_path).instances) == 2
    assert remarks(tmp_path) == []


@pytest.mark.parametrize(
    ("entries", "skeleton"),
    [
        ("", None),
        ("flip_idx: []\n", None),
        ("flip_idx: [1, 0]\n", Skeleton(keypoints=("0", "1"), flip=(1, 0))),
        ("kpt_names: [l, r]\n", Skeleton(keypoints=("l", "r"))),
        ("kpt_names:\n  0: [l, r]\n  9: [l, r]\nflip_idx: [1, 0]\n", Skeleton(keypoints=("l", "r"), flip=(1, 0))),
        ("kpt_names: {0: [l, r]}\nskeleton: {0: [[0, 1]]}\n", Skeleton(keypoints=("l", "r"), edges=((0, 1),))),
        ("kpt_names: {0: [l, r]}\nskeleton: [[1, 2]]\n", Skeleton(keypoints=("l", "r"))),
    ],
)
def test_keypoints_have_names_and_twins(tmp_path: Path, entries: str, skeleton: Skeleton | None) -> None:
    reading = described(tmp_path, f"names: [a]\nkpt_shape: [2, 3]\n{entries}")
    assert reading.skeletons == ({0: skeleton} if skeleton else {})


# Writing


def written(root: Path, source: Path) -> Path:
    version = prepare(source, work=root / "work")
    convert(version.manifest, stored_at(store(version, root / "blobs")), Yolo(), root / "written")
    return root / "written"


def test_data_yaml_says_all_that_ultralytics_asks_for_and_no_place_elsewhere(tmp_path: Path) -> None:
    TestYoloWithKeypoints().example(tmp_path / "source")
    content = yaml.safe_load((written(tmp_path, tmp_path / "source") / "data.yaml").read_text())
    assert content == {
        "task": "pose",
        "train": "images/train",
        "val": "images/val",
        "kpt_shape": [3, 3],
        "flip_idx": [1, 0, 2],
        "kpt_names": {0: ["0", "1", "2"]},
        "skeleton": {0: []},
        "names": {0: "cat"},
    }


def test_names_that_look_like_something_else_stay_names(tmp_path: Path) -> None:
    names = ("1e5", "012", "no", "null", "0x1F", "12:30", "~", "", " a ", "日本", "it's", "# x", "[y]", "a: b", "🐈")
    header = Header(format="yolo", classes=names)
    assert described(tmp_path, data_yaml(header, list(Split), Feature.BOX)).classes == names


def test_both_splits_are_there_even_if_one_is_empty(tmp_path: Path) -> None:
    """Ultralytics refuses a data.yaml without them."""
    lay(tmp_path / "source", {"data.yaml": NAMES, "images/train/1.jpg": "", "labels/train/1.txt": BOXES})
    root = written(tmp_path, tmp_path / "source")
    assert list((root / "images/val").iterdir()) == []
    content = yaml.safe_load((root / "data.yaml").read_text())
    assert (content["train"], content["val"], content.get("test")) == ("images/train", "images/val", None)


def test_an_object_without_outline_among_others_is_written_with_that_of_its_box(tmp_path: Path) -> None:
    """Ultralytics would take the four numbers of a box for two points."""
    lay(
        tmp_path / "source",
        {
            "data.yaml": NAMES,
            "images/1.jpg": "",
            "labels/1.txt": "0 .1 .1 .9 .1 .5 .8\n1 .5 .5 .5 .5\n",
            "images/2.jpg": "",
        },
    )
    root = written(tmp_path, tmp_path / "source")
    lines = next(path for path in root.rglob("*.txt") if path.stat().st_size).read_text().splitlines()
    assert lines[1] == "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"


def test_parts_of_an_outline_are_joined_without_adding_area() -> None:
    parts = ((0.0, 0.0, 4.0, 0.0, 4.0, 4.0), (6.0, 6.0, 8.0, 6.0, 8.0, 8.0))
    line = outline(Instance(label=0, box=(0, 0, 8, 8), polygons=parts), 1, 1)
    ring = [float(number) for number in line.split()[1:]]
    points = list(zip(ring[0::2], ring[1::2], strict=True))
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True)) / 2
    assert area == 8 + 2


def test_what_cannot_be_carried_is_told(tmp_path: Path) -> None:
    features = frozenset({*_ALL, Feature.POLYGON, Feature.PARTS, Feature.LOOSE_BOX, Feature.CROWD, Feature.ATTRIBUTES})
    assert Yolo().carries(features) == _ALL | {Feature.POLYGON}
    assert Yolo().carries(frozenset({Feature.BOX, Feature.KEYPOINTS, Feature.POLYGON})) == {
        Feature.BOX,
        Feature.KEYPOINTS,
    }
