"""YOLO sets as tools write them: every layout, every kind of line, and everything that can be wrong with them."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyebright_kit.data.annotations import Instance, Skeleton
from eyebright_kit.data.blobs import stored_at
from eyebright_kit.data.conformance import Example, FormatConformance, store, write_image
from eyebright_kit.data.convert import convert
from eyebright_kit.data.documents import Unreadable, read_text
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark, detect
from eyebright_kit.data.formats import yolo_lines
from eyebright_kit.data.formats.yolo import Yolo
from eyebright_kit.data.formats.yolo_writing import data_yaml, outline
from eyebright_kit.data.inspect import inspect
from eyebright_kit.data.manifest import Header
from eyebright_kit.data.version import prepare
from eyebright_wire.datasets import DatasetReport, Split

_ALL = frozenset({Feature.BOX, Feature.CLASS_ORDER, Feature.CLASS_NAMES})
_BOXES = "0 0.5 0.5 0.25 0.25\n1 0.25 0.25 0.125 0.25\n"
_OUTLINES = "0 0.1 0.1 0.9 0.1 0.5 0.8\n1 0.2 0.2 0.4 0.2 0.4 0.6 0.2 0.5\n"
_NAMES = "names: [cat, dog]\n"


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


def one(root: Path, line: str | bytes, description: str = _NAMES) -> Annotations:
    """What becomes of one label file."""
    lay(root, {"data.yaml": description, "images/1.jpg": "", "labels/1.txt": line})
    return annotations(root)


def complaints(root: Path, text: str | bytes, description: str = _NAMES) -> list[tuple[str, str]]:
    return [(remark.mark, remark.detail) for remark in one(root, text, description).remarks]


def finding(report: DatasetReport, code: str) -> str:
    return next(found.message for found in report.findings if found.code == code)


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


_ROBOFLOW = """\
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
        "data.yaml": _ROBOFLOW,
        "README.dataset.txt": "# pets > v1\nhttps://universe.roboflow.com\n",
        "README.roboflow.txt": "pets - v1\n==============================\n\nThe dataset includes 4 images.\n",
    }
    for split in ("train", "valid", "test"):
        files[f"{split}/images/a_jpg.rf.0123abcd.jpg"] = ""
        files[f"{split}/labels/a_jpg.rf.0123abcd.txt"] = _BOXES.rstrip()
    return lay(root, files)


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
                "obj_train_data/1.txt": _BOXES,
                "obj_train_data/2.jpg": "",
                "obj_train_data/2.txt": "",
                "obj_valid_data/1.jpg": "",
                "obj_valid_data/1.txt": _BOXES,
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


_TURNED = "0 0.5 0.2 0.8 0.5 0.5 0.8 0.2 0.5\n"


class TestYoloWithTurnedBoxes(FormatConformance):
    form = Yolo()

    def example(self, root: Path) -> Example:
        lay(
            root,
            {
                "data.yaml": "train: train/images\nval: val/images\nnames: [plane]\n",
                "train/images/1.jpg": "",
                "train/labels/1.txt": _TURNED,
                "val/images/2.jpg": "",
                "val/labels/2.txt": _TURNED,
            },
        )
        return Example(
            ("plane",),
            {Split.TRAIN: 1, Split.VAL: 1},
            tasks=("detection", "oriented_detection"),
            annotations=frozenset({"data.yaml", "train/labels/1.txt", "val/labels/2.txt"}),
        )


# Layouts


def test_an_export_of_roboflow_is_read_without_a_word_but_on_its_read_me_files(tmp_path: Path) -> None:
    roboflow(tmp_path)
    assert Yolo().matches(tmp_path) == Certainty.SURE
    assert remarks(tmp_path) == [("other_file", "README.dataset.txt"), ("other_file", "README.roboflow.txt")]
    report = inspect(tmp_path)
    assert report.ready_for("detection").ready
    assert report.instances_per_class["train"] == {"cat": 1, "dog": 1}


def test_a_cache_of_labels_is_never_opened(tmp_path: Path) -> None:
    roboflow(tmp_path)
    trap = tmp_path / "train" / "labels.cache"
    os.mkfifo(trap.with_name("pipe.cache"))  # opening it would wait for ever
    trap.write_bytes(b"cos\nsystem\n(S'touch /tmp/yolo-was-here'\ntR.")
    (tmp_path / "train" / "labels" / "train.cache").write_bytes(b"\x80\x04")
    found = remarks(tmp_path)
    assert ("other_file", "train/labels.cache") in found
    assert ("other_file", "train/labels/train.cache") in found
    assert inspect(tmp_path).ready_for("detection").ready


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
    lay(tmp_path / "a", {"test-data/images/1.jpg": "", "test-data/labels/1.txt": _BOXES})
    assert by_split(tmp_path / "a") == {"images/1.jpg": None}
    lay(tmp_path / "b", {"test-data/1.jpg": "", "test-data/1.txt": _BOXES})
    assert by_split(tmp_path / "b") == {"1.jpg": None}


def test_ultralytics_example_with_path_and_download_is_read_where_it_lies(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "coco8.yaml": "path: coco8\ntrain: images/train\nval: images/val\ntest:\nnames:\n  0: cat\n  1: dog\n"
            "download: |\n  import os; os.system('touch /tmp/yolo-was-here')\n",
            "images/train/1.jpg": "",
            "labels/train/1.txt": _BOXES,
            "images/val/2.jpg": "",
            "labels/val/2.txt": _BOXES,
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
            "labels/1.txt": _BOXES,
        },
    )
    assert Yolo().matches(tmp_path) == Certainty.SURE
    assert by_split(tmp_path) == {"images/1.jpg": None}
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("other_file", "notes.json")]


def test_labels_beside_their_images_are_read_with_the_classes_beside_them(tmp_path: Path) -> None:
    """As labelImg writes it."""
    lay(tmp_path, {"shots/classes.txt": "cat\ndog\n", "shots/1.jpg": "", "shots/1.txt": _BOXES, "shots/2.jpg": ""})
    assert Yolo().matches(tmp_path) == Certainty.SURE
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("missing_annotations", "shots/2.jpg")]


def test_a_list_of_classes_in_each_split_is_one_list(tmp_path: Path) -> None:
    """As Roboflow writes for darknet."""
    files = {
        f"{split}/{name}": text
        for split in ("train", "valid")
        for name, text in (("_darknet.labels", "cat\ndog\n"), ("1.webp", ""), ("1.txt", _BOXES))
    }
    lay(tmp_path, files)
    assert by_split(tmp_path) == {"train/1.webp": Split.TRAIN, "valid/1.webp": Split.VAL}
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == []


def test_lists_of_classes_that_differ_stop_the_import(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "train/classes.txt": "cat\ndog\n",
            "train/1.jpg": "",
            "train/1.txt": _BOXES,
            "val/classes.txt": "dog\ncat\n",
            "val/2.jpg": "",
            "val/2.txt": _BOXES,
        },
    )
    with pytest.raises(Unreadable, match=r"other classes than train/classes\.txt") as raised:
        read(tmp_path)
    assert raised.value.path == tmp_path / "val" / "classes.txt"
    assert "val/classes.txt" in inspect(tmp_path).ready_for("detection").missing[0]


def exports(root: Path, *names: str) -> Path:
    """Exports in folders beside each other, each with its list of names."""
    for number, listed in enumerate(names):
        texts = {
            "data.yaml": f"train: ../train/images\n{listed}",
            "train/images/1.jpg": "",
            "train/labels/1.txt": _BOXES,
        }
        lay(root, {f"{number}/{name}": text for name, text in texts.items()})
    return root


def test_exports_in_one_folder_are_one_set_if_their_classes_are_the_same(tmp_path: Path) -> None:
    exports(tmp_path, _NAMES, _NAMES)
    assert read(tmp_path).classes == ("cat", "dog")
    assert by_split(tmp_path) == {"0/train/images/1.jpg": Split.TRAIN, "1/train/images/1.jpg": Split.TRAIN}


def test_exports_in_one_folder_whose_classes_differ_stop_the_import(tmp_path: Path) -> None:
    exports(tmp_path, _NAMES, "names: [dog, cat]\n")
    with pytest.raises(Unreadable, match=r"other classes than 0/data\.yaml; .* or import each by itself") as raised:
        read(tmp_path)
    assert raised.value.path == tmp_path / "1" / "data.yaml"


def test_a_data_yaml_in_a_folder_of_its_own_is_found(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "config/data.yaml": f"train: ../images/monday\nval: ../images/tuesday\n{_NAMES}",
            **{f"images/{day}/1.jpg": "" for day in ("monday", "tuesday")},
            **{f"labels/{day}/1.txt": _BOXES for day in ("monday", "tuesday")},
        },
    )
    assert read(tmp_path).classes == ("cat", "dog")
    assert by_split(tmp_path) == {"images/monday/1.jpg": Split.TRAIN, "images/tuesday/1.jpg": Split.VAL}
    assert remarks(tmp_path) == []


def test_folders_are_known_in_any_case(tmp_path: Path) -> None:
    lay(tmp_path, {"Train/Images/1.jpg": "", "Train/Labels/1.txt": _BOXES, "data.yaml": _NAMES})
    assert by_split(tmp_path) == {"Train/Images/1.jpg": Split.TRAIN}
    assert remarks(tmp_path) == []


def test_a_split_can_be_several_folders_or_a_list_of_images(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": f"train: [images/monday, images/tuesday]\nval: chosen.txt\n{_NAMES}",
            "chosen.txt": "./images/wednesday/3.jpg\r\n\r\nC:\\home\\me\\images\\wednesday\\4.jpg\n",
            **{f"images/{day}.jpg": "" for day in ("monday/1", "tuesday/2", "wednesday/3", "wednesday/4")},
            "images/wednesday/5.jpg": "",
            **{f"labels/{day}.txt": _BOXES for day in ("monday/1", "tuesday/2", "wednesday/3", "wednesday/4")},
        },
    )
    assert by_split(tmp_path) == {
        "images/monday/1.jpg": Split.TRAIN,
        "images/tuesday/2.jpg": Split.TRAIN,
        "images/wednesday/3.jpg": Split.VAL,
        "images/wednesday/4.jpg": Split.VAL,
    }
    assert remarks(tmp_path) == [("unlisted_image", "images/wednesday/5.jpg")]


def test_a_listed_image_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": f"train: train.txt\nval: val.txt\n{_NAMES}",
            "train.txt": "images/1.jpg\nimages/lost.jpg\n",
            "val.txt": "images/2.jpg\n",
            **{f"images/{n}.jpg": "" for n in (1, 2)},
            **{f"labels/{n}.txt": _BOXES for n in (1, 2)},
        },
    )
    assert "train.txt:2: images/lost.jpg" in finding(inspect(tmp_path), "missing_image")


@pytest.mark.parametrize(
    "place",
    [
        "/etc",
        "../../../../../../etc",
        "C:\\Windows",
        "https://example.com/images",
        "~/pictures",
        "\\\\host\\share",
        "a\0b",
    ],
)
def test_a_place_elsewhere_is_not_looked_at(tmp_path: Path, place: str) -> None:
    text = yaml.safe_dump({"train": place, "val": [place, "also.txt"], "path": place, "names": ["cat", "dog"]})
    lay(tmp_path, {"data.yaml": text, "images/train/1.jpg": "", "labels/train/1.txt": _BOXES})
    assert by_split(tmp_path) == {"images/train/1.jpg": Split.TRAIN}
    assert remarks(tmp_path) == [("ignored_entry", "data.yaml")] * 4


def test_a_list_of_images_names_none_outside(tmp_path: Path) -> None:
    write_image(tmp_path / "outside.jpg", 1)
    root = tmp_path / "set"
    lay(
        root,
        {
            "data.yaml": f"train: train.txt\nval: ../list.txt\n{_NAMES}",
            "train.txt": f"images/1.jpg\n../outside.jpg\n{tmp_path}/outside.jpg\n/etc/passwd\n",
            "images/1.jpg": "",
            "labels/1.txt": _BOXES,
        },
    )
    assert by_split(root) == {"images/1.jpg": Split.TRAIN}
    assert [code for code, _ in remarks(root)] == ["ignored_entry", *["missing_image"] * 3]


def test_a_folder_for_two_splits_is_that_of_the_first(tmp_path: Path) -> None:
    lay(tmp_path, {"data.yaml": f"train: images\nval: ./images/\n{_NAMES}", "images/1.jpg": "", "labels/1.txt": _BOXES})
    assert by_split(tmp_path) == {"images/1.jpg": Split.TRAIN}
    assert details(tmp_path, "contradiction") == ["val is './images/', as train is; its images count for train"]


def test_a_folder_of_labels_around_the_set_changes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "labels" / "images"
    lay(
        root,
        {
            "data.yaml": _NAMES,
            "shots/1.jpg": "",
            "shots/1.txt": "a caption",
            "shots/labels/1.txt": _BOXES,
            "notes.txt": "",
        },
    )
    assert len(annotations(root).instances) == 2
    assert remarks(root) == [("other_file", "notes.txt"), ("other_file", "shots/1.txt")]


def test_a_label_goes_before_a_text_beside_the_image(tmp_path: Path) -> None:
    lay(tmp_path, {"data.yaml": _NAMES, "labels/1.txt": _BOXES, "photos/1.jpg": "", "photos/1.txt": "a caption"})
    assert len(annotations(tmp_path).instances) == 2
    assert remarks(tmp_path) == [("other_file", "photos/1.txt")]


@pytest.mark.parametrize("files", [{"images/1.jpg": "", "labels/1.txt": _BOXES}, {"1.jpg": "", "1.txt": _BOXES}])
def test_the_folder_that_one_stands_in_is_read_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    lay(tmp_path, {"data.yaml": f"train: ./\n{_NAMES}", **files})
    named = by_split(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert by_split(Path()) == named
    assert list(named.values()) == [Split.TRAIN]


def test_images_without_labels_belong_to_the_set_where_images_are_looked_for(tmp_path: Path) -> None:
    lay(tmp_path / "a", {"data.yaml": _NAMES, "images/x/1.jpg": "", "labels/x/1.txt": _BOXES, "images/y/2.jpg": ""})
    assert by_split(tmp_path / "a") == {"images/x/1.jpg": None, "images/y/2.jpg": None}
    lay(tmp_path / "b", {"data.yaml": _NAMES, "train/1.jpg": "", "train/1.txt": _BOXES, "test/2.jpg": ""})
    assert by_split(tmp_path / "b") == {"train/1.jpg": Split.TRAIN, "test/2.jpg": Split.TEST}


def test_a_path_within_the_set_says_which_of_two_folders_is_meant(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": f"path: ./new\ntrain: images\n{_NAMES}",
            **{f"{folder}/images/1.jpg": "" for folder in ("new", "old")},
            **{f"{folder}/labels/1.txt": _BOXES for folder in ("new", "old")},
        },
    )
    assert by_split(tmp_path) == {"new/images/1.jpg": Split.TRAIN, "old/images/1.jpg": None}


@pytest.mark.parametrize("task", ["[x]", "{}", "5", "classify"])
def test_a_task_that_is_none_says_nothing(tmp_path: Path, task: str) -> None:
    assert kinds(tmp_path, _TURNED, f"task: {task}\n{_NAMES}") == {"turned"}


def test_every_kind_of_stray_file_has_its_remark(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "data.yaml": _NAMES,
            "preview.png": "",
            "args.yaml": "epochs: 3\n",
            "images/train/1.jpg": "",
            "images/train/2.jpg": "",
            "labels/train/1.txt": _BOXES,
            "labels/train/gone.txt": _BOXES,
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
            "data.yaml": _NAMES,
            **{f"images/train/{name}.jpg": "" for name in ("full", "blank", "without")},
            **{f"images/val/{name}.jpg": "" for name in ("full", "spaces")},
            "labels/train/full.txt": _BOXES,
            "labels/train/blank.txt": "",
            "labels/val/full.txt": _BOXES,
            "labels/val/spaces.txt": " \n\r\n",
        },
    )
    report = inspect(tmp_path)
    assert report.images == {"train": 3, "val": 2}
    assert report.ready_for("detection").ready
    assert [f.code for f in report.findings if "annotation" in f.code] == ["missing_annotations"]


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
    lay(tmp_path, {"data.yaml": f"train: images\n{_NAMES}", "images/1.jpg": ""})
    assert Yolo().matches(tmp_path) == Certainty.LIKELY
    assert remarks(tmp_path) == [("missing_annotations", "images/1.jpg")]


def test_labels_are_found_behind_many_folders_of_images(tmp_path: Path) -> None:
    for number in range(90):
        lay(tmp_path, {f"images/{number:02d}/1.jpg": "", f"labels/{number:02d}/1.txt": _BOXES})
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


_POSE = "kpt_shape: [2, 3]\nnames: [cat, dog]\n"


def test_keypoints_have_their_visibility(tmp_path: Path) -> None:
    found = one(tmp_path, "0 0.5 0.5 0.2 0.2 0.5 0.5 2.000 0.1 0.1 0\n1 0.5 0.5 0.2 0.2", _POSE)
    assert found.instances == [
        Instance(label=0, box=(40, 80, 20, 40), keypoints=(50, 100, 2, 10, 20, 0)),
        Instance(label=1, box=(40, 80, 20, 40)),
    ]


def test_keypoints_without_visibility_are_seen_unless_they_lie_nowhere(tmp_path: Path) -> None:
    pose = "kpt_shape: [3, 2]\nnames: [cat, dog]\n"
    found = one(tmp_path, "0 0.5 0.5 0.2 0.2 0.5 0.5 0 0 -1 -1", pose)
    assert found.instances[0].keypoints == (50, 100, 2, 0, 0, 0, 0, 0, 0)


def test_turned_boxes_have_their_corners_in_order(tmp_path: Path) -> None:
    found = one(tmp_path, _TURNED, "task: obb\nnames: [plane]\n")
    assert found.instances == [Instance(label=0, box=(20, 40, 60, 120), corners=(50, 40, 80, 100, 50, 160, 20, 100))]


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
    assert complaints(tmp_path, line, _POSE) == [("1", detail)]


def test_a_turned_box_has_four_corners(tmp_path: Path) -> None:
    detail = "there are 7 values; expected 5 values (class, x, y, width, height) or 9 (class and four corners)"
    assert complaints(tmp_path, "0 .1 .1 .2 .2 .3 .1", "task: obb\nnames: [a]\n") == [("1", detail)]


def test_garbage_is_complained_about_a_hundred_times_at_most(tmp_path: Path) -> None:
    assert len(complaints(tmp_path, "x\n" * 100_000)) == 100


def test_a_broken_line_leaves_the_image_out_and_is_found_with_its_line(tmp_path: Path) -> None:
    roboflow(tmp_path)
    (tmp_path / "train/labels/a_jpg.rf.0123abcd.txt").write_text("0 .5 .5 .1 .1\n0 .5 .5 .1\n")
    report = inspect(tmp_path)
    message = finding(report, "broken_annotations")
    assert "train/labels/a_jpg.rf.0123abcd.txt:2: there are 4 values; expected 5" in message
    assert "train" not in report.images


def test_a_label_that_is_no_text_leaves_the_image_out(tmp_path: Path) -> None:
    roboflow(tmp_path)
    (tmp_path / "train/labels/a_jpg.rf.0123abcd.txt").write_bytes(b"\xff" + _BOXES.encode())
    assert "labels/a_jpg.rf.0123abcd.txt:1: it is no UTF-8" in finding(inspect(tmp_path), "broken_annotations")


def test_a_class_without_a_name_is_found_with_its_line(tmp_path: Path) -> None:
    roboflow(tmp_path)
    (tmp_path / "train/labels/a_jpg.rf.0123abcd.txt").write_text("0 .5 .5 .1 .1\n7 .5 .5 .1 .1\n")
    message = finding(inspect(tmp_path), "class_without_name")
    assert "train/labels/a_jpg.rf.0123abcd.txt:2: class 7" in message


def test_a_label_that_is_a_link_out_of_the_set_is_not_followed(tmp_path: Path) -> None:
    roboflow(tmp_path / "set")
    secret = tmp_path / "secret.txt"
    secret.write_text(_BOXES)
    label = tmp_path / "set/train/labels/a_jpg.rf.0123abcd.txt"
    label.unlink()
    label.symlink_to(secret)
    report = inspect(tmp_path / "set")
    assert "train" not in report.images
    assert str(secret) in finding(report, "outside_link")


# What kind of set it is


def kinds(root: Path, lines: str, description: str = _NAMES) -> set[str]:
    """What the objects have besides a box."""
    found = one(root, lines, description)
    assert not found.remarks
    known = [("outline", "polygons"), ("turned", "corners"), ("keypoints", "keypoints")]
    return {name for instance in found.instances for name, field in known if getattr(instance, field)}


_QUADRILATERAL = "0 0.1 0.1 0.9 0.15 0.8 0.7 0.2 0.5\n"
_UPRIGHT = "0 0.1 0.1 0.9 0.1 0.9 0.7 0.1 0.7\n"


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (_TURNED, {"turned"}),
        (_TURNED + _UPRIGHT * 9, {"turned"}),
        (_TURNED * 2 + _QUADRILATERAL, {"turned"}),
        (_UPRIGHT * 3, {"outline"}),  # boxes that a tool wrote as outlines
        (_TURNED + _UPRIGHT * 10, {"outline"}),
        (_QUADRILATERAL * 3, {"outline"}),
        (_TURNED + _QUADRILATERAL, {"outline"}),
        (_TURNED * 5 + "0 0.1 0.1 0.9 0.1 0.5 0.8\n", {"outline"}),
        (_TURNED + "0 .5 .5 .1 .1\n", {"turned"}),
        ("0 .5 .5 .1 .1\n", set()),
    ],
)
def test_nine_values_are_a_turned_box_where_all_say_so(tmp_path: Path, lines: str, kind: set[str]) -> None:
    assert kinds(tmp_path, lines) == kind


@pytest.mark.parametrize(("outlines", "kind"), [("", "turned"), ("0 .1 .1 .2 .2 .3 .1\n", "outline")])
def test_what_long_lines_mean_is_the_same_in_every_file(tmp_path: Path, outlines: str, kind: str) -> None:
    """Whichever is read first."""
    files = {f"images/{n}.jpg": "" for n in (1, 2, 3)} | {f"labels/{n}.txt": _TURNED for n in (1, 2)}
    lay(tmp_path, {"data.yaml": _NAMES, **files, "labels/3.txt": f"0 .5 .5 .1 .1\n{outlines}"})
    found = [candidate.annotate(100, 100) for candidate in candidates(tmp_path) if candidate.annotate]
    assert [bool(each.instances[0].corners) for each in found] == [kind == "turned"] * 2 + [False]


@pytest.mark.parametrize(("lines", "opened"), [("0 .5 .5 .1 .1\n", 4), ("0 .1 .1 .2 .2 .3 .1\n", 5), (_TURNED, 8)])
def test_no_label_is_read_twice_but_where_that_is_the_only_way_to_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, opened: int
) -> None:
    files = {f"images/{n}.jpg": "" for n in range(4)} | {f"labels/{n}.txt": lines for n in range(4)}
    lay(tmp_path, {"data.yaml": _NAMES, **files})
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
    assert kinds(tmp_path / "a", _TURNED, f"task: segment\n{_NAMES}") == {"outline"}
    assert kinds(tmp_path / "b", _QUADRILATERAL, f"task: obb\n{_NAMES}") == {"turned"}


# Names


def described(root: Path, description: str | bytes) -> Reading:
    lay(root, {"data.yaml": description, "images/1.jpg": "", "labels/1.txt": "0 .5 .5 .1 .1\n3 .5 .5 .1 .1\n"})
    return read(root)


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


def test_a_gap_between_names_is_called_by_its_number(tmp_path: Path) -> None:
    assert described(tmp_path, "names: {0: a, 2: c}").classes == ("a", "1", "c")
    assert details(tmp_path, "unnamed_classes") == ["class 1"]


def test_a_number_of_classes_that_contradicts_the_names_is_remarked(tmp_path: Path) -> None:
    assert described(tmp_path, "nc: 3\nnames: [a, b]").classes == ("a", "b")
    assert details(tmp_path, "contradiction") == ["nc is 3, but there are names for 2"]


def test_a_number_of_classes_will_do_without_names(tmp_path: Path) -> None:
    assert described(tmp_path, "nc: 2\ntrain: images").classes == ("0", "1")
    assert details(tmp_path, "unnamed_classes") == ["class 0", "class 1"]


def test_without_any_names_the_labels_say_how_many_classes_there_are(tmp_path: Path) -> None:
    lay(tmp_path, {"images/1.jpg": "", "labels/1.txt": "2 .5 .5 .1 .1\nx\n999999999 .5 .5 .1 .1\n", "images/2.jpg": ""})
    assert read(tmp_path).classes == ("0", "1", "2")
    assert details(tmp_path, "unnamed_classes") == ["class 0", "class 1", "class 2"]
    assert ("unnamed_classes", "labels") in remarks(tmp_path)


def test_an_empty_line_in_a_list_of_names_counts(tmp_path: Path) -> None:
    lay(tmp_path, {"classes.txt": "a\n\nc\n\n", "images/1.jpg": "", "labels/1.txt": _BOXES})
    assert read(tmp_path).classes == ("a", "1", "c")
    assert details(tmp_path, "unnamed_classes") == ["class 1"]


def test_data_yaml_goes_before_other_descriptions_and_lists(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "a.yaml": "names: [wrong]",
            "classes.txt": "wrong\n",
            "data.yaml": _NAMES,
            "images/1.jpg": "",
            "labels/1.txt": _BOXES,
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
            "set.yaml": _NAMES,
            "images/1.jpg": "",
            "labels/1.txt": _BOXES,
        },
    )
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("other_file", "broken.yaml"), ("other_file", "compose.yml")]


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
    lay(tmp_path, {name: description, "images/1.jpg": "", "labels/1.txt": _BOXES})
    assert ("unsupported_annotations", name) in remarks(tmp_path)
    assert ("other_file", name) not in remarks(tmp_path)
    expected = "expected names: a list of them, or a map from numbers to names"
    assert details(tmp_path, "unsupported_annotations") == [f"{found}; {expected}"]
    assert name in finding(inspect(tmp_path), "unsupported_annotations")


@pytest.mark.parametrize("others", [{"classes.txt": "cat\ndog\n"}, {"set.yaml": _NAMES}])
def test_a_data_yaml_that_describes_nothing_is_told_beside_what_does(tmp_path: Path, others: dict[str, str]) -> None:
    lay(tmp_path, {"data.yaml": "[]", **others, "images/1.jpg": "", "labels/1.txt": _BOXES})
    assert read(tmp_path).classes == ("cat", "dog")
    assert remarks(tmp_path) == [("unsupported_annotations", "data.yaml")]


def test_a_data_yaml_that_is_no_yaml_stops_the_import_whatever_lies_beside_it(tmp_path: Path) -> None:
    lay(tmp_path, {"data.yaml": "names: [cat", "set.yaml": _NAMES, "images/1.jpg": "", "labels/1.txt": _BOXES})
    report = inspect(tmp_path)
    assert "data.yaml:1: it is no plain YAML" in finding(report, "broken_annotations")
    assert "data.yaml" in report.ready_for("detection").missing[0]


def test_a_set_that_powershell_wrote_anew_is_read(tmp_path: Path) -> None:
    text = (_NAMES.encode("utf-16"), _BOXES.encode("utf-16"))
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
    lay(tmp_path / "source", {"data.yaml": _NAMES, "images/train/1.jpg": "", "labels/train/1.txt": _BOXES})
    root = written(tmp_path, tmp_path / "source")
    assert list((root / "images/val").iterdir()) == []
    content = yaml.safe_load((root / "data.yaml").read_text())
    assert (content["train"], content["val"], content.get("test")) == ("images/train", "images/val", None)


def test_an_object_without_outline_among_others_is_written_with_that_of_its_box(tmp_path: Path) -> None:
    """Ultralytics would take the four numbers of a box for two points."""
    lay(
        tmp_path / "source",
        {
            "data.yaml": _NAMES,
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


# Hostile


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_to_a_file_brings_the_reading_down(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    lay(
        root,
        {
            "data.yaml": f"train: train.txt\nval: images/val\nkpt_shape: [2, 3]\nkpt_names: {{0: [l, r]}}\n{_NAMES}",
            "train.txt": "images/train/1.jpg\n",
            "images/train/1.jpg": "",
            "labels/train/1.txt": "0 .5 .5 .1 .1 .5 .5 2 .5 .5 1\n1 .5 .5 .1 .1\n",
            "images/val/2.jpg": "",
            "labels/val/2.txt": _BOXES,
        },
    )
    victim = root / data.draw(st.sampled_from(["data.yaml", "train.txt", "labels/train/1.txt", "labels/val/2.txt"]))
    content = victim.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 12)))
    known = st.sampled_from(
        [b"nan", b"1e400", b"-1", b"[", b"{}", b"null", b"\0", b"\xff", b"..", b"9" * 5000, b"&a", b"*a", b"\r"]
    )
    victim.write_bytes(content[:start] + data.draw(known | st.binary(max_size=8)) + content[end:])
    assert inspect(root).findings
    if Yolo().matches(root):
        with suppress(Unreadable):
            for found in Yolo().read(root).found():
                if isinstance(found, Candidate) and found.annotate:
                    found.annotate(16, 16)
