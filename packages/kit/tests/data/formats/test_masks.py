"""Masks in every layout that they are found in, and what their values mean."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from eyebright_kit.data.conformance import Example, FormatConformance, write_class_folders, write_image
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Candidate, Certainty, Reading, Remark, detect
from eyebright_kit.data.formats.masks import Masks
from eyebright_kit.data.inspect import inspect
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.version import prepare
from eyebright_wire.datasets import DatasetReport, Split

RED, GREEN, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 0)


def write_mask(path: Path, *values: int, size: int = 16) -> Path:
    """Stripes of these values."""
    return save(path, Image.frombytes("L", (size, size), bytes(values[x % len(values)] for x in range(size)) * size))


def write_coloured(path: Path, *colours: tuple[int, int, int], size: int = 16) -> Path:
    row = b"".join(bytes(colours[x % len(colours)]) for x in range(size))
    return save(path, Image.frombytes("RGB", (size, size), row * size))


def save(path: Path, image: Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


FLAVOURS = (
    frozenset({Feature.MASK}),
    frozenset({Feature.MASK, Feature.CLASS_ORDER}),
    frozenset({Feature.MASK, Feature.CLASS_ORDER, Feature.CLASS_NAMES}),
)


class TestMasks(FormatConformance):
    form = Masks()
    flavours = FLAVOURS

    def example(self, root: Path) -> Example:
        files = {"classes.txt"}
        for seed, (split, stem) in enumerate((("train", "a"), ("train", "b"), ("val", "c"))):
            write_image(root / "images" / split / f"{stem}.jpg", seed)
            write_mask(root / "masks" / split / f"{stem}.png", 0, 1, 2, 255)
            files.add(f"masks/{split}/{stem}.png")
        write(root / "classes.txt", "sky\nroad\ncar\n")
        return Example(("sky", "road", "car"), {Split.TRAIN: 2, Split.VAL: 1}, annotations=frozenset(files))


class TestMasksFromRoboflow(FormatConformance):
    form = Masks()

    def example(self, root: Path) -> Example:
        files: set[str] = set()
        for seed, (split, stem) in enumerate(
            (("train", "a_jpg.rf.0"), ("train", "b_jpg.rf.1"), ("valid", "c_jpg.rf.2"))
        ):
            write_image(root / split / f"{stem}.jpg", seed)
            write_mask(root / split / f"{stem}_mask.png", 0, 1)
            write(root / split / "_classes.csv", "Pixel Value, Class\n0, background\n1, leaf\n")
            files |= {f"{split}/{stem}_mask.png", f"{split}/_classes.csv"}
        return Example(("background", "leaf"), {Split.TRAIN: 2, Split.VAL: 1}, annotations=frozenset(files))


class TestMasksFromCvat(FormatConformance):
    form = Masks()

    def example(self, root: Path) -> Example:
        lists = "ImageSets/Segmentation"
        files = {"labelmap.txt", f"{lists}/train.txt", f"{lists}/val.txt"}
        for seed, stem in enumerate("abc"):
            write_image(root / "JPEGImages" / f"{stem}.png", seed)
            write_coloured(root / "SegmentationClass" / f"{stem}.png", BLACK, RED, (224, 224, 192))
            files.add(f"SegmentationClass/{stem}.png")
        write(root / lists / "train.txt", "a\nb\n")
        write(root / lists / "val.txt", "c\n")
        write(root / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\nwall:255,0,0::\n")
        return Example(("background", "wall"), {Split.TRAIN: 2, Split.VAL: 1}, annotations=frozenset(files))


class TestMasksOfCamVid(FormatConformance):
    form = Masks()

    def example(self, root: Path) -> Example:
        files = {"class_dict.csv"}
        for seed, (split, stem) in enumerate((("train", "s_1"), ("train", "s_2"), ("val", "s_3"))):
            write_image(root / split / f"{stem}.png", seed)
            write_coloured(root / f"{split}_labels" / f"{stem}_L.png", RED, GREEN)
            files.add(f"{split}_labels/{stem}_L.png")
        write(root / "class_dict.csv", "name,r,g,b\nAnimal,255,0,0\nArchway,0,255,0\n")
        return Example(("Animal", "Archway"), {Split.TRAIN: 2, Split.VAL: 1}, annotations=frozenset(files))


def read(root: Path) -> Reading:
    return Masks().read(root)


def remarks(root: Path) -> list[tuple[str, str]]:
    found = [(f.code, f.path.relative_to(root).as_posix()) for f in read(root).found() if isinstance(f, Remark)]
    return sorted(found)


def samples(root: Path, work: Path) -> dict[str, Sample]:
    return {sample.source.rpartition("/")[2]: sample for sample in prepare(root, work=work).manifest.samples()}


def codes(report: DatasetReport) -> dict[str, int]:
    return {found.code: found.count for found in report.findings}


def detail(report: DatasetReport, code: str) -> str:
    return next(found.message for found in report.findings if found.code == code)


# Layouts


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/train/1.jpg", "masks/train/1.png"),
        ("images/training/1.jpg", "annotations/training/1.png"),
        ("train/images/1.jpg", "train/labels/1.png"),
        ("img_dir/train/1.jpg", "ann_dir/train/1.png"),
        ("leftImg8bit/train/a/a_1_leftImg8bit.png", "gtFine/train/a/a_1_gtFine_labelIds.png"),
        ("train/1.png", "trainannot/1.png"),
        ("train/1.tif", "train/1_mask.tif"),
        ("train/1.jpg", "train_masks/1_mask.gif"),
        ("my set/v1/train/images/1.jpg", "my set/v1/train/masks/1.png"),
        ("segmentation/images/train/1.jpg", "segmentation/masks/train/1.png"),
        ("train/1_sat.jpg", "train/1_mask.png"),
        ("train/img/1.jpg", "train/masks_machine/1.png"),
        ("train/images/1.jpg", "train/annotations/trimaps/1.png"),
        ("train/images/1.jpg", "train/masks/1.jpg.png"),
        ("train/my_images/1.jpg", "train/my_masks/1.png"),
        ("train/X_Input/ISIC_1.jpg", "train/X_GroundTruth/ISIC_1_segmentation.png"),
    ],
)
def test_an_image_and_its_mask_meet_wherever_they_lie(tmp_path: Path, image: str, mask: str) -> None:
    write_image(tmp_path / image, 1)
    write_mask(tmp_path / mask, 0, 1)
    (candidate,) = [found for found in read(tmp_path).found() if isinstance(found, Candidate)]
    assert candidate.path == tmp_path / image
    assert candidate.split == Split.TRAIN
    assert candidate.annotate
    found = candidate.annotate(16, 16).mask
    assert found
    assert found.path == tmp_path / mask
    form = detect(tmp_path)
    assert form
    assert form.name == "masks"


def test_a_mask_of_the_very_name_goes_before_one_with_an_end(tmp_path: Path) -> None:
    for seed, stem in enumerate(("1", "1_L")):
        write_image(tmp_path / "images" / f"{stem}.jpg", seed)
        write_mask(tmp_path / "masks" / f"{stem}.png", seed)
    found = {
        c.path.stem: c.annotate(16, 16).mask for c in read(tmp_path).found() if isinstance(c, Candidate) and c.annotate
    }
    assert {stem: mask.path.stem for stem, mask in found.items() if mask} == {"1": "1", "1_L": "1_L"}


def test_what_has_no_counterpart_is_told(tmp_path: Path) -> None:
    for stem in ("a", "b", "c"):
        write_image(tmp_path / "images" / f"{stem}.jpg", ord(stem))
    for stem in ("a", "b", "lost"):
        write_mask(tmp_path / "masks" / f"{stem}.png", 0, 1)
    write(tmp_path / "classes.txt", "x\ny\n")
    assert remarks(tmp_path) == [("orphan_annotations", "masks/lost.png")]
    assert codes(inspect(tmp_path))["missing_mask"] == 1


def test_pictures_of_single_objects_are_neither_images_nor_masks(tmp_path: Path) -> None:
    TestMasksFromCvat().example(tmp_path)
    write_coloured(tmp_path / "SegmentationObject" / "a.png", RED)
    assert remarks(tmp_path) == [("unsupported_annotations", "SegmentationObject/a.png")]


def write_cityscapes(root: Path, *further: str) -> None:
    """With what else lies beside each mask."""
    for split, stem in (("train", "a_1"), ("val", "b_1")):
        write_image(root / "leftImg8bit" / split / f"{stem}_leftImg8bit.png", ord(stem[0]))
        write_mask(root / "gtFine" / split / f"{stem}_gtFine_labelIds.png", 0, 7)
        for name in further:
            write_coloured(root / "gtFine" / split / f"{stem}_gtFine_{name}.png", RED, GREEN)


def test_only_what_masks_of_images_hold_are_classes(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, "color", "instanceIds", "labelTrainIds")
    write_mask(tmp_path / "gtFine" / "train" / "lost_gtFine_labelIds.png", 200)
    report = inspect(tmp_path)
    assert report.classes == ("0", "7")
    assert "2 masks hold 0, 7" in detail(report, "unnamed_classes")


def test_pictures_beside_a_mask_are_told_as_what_they_are(tmp_path: Path) -> None:
    write_cityscapes(tmp_path, "color", "instanceIds", "labelTrainIds")
    write_mask(tmp_path / "gtFine" / "train" / "lost_gtFine_labelIds.png", 200)
    unnamed = "unnamed_classes"
    found = [found for found in read(tmp_path).found() if isinstance(found, Remark) and found.code != unnamed]
    assert {(f.code, f.path.stem.rpartition("_")[2], f.detail) for f in found if "lost" not in f.path.name} == {
        ("unsupported_annotations", "color", "pictures of single objects, or for people, are not read"),
        ("unsupported_annotations", "instanceIds", "pictures of single objects, or for people, are not read"),
        ("unsupported_annotations", "labelTrainIds", "another mask of the same image is read"),
    }
    assert [f.code for f in found if "lost" in f.path.name] == ["orphan_annotations"]


def test_masks_that_supervisely_paints_for_people_are_no_images(tmp_path: Path) -> None:
    for stem in "ab":
        write_image(tmp_path / "ds" / "img" / f"{stem}.jpg", ord(stem))
        write_mask(tmp_path / "ds" / "masks_machine" / f"{stem}.png", 0, 1)
        write_coloured(tmp_path / "ds" / "masks_human" / f"{stem}.png", RED, GREEN)
    assert {code for code, _ in remarks(tmp_path)} == {"unsupported_annotations", "binary_masks"}
    assert inspect(tmp_path).images == {"train": 1, "val": 1}


def test_a_list_of_images_leaves_out_what_is_not_on_it(tmp_path: Path) -> None:
    TestMasksFromCvat().example(tmp_path)
    write(tmp_path / "ImageSets" / "Segmentation" / "val.txt", "gone\n")
    assert remarks(tmp_path) == [
        ("missing_image", "ImageSets/Segmentation/val.txt"),
        ("unlisted_image", "JPEGImages/c.png"),
    ]


@pytest.mark.parametrize("classes", [("with_mask", "without_mask"), ("mask", "no_mask"), ("images", "labels")])
def test_class_folders_that_are_called_like_masks_are_class_folders(tmp_path: Path, classes: tuple[str, str]) -> None:
    write_class_folders(tmp_path, {"train": {classes[0]: 2}, "val": {classes[1]: 2}})
    assert Masks().matches(tmp_path) == Certainty.NO


# What values mean


def test_without_a_list_the_values_that_occur_in_any_mask_are_the_classes(tmp_path: Path) -> None:
    for stem, values in (("a", (0, 3)), ("b", (0, 7, 255))):
        write_image(tmp_path / "images" / f"{stem}.jpg", ord(stem))
        write_mask(tmp_path / "masks" / f"{stem}.png", *values)
    report = inspect(tmp_path)
    assert report.classes == ("0", "3", "7")
    assert codes(report)["unnamed_classes"] == 1
    assert "2 masks hold 0, 3, 7" in detail(report, "unnamed_classes")
    assert {name: s.mask.classes for name, s in samples(tmp_path, tmp_path.parent / "w").items() if s.mask} == {
        "a.jpg": (0, 1),
        "b.jpg": (0, 2),
    }


@pytest.mark.parametrize(("values", "high"), [((0, 255), 255), ((0, 1), 1)])
def test_two_values_without_a_list_are_background_and_foreground(
    tmp_path: Path, values: tuple[int, int], high: int
) -> None:
    for seed, stem in enumerate("ab"):
        write_image(tmp_path / "images" / f"{stem}.jpg", seed)
        write_mask(tmp_path / "masks" / f"{stem}.png", *values)
    report = inspect(tmp_path)
    assert report.classes == ("background", "foreground")
    assert f"hold 0 and {high} only" in detail(report, "binary_masks")
    assert {s.mask.classes for s in samples(tmp_path, tmp_path.parent / "w").values() if s.mask} == {(0, 1)}


def test_black_and_white_under_a_list_of_two_names_are_the_two(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg", 1)
    write_mask(tmp_path / "masks" / "a.png", 0, 255)
    write(tmp_path / "classes.txt", "ground\nroof\n")
    assert "0 is ground, 255 is roof" in detail(inspect(tmp_path), "binary_masks")
    (sample,) = samples(tmp_path, tmp_path.parent / "w").values()
    assert sample.mask
    assert sample.mask.classes == (0, 1)


def test_a_list_with_values_is_believed_though_only_its_first_class_occurs(tmp_path: Path) -> None:
    """The second is rare, and 255 is what nobody knows."""
    write_image(tmp_path / "images" / "a.jpg", 1)
    write_mask(tmp_path / "masks" / "a.png", 0, 255)
    write(tmp_path / "_classes.csv", "Pixel Value, Class\n0, ground\n1, roof\n")
    (sample,) = samples(tmp_path, tmp_path.parent / "w").values()
    assert sample.mask
    assert sample.mask.classes == (0,)


def test_a_list_may_name_the_value_255(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg", 1)
    write_mask(tmp_path / "masks" / "a.png", 0, 255)
    write(tmp_path / "_classes.csv", "Pixel Value,Class\n0,ground\n255,roof\n")
    (sample,) = samples(tmp_path, tmp_path.parent / "w").values()
    assert sample.mask
    assert sample.mask.classes == (0, 1)


def test_numbers_and_names_in_json_are_a_list(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg", 1)
    write_mask(tmp_path / "masks" / "a.png", 0, 10)
    write(tmp_path / "id2label.json", '{"10": "roof", "0": "ground"}')
    assert read(tmp_path).classes == ("ground", "roof")
    assert remarks(tmp_path) == []


def test_colours_without_a_list_are_called_as_on_the_web(tmp_path: Path) -> None:
    for stem, colours in (("a", (BLACK, RED)), ("b", (BLACK,))):
        write_image(tmp_path / "images" / f"{stem}.jpg", ord(stem))
        write_coloured(tmp_path / "masks" / f"{stem}.png", *colours)
    assert read(tmp_path).classes == ("#000000", "#ff0000")
    assert [s.mask.classes for s in samples(tmp_path, tmp_path.parent / "w").values() if s.mask] == [(0, 1), (0,)]


def test_labelmes_ignored_class_is_what_nobody_knows(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg", 1)
    write_mask(tmp_path / "masks" / "a.png", 0, 1, 255)
    write(tmp_path / "labels.txt", "__ignore__\n_background_\ncat\n")
    assert read(tmp_path).classes == ("_background_", "cat")
    (sample,) = samples(tmp_path, tmp_path.parent / "w").values()
    assert sample.mask
    assert sample.mask.classes == (0, 1)


def test_a_value_that_the_list_lacks_leaves_the_image_out(tmp_path: Path) -> None:
    TestMasks().example(tmp_path)
    write_mask(tmp_path / "masks" / "train" / "a.png", 0, 9)
    report = inspect(tmp_path)
    assert "masks/train/a.png: its value 9 has no class" in detail(report, "broken_mask")
    assert report.images == {"train": 1, "val": 1}


def test_masks_saved_as_jpeg_are_refused_with_the_reason(tmp_path: Path) -> None:
    for seed, stem in enumerate("ab"):
        write_image(tmp_path / "images" / f"{stem}.png", seed)
        write_image(tmp_path / "masks" / f"{stem}.jpg", seed + 9)
    report = inspect(tmp_path)
    assert report.format == "masks"
    assert codes(report)["broken_mask"] == 2
    assert "masks/a.jpg: it is a JPEG" in detail(report, "broken_mask")


# Lists that cannot be understood


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("class_dict.csv", "name,r,g,b\ncat,1,2\n", "class_dict.csv:2"),
        ("class_dict.csv", "name,r,g,b\ncat,1,2,256\n", "class_dict.csv:2"),
        ("class_dict.csv", "name,r,g,b\ncat,1,2,1e1\n", "class_dict.csv:2"),
        ("class_dict.csv", "name,r,g,b\ncat,1,2,3\ndog,1,2,3\n", "the same value or colour"),
        ("class_dict.csv", 'name,r,g,b\n"cat,1,2,3\n', "class_dict.csv"),
        ("_classes.csv", "Pixel Value, Class\n-1, cat\n", "_classes.csv:2"),
        ("labelmap.txt", "cat:1,2,999::\n", "labelmap.txt:1"),
        ("labelmap.txt", "cat\n", "labelmap.txt:1"),
        ("classes.txt", "cat\n\ncat\n", "classes.txt:3"),
        ("classes.txt", "\n".join(map(str, range(256))), "256 classes"),
        ("id2label.json", '{"999": "cat"}', "no value of a pixel"),
        ("id2label.json", '{"0": 5}', "id2label.json"),
        ("id2label.json", "[" * 100_000, "id2label.json"),
    ],
)
def test_a_list_that_cannot_be_understood_is_named(tmp_path: Path, name: str, text: str, where: str) -> None:
    write_image(tmp_path / "images" / "a.jpg", 1)
    write_mask(tmp_path / "masks" / "a.png", 0, 1)
    write(tmp_path / name, text)
    report = inspect(tmp_path)
    assert report.format == "masks"
    assert codes(report) == {"broken_annotations": 1}
    assert where in report.findings[0].message


def test_lists_that_say_different_things_are_named(tmp_path: Path) -> None:
    TestMasksFromRoboflow().example(tmp_path)
    write(tmp_path / "valid" / "_classes.csv", "Pixel Value, Class\n0, background\n1, stem\n")
    (found,) = inspect(tmp_path).findings
    assert "valid/_classes.csv: it says something else than train/_classes.csv" in found.message


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["class_dict.csv", "_classes.csv", "labelmap.txt", "classes.txt", "id2label.json"]),
    text=st.one_of(
        st.binary(max_size=60),
        st.text('name,rgb0129\n":#{} é', max_size=60).map(str.encode),
        st.sampled_from([b"name,r,g,b\na,0,0,0\n", b"Pixel Value, Class\n0, a\n1, b\n", b"a:0,0,0::\n"]),
    ),
)
def test_whatever_a_list_says_there_is_a_report(tmp_path: Path, name: str, text: bytes) -> None:
    root = tmp_path / "set"
    write_image(root / "images" / "a.jpg", 1)
    write_mask(root / "masks" / "a.png", 0, 1)
    for old in root.iterdir():
        if old.is_file():
            old.unlink()
    (root / name).write_bytes(text)
    assert inspect(root).format
