"""COCO as its tools write it: every layout is recognised, every object found, and what is written loads elsewhere."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from coco_sets import (
    CATEGORIES,
    KEYPOINTS,
    POINTS,
    RUNS,
    SQUARE,
    WHERE,
    annotations,
    candidates,
    categories,
    codes,
    image,
    of_roboflow,
    one_file,
    only,
    roboflow,
    told,
    two_files,
    with_first,
    write_json,
    write_split,
)
from pycocotools import coco

from eyebright_kit.data.annotations import Skeleton
from eyebright_kit.data.conformance import Example, FormatConformance, store, stored_at, write_image
from eyebright_kit.data.convert import convert
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Candidate, Certainty
from eyebright_kit.data.formats.coco import Coco
from eyebright_kit.data.inspect import inspect
from eyebright_kit.data.version import prepare
from eyebright_wire.datasets import Split

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


# Images


def test_an_image_of_lvis_is_called_as_its_address_ends(tmp_path: Path) -> None:
    one_file(tmp_path, image(0, file_name=..., coco_url="http://images.cocodataset.org/train2017/1.png"))
    assert told(tmp_path) == set()
    assert len(annotations(tmp_path, "images/1.png").instances) == 2


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


def test_a_class_that_only_one_file_has_keeps_its_place(tmp_path: Path) -> None:
    two_files(tmp_path, train=categories((1, "cat"), (3, "dog")), val=categories((1, "cat"), (2, "bird"), (3, "dog")))
    assert Coco().read(tmp_path).classes == ("cat", "bird", "dog")
    assert codes(tmp_path) == set()


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


def test_a_name_that_could_mean_two_files_means_none(tmp_path: Path) -> None:
    one_file(tmp_path)
    for folder in ("a", "b"):
        write_image(tmp_path / folder / "1.png", 70)
        (tmp_path / "images" / "1.png").unlink(missing_ok=True)
    assert ("missing_image", f"{WHERE}:image 1", "1.png: 2 files are called so") in told(tmp_path)


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


def test_a_mark_of_byte_order_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    text = json.dumps(json.loads(path.read_text()), indent=1).replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert Coco().matches(tmp_path) == Certainty.SURE
    assert told(tmp_path) == set()
    assert len(candidates(tmp_path)) == 4


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_file_that_powershell_wrote_anew_is_read(tmp_path: Path, split: str, encoding: str) -> None:
    path = of_roboflow(tmp_path) / split / "_annotations.coco.json"
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"  # these write their own
    path.write_bytes((mark + path.read_text()).encode(encoding))
    assert told(tmp_path) == set()
    assert Counter(found.split for found in candidates(tmp_path).values()) == {Split.TRAIN: 4, Split.VAL: 3}
    assert len(annotations(tmp_path, f"{split}/{5 if split == 'valid' else 1}.png").instances) == 2


def test_a_list_whose_head_is_longer_than_the_glimpse_is_read(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    write_json(path, {**json.loads(path.read_text()), "info": {"licence": "x" * 200_000}})
    assert len(candidates(tmp_path)) == 4


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
