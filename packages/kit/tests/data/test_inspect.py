"""The verdict is exact, and nothing that training would not use goes unmentioned."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from eyebright_kit.data.annotations import Instance, Mask
from eyebright_kit.data.conformance import write_class_folders, write_image
from eyebright_kit.data.findings import BROKEN, CATALOGUE, EXAMPLES, Findings
from eyebright_kit.data.format import Reading, formats
from eyebright_kit.data.inspect import Rules, inspect
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.readiness import CONDITIONS, Evidence, readiness
from eyebright_kit.data.tally import Tally
from eyebright_wire.datasets import DatasetPlan, DatasetReport, Finding, Fix, Severity, Split, SplitPlan

LEFT_OUT = Rules(leave_out_broken=True)


def missing(root: Path, rules: Rules | None = None, plan: DatasetPlan | None = None) -> tuple[str, ...]:
    verdict = inspect(root, rules=rules, plan=plan).ready_for("classification")
    assert verdict.ready == (not verdict.missing)
    return verdict.missing


def finding(report: DatasetReport, code: str) -> Finding:
    return next(found for found in report.findings if found.code == code)


def told(report: DatasetReport) -> tuple[Finding, ...]:
    """All findings but that the sets of these tests are small."""
    return tuple(found for found in report.findings if found.code != "few_samples")


def codes(report: DatasetReport) -> dict[str, int]:
    return {found.code: found.count for found in told(report)}


def test_a_sound_data_set_is_ready_without_a_word(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 4, "dogs": 3}, "val": {"cats": 1, "dogs": 2}, "test": {"cats": 1}})
    report = inspect(tmp_path)
    assert report.ready_for("classification").ready
    assert told(report) == ()
    assert report.format == "imagefolder"
    assert report.classes == ("cats", "dogs")
    assert report.images == {"train": 7, "val": 3, "test": 1}
    assert report.images_per_class == {
        "train": {"cats": 4, "dogs": 3},
        "val": {"cats": 1, "dogs": 2},
        "test": {"cats": 1, "dogs": 0},
    }
    assert report.size_bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.png"))


def test_a_task_that_class_folders_cannot_teach_is_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 2, "dogs": 2}})
    assert inspect(tmp_path).ready_for("detection").missing == ("imagefolder data cannot serve detection",)


def test_class_folders_that_are_to_teach_a_lora_are_told_what_it_needs(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 2, "dogs": 2}})
    (told,) = inspect(tmp_path).ready_for("text_to_image").missing
    assert told.startswith(
        "imagefolder data cannot serve text_to_image: it tells classes (cats, dogs), and a LoRA learns from"
    )
    (flat := tmp_path / "as-told").mkdir()
    for number, image in enumerate(tmp_path.glob("*s/*.png")):
        image.rename(flat / f"{number}.png")
    assert inspect(flat).ready_for("text_to_image").ready


# What blocks


FOLDERS = "one folder per class, such as cats/1.jpg and dogs/1.jpg, alone or inside train/, val/ and test/"


def test_one_class_is_too_few(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3}})
    assert missing(tmp_path) == (f"train/ has 1 class folder (cats); classification needs 2 or more: {FOLDERS}",)


@pytest.mark.parametrize("splits", [{"": {"cats": 3}}, {"cats": {"train": 2, "val": 1}}])
def test_one_class_without_a_train_folder_is_too_few(tmp_path: Path, splits: dict[str, dict[str, int]]) -> None:
    write_class_folders(tmp_path, splits)
    assert missing(tmp_path) == (f"the data set has 1 class folder (cats); classification needs 2 or more: {FOLDERS}",)


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 0, "emus": 2}, "val": {"cats": 1, "emus": 1}})
    assert missing(tmp_path) == ("train/dogs/ is empty; add images, or remove the folder",)


def test_a_class_folder_with_nothing_but_a_readme_is_empty(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 0, "emus": 3}})
    (tmp_path / "dogs" / "README.txt").write_text("to be filled")
    assert missing(tmp_path) == ("dogs/ is empty; add images, or remove the folder",)


def test_many_empty_class_folders_are_one_sentence(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"full": 2, "other": 2, **dict.fromkeys("abcdefgh", 0)}})
    assert missing(tmp_path) == ("a/, b/, c/, d/, e/ and 3 more are empty; add images, or remove the folders",)


def test_two_empty_class_folders_are_joined_by_and(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"full": 2, "other": 2, "a": 0, "b": 0}})
    assert missing(tmp_path) == ("a/ and b/ are empty; add images, or remove the folders",)


def test_a_class_of_which_no_file_can_be_used_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3, "emus": 1}, "val": {"cats": 1, "dogs": 1}})
    (tmp_path / "train" / "emus" / "0.png").write_text("not an emu")
    assert missing(tmp_path, LEFT_OUT) == (
        "no file in train/emus/ can be used; the findings say why; add images, or remove the folder",
    )


def test_a_class_that_is_only_validated_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3}, "val": {"cats": 1, "dogs": 1, "emus": 1}})
    assert missing(tmp_path) == (
        "emus has no folder in train/ but one in another split; add training images, or remove the folder",
    )


def test_an_empty_folder_has_no_image(tmp_path: Path) -> None:
    report = inspect(tmp_path)
    assert report.format == "unknown"
    assert report.ready_for("classification").missing == (
        "no image was found; expected one folder per class, such as cats/1.jpg and dogs/1.jpg, "
        "alone or inside train/, val/ and test/; for text to image (LoRA), images side by side: 1.jpg beside 1.txt, "
        "folders such as 10_sks dog/, or a captions.jsonl; or one of the layouts of coco, cvat, datumaro, labelme, masks, "
        "metadata, voc, yolo",
    )


def test_class_folders_without_any_image_have_no_image(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 0, "dogs": 0}})
    assert missing(tmp_path)[0].startswith("no image was found; expected one folder per class")


def test_images_without_class_folders_are_told_where_to_go(tmp_path: Path) -> None:
    for n in range(3):
        write_image(tmp_path / f"{n}.jpg", n)
    assert missing(tmp_path) == (
        "no image has a class; classification needs one folder per class, such as cats/1.jpg and dogs/1.jpg; text to image "
        "needs no class, but a caption for each image: a text beside it (1.txt beside 1.jpg) or a captions.jsonl",
    )
    assert inspect(tmp_path).ready_tasks == ("text_to_image",)


def test_a_set_that_has_captions_is_not_told_what_they_are(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg", 1)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.jpg", "text": "a dog"}')
    assert missing(tmp_path) == (
        "no image has a class; classification needs one folder per class, such as cats/1.jpg and dogs/1.jpg",
    )


def test_a_data_set_of_which_nothing_can_be_used_points_to_the_findings(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    for path in tmp_path.rglob("*.png"):
        path.write_text("oh no")
    assert missing(tmp_path) == ("none of the 2 files where images belong can be used; the findings say why",)


def forbid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It exists and may not be listed, also when the tests are run by root."""
    scandir = os.scandir

    def forbidding(path: Path | int) -> object:
        if str(path) == str(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)


def by_lists(**lists: tuple[str, ...]) -> DatasetPlan:
    return DatasetPlan(splits=SplitPlan(lists={Split(split): names for split, names in lists.items()}))


def test_a_class_that_the_plan_keeps_from_training_is_told_as_that(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"birds": 10, "cats": 3, "dogs": 3}})
    assert missing(tmp_path, plan=by_lists(val=("birds/*",))) == (
        "birds has 10 images, but none in train; change the split",
    )


def test_a_class_of_a_source_with_splits_that_the_plan_keeps_from_training_is_told_as_that(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3, "emus": 1}})
    assert missing(tmp_path, plan=by_lists(test=("train/emus/*",))) == (
        "emus has 1 image, but none in train; change the split",
    )


def test_a_plan_that_puts_no_image_into_train_is_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 3}})
    assert missing(tmp_path, plan=by_lists(val=("cats/*",), test=("dogs/*",))) == (
        "all 6 images are in val and test and none is in train; training needs images there; change the split",
    )


def test_a_plan_without_validation_is_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 3}})
    shares = {Split.TRAIN: 0.5, Split.TEST: 0.5}
    assert missing(tmp_path, plan=DatasetPlan(splits=SplitPlan(shares=shares))) == (
        "the plan leaves no image to validate on; change the split",
    )


def test_a_plan_that_drops_every_class_is_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 3}})
    assert missing(tmp_path, plan=DatasetPlan(drop=("cats", "dogs"))) == (
        "the plan drops every class; keep two or more",
    )


def test_a_plan_that_leaves_one_class_is_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3}})
    (sentence,) = missing(tmp_path, plan=DatasetPlan(drop=("cats",)))
    assert sentence == "the plan leaves 1 class (dogs); classification needs 2 or more"


def test_a_class_that_the_plan_leaves_out_is_told_as_that(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3, "emus": 1}, "val": {"cats": 1}})
    shutil.copytree(tmp_path / "train" / "emus", tmp_path / "val" / "emus")
    assert missing(tmp_path, plan=DatasetPlan(fix=(Fix.LEAKED_IMAGES,))) == (
        "no file in train/emus/ can be used; the plan leaves them out, as the list of changes tells; "
        "add images, or remove the folder",
    )


@pytest.mark.parametrize("split", ["", "train"])
def test_a_class_folder_that_cannot_be_read_is_not_called_empty(
    tmp_path: Path, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class_folders(tmp_path, {split: {"cats": 3, "dogs": 3, "emus": 3}})
    place = f"{split}/dogs".lstrip("/")
    forbid(tmp_path / place, monkeypatch)
    assert missing(tmp_path, LEFT_OUT) == (f"{place}/ could not be read; check the permissions, or remove the folder",)


def test_validation_without_training_is_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"val": {"cats": 2, "dogs": 2}, "test": {"cats": 1}})
    assert missing(tmp_path) == (
        "there is val/ and test/ but no train/; add one, or put the class folders side by side without splits",
    )


def test_an_empty_train_folder_is_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 0}, "val": {"cats": 2, "dogs": 2}})
    assert missing(tmp_path) == ("train/ has no usable image: it is empty; training needs images there",)


def test_classes_of_one_image_leave_nothing_to_validate_on(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    assert told(inspect(tmp_path)) == ()
    assert missing(tmp_path) == (
        "no image can be held back for validation, because no class has two different ones; "
        "add images, or a val/ folder beside train/",
    )


# Files that mean to be images and cannot be used


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3}, "val": {"cats": 1, "dogs": 1}})


def test_a_text_called_jpg_blocks_with_the_way_out(sound: Path) -> None:
    (sound / "train" / "cats" / "notes.jpg").write_text("dear diary")
    assert missing(sound) == (
        "train/cats/notes.jpg is named like an image but is none: it is text; "
        "remove or replace it, or import again leaving such files out (leave_out_broken)",
    )
    assert told(inspect(sound)) == (
        Finding(
            code="not_an_image",
            severity=Severity.ERROR,
            message="a file is named like an image but is none (train/cats/notes.jpg: it is text)",
            examples=("train/cats/notes.jpg",),
            consequence="not used for training",
        ),
    )


def test_a_text_called_jpg_that_is_left_out_is_a_warning(sound: Path) -> None:
    (sound / "train" / "cats" / "notes.jpg").write_text("dear diary")
    report = inspect(sound, rules=LEFT_OUT)
    assert report.ready_for("classification").ready
    assert report.images["train"] == 6
    (strict,) = told(inspect(sound))
    assert told(report) == (strict.model_copy(update={"severity": Severity.WARNING}),)


def test_a_huge_picture_blocks_with_its_size_and_the_limit(sound: Path) -> None:
    Image.new("1", (14_000, 14_000)).save(sound / "train" / "cats" / "poster.png")
    assert missing(sound) == (
        "train/cats/poster.png has more pixels than is accepted: 14000×14000 is 196 megapixels, the limit is 64; "
        "remove or replace it, or import again leaving such files out (leave_out_broken)",
    )
    found = finding(inspect(sound), "image_too_large")
    assert "train/cats/poster.png: 14000×14000 is 196 megapixels, the limit is 64" in found.message
    assert found.consequence == "not used for training; scale down or cut into tiles to use them"
    assert missing(sound, LEFT_OUT) == ()


# Links and other things that are no plain files


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_class_folders(tmp_path_factory.mktemp("elsewhere"), {"": {"foxes": 2}}) / "foxes"


def test_a_link_to_an_image_outside_blocks_with_the_way_out(sound: Path, elsewhere: Path) -> None:
    (sound / "train" / "cats" / "link.png").symlink_to(elsewhere / "0.png")
    assert missing(sound) == (
        f"train/cats/link.png is a link out of the data set: it leads to {elsewhere}/0.png; "
        "remove or replace it, or import again leaving such files out (leave_out_broken); "
        "to use what it leads to, copy that in (cp -RL copies a folder with what its links lead to)",
    )
    assert finding(inspect(sound), "outside_link").severity == Severity.ERROR
    assert inspect(sound, rules=LEFT_OUT).images["train"] == 6


def test_a_link_to_a_folder_outside_blocks_and_is_not_entered(sound: Path, elsewhere: Path) -> None:
    (sound / "train" / "cats" / "more").symlink_to(elsewhere)
    (sound / "train" / "root").symlink_to("/")
    assert codes(inspect(sound)) == {"outside_link": 2}
    assert "(and 1 more file cannot be used)" in missing(sound)[0]
    assert inspect(sound).images["train"] == 6


def test_a_link_to_an_image_inside_is_that_image(sound: Path) -> None:
    (sound / "train" / "cats" / "link.png").symlink_to("0.png")
    assert codes(inspect(sound)) == {"duplicate_images": 1}


@pytest.mark.parametrize("layout", ["all", "train"])
def test_a_data_set_of_nothing_but_links_out_says_so(tmp_path: Path, elsewhere: Path, layout: str) -> None:
    folder = tmp_path if layout == "all" else tmp_path / "train"
    folder.mkdir(exist_ok=True)
    for name in ("cats", "dogs"):
        (folder / name).symlink_to(elsewhere)
    assert "/cats is a link out of the data set: it leads to" in "/" + missing(tmp_path)[0]


def test_a_link_to_nothing_that_means_to_be_an_image_blocks(sound: Path) -> None:
    (sound / "train" / "cats" / "gone.png").symlink_to("nothing.png")
    assert f"could not be read: it leads to {sound}/train/cats/nothing.png, which is not there" in missing(sound)[0]


@pytest.mark.timeout(20)
def test_a_pipe_called_jpg_blocks_the_import_and_does_not_hang_it(sound: Path) -> None:
    os.mkfifo(sound / "train" / "cats" / "pipe.jpg")
    assert "pipe.jpg is named like an image but is none: it is a pipe, a socket or a device" in missing(sound)[0]


@pytest.mark.parametrize(
    ("texts", "empty", "said"),
    [
        (
            1,
            1,
            " is named like an image but is none: it is text (and 1 more file cannot be used); remove or replace them",
        ),
        (
            2,
            2,
            " is named like an image but is none: it is text (and 3 more files cannot be used); remove or replace them",
        ),
        (0, 3, " is empty (and 2 more files cannot be used); remove or replace them"),
    ],
)
def test_many_broken_files_are_one_sentence(sound: Path, texts: int, empty: int, said: str) -> None:
    for n in range(texts):
        (sound / "train" / "cats" / f"a{n}.jpg").write_text("text")
    for n in range(empty):
        (sound / "val" / "dogs" / f"b{n}.jpg").write_bytes(b"")
    (sentence,) = missing(sound)
    assert sentence.startswith(("train/cats/a0.jpg" if texts else "val/dogs/b0.jpg") + said)
    assert missing(sound, LEFT_OUT) == ()


def test_broken_files_are_told_together_with_what_else_is_missing(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3}})
    (tmp_path / "train" / "cats" / "x.jpg").write_bytes(b"")
    assert [sentence.split("; ")[0] for sentence in missing(tmp_path)] == [
        "train/cats/x.jpg is empty",
        "train/ has 1 class folder (cats)",
    ]


def good_for_all(split: Split, label: int) -> Sample:
    """An image that teaches every task."""
    instance = Instance(
        label=label,
        box=(0, 0, 4, 4),
        polygons=((0, 0, 4, 0, 4, 4),),
        keypoints=(1, 1, 2),
        corners=(0, 0, 4, 0, 4, 4, 0, 4),
    )
    mask = Mask(sha256="0" * 64, size_bytes=1, classes=(0, 1))
    facts = {"sha256": "0" * 64, "extension": "png", "size_bytes": 1, "width": 8, "height": 8}
    return Sample(**facts, split=split, label=label, instances=(instance,), mask=mask, caption="a")


@pytest.mark.parametrize("code", BROKEN)
def test_each_kind_of_broken_file_blocks_every_task(code: str) -> None:
    """Judged by the findings alone: a file that nobody may read cannot be made where the tests run as root."""
    findings = Findings()
    findings.add(code, "cats/x.jpg")
    reading = Reading(("cats", "dogs"), lambda: iter(()))
    tally = Tally()
    for split in (Split.TRAIN, Split.VAL):
        for label in (0, 1):
            tally.add(good_for_all(split, label))
    for task in CONDITIONS:
        strict = readiness(task, Evidence(reading, "", reading.classes, Counter(), tally, findings, DatasetPlan()))
        assert strict.missing[0].startswith(f"cats/x.jpg {BROKEN[code]}; remove or replace it")
        assert readiness(
            task, Evidence(reading, "", reading.classes, Counter(), tally, findings, DatasetPlan(), True)
        ).ready
    assert findings.all()[0].severity == Severity.ERROR
    assert findings.all(leave_out_broken=True)[0].severity == Severity.WARNING


def test_the_errors_of_the_catalogue_are_the_broken_files() -> None:
    assert {code for code, kind in CATALOGUE.items() if kind.severity == Severity.ERROR} == set(BROKEN)


# What never blocks


def test_metadata_that_pillow_warns_of_is_nobodys_concern(tmp_path: Path) -> None:
    """The index of a second picture is broken; the first is sound. Here every warning that gets out is an error."""
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3}, "val": {"cats": 1, "dogs": 1}}, extension="jpg")
    path = tmp_path / "train" / "cats" / "0.jpg"
    path.write_bytes(path.read_bytes()[:2] + b"\xff\xe2\x00\x0eMPF\x00nonsense" + path.read_bytes()[2:])
    report = inspect(tmp_path)
    assert told(report) == ()
    assert report.images["train"] == 6


def test_examples_carry_the_path_in_the_source_with_its_wrapping(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "photos", {"": {"cats": 3, "dogs": 3}})
    (tmp_path / "photos" / "cats" / "0.png").write_bytes(b"")
    assert finding(inspect(tmp_path), "empty_file").examples == ("photos/cats/0.png",)


def test_many_of_a_kind_are_counted_and_the_first_ten_shown(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 3}})
    for n in range(25):
        (tmp_path / "cats" / f"x{n:02}.jpg").write_bytes(b"")
    found = finding(inspect(tmp_path), "empty_file")
    assert found.count == 25
    assert found.examples == tuple(f"cats/x{n:02}.jpg" for n in range(EXAMPLES))
    assert found.message == "25 image files are empty (first: cats/x00.jpg)"


def test_other_files_among_the_images_are_information(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 3}})
    (tmp_path / "cats" / "annotations.csv").write_text("a,b")
    (tmp_path / "cats" / ".DS_Store").write_bytes(b"\0")
    report = inspect(tmp_path)
    assert finding(report, "other_file").severity == Severity.INFO
    assert finding(report, "system_file").examples == ("cats/.DS_Store",)


def test_errors_come_before_warnings_and_warnings_before_information(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 3}})
    (tmp_path / "cats" / "a.csv").write_text("a,b")
    (tmp_path / "cats" / "a.jpg").write_text("a,b")
    write_image(tmp_path / "lost.png", 99)
    assert [(found.code, found.severity.value) for found in told(inspect(tmp_path))] == [
        ("not_an_image", "error"),
        ("image_without_class", "warning"),
        ("other_file", "info"),
        ("split_made", "info"),
    ]
    assert [found.code for found in told(inspect(tmp_path, rules=LEFT_OUT))][:2] == [
        "not_an_image",
        "image_without_class",
    ]


def test_a_class_without_validation_images_is_a_warning(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3}, "val": {"cats": 2}})
    report = inspect(tmp_path)
    assert report.ready_for("classification").ready
    assert finding(report, "class_without_val").message == "a class has no validation image (dogs)"


def test_an_image_in_two_splits_is_a_leak(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3}, "val": {"cats": 1, "dogs": 1}})
    shutil.copy(tmp_path / "train" / "cats" / "1.png", tmp_path / "val" / "cats" / "again.png")
    report = inspect(tmp_path)
    assert codes(report) == {"leaked_images": 1}
    found = finding(report, "leaked_images")
    assert found.message == "an image is in more than one split (train/cats/1.png: also val/cats/again.png in val)"
    assert found.severity == Severity.WARNING


def test_an_image_in_two_classes_is_a_contradiction(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3}, "val": {"cats": 1, "dogs": 1}})
    shutil.copy(tmp_path / "train" / "cats" / "1.png", tmp_path / "train" / "dogs" / "cat.png")
    found = finding(inspect(tmp_path), "conflicting_labels")
    assert found.message == "an image is in more than one class (train/cats/1.png: also train/dogs/cat.png)"


def test_a_repeated_image_is_information(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 3, "dogs": 3}, "val": {"cats": 1, "dogs": 1}})
    for n in range(2):
        shutil.copy(tmp_path / "train" / "cats" / "1.png", tmp_path / "train" / "cats" / f"copy{n}.png")
    report = inspect(tmp_path)
    assert codes(report) == {"duplicate_images": 2}
    assert finding(report, "duplicate_images").examples == ("train/cats/copy0.png", "train/cats/copy1.png")


def test_classes_that_differ_only_in_case_are_a_warning(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"Cats": 3, "dogs": 3}, "val": {"cats": 1, "dogs": 1}})
    assert finding(inspect(tmp_path), "similar_class_names").message.endswith("(cats: like Cats)")


def test_a_split_that_was_made_is_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 10, "dogs": 20}})
    report = inspect(tmp_path)
    assert report.images == {"train": 24, "val": 6}
    assert report.images_per_class["val"] == {"cats": 2, "dogs": 4}
    assert codes(report) == {"split_made": 6}


# The catalogue, and the rest


def test_every_finding_says_what_training_does_about_it() -> None:
    for code, kind in CATALOGUE.items():
        assert code == code.lower()
        assert kind.consequence
        assert "{n}" in kind.many or kind.many == kind.one  # which is told of the set as a whole
        assert "{" not in kind.one


def test_an_unknown_finding_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Findings().add("no_such_code", "a.jpg")


def test_progress_counts_every_candidate(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 30, "dogs": 20}})
    (tmp_path / "README").write_text("not counted")
    seen: list[tuple[str, int, int]] = []
    inspect(tmp_path, progress=lambda *now: seen.append(now))
    assert seen == [("reading", n, 50) for n in range(1, 51)]


def test_progress_ends_at_its_total_though_a_plan_leaves_images_out(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 2}})
    seen: list[tuple[str, int, int]] = []
    inspect(tmp_path, plan=DatasetPlan(exclude=("dogs/*",)), progress=lambda *now: seen.append(now))
    assert seen == [("reading", n, 3) for n in range(1, 4)]


def test_inspecting_changes_nothing(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 3, "dogs": 3}})
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    inspect(tmp_path)
    after = {path: path.stat() for path in tmp_path.rglob("*")}
    assert {p: (s.st_mtime_ns, s.st_size) for p, s in before.items()} == {
        p: (s.st_mtime_ns, s.st_size) for p, s in after.items()
    }


def test_every_file_is_used_or_found(tmp_path: Path) -> None:
    """Used images and findings about unused files add up to what is there."""
    write_class_folders(tmp_path, {"train": {"cats": 5, "dogs": 5}, "val": {"cats": 2, "dogs": 2}})
    for name, content in {
        "a.jpg": b"text",
        "b.jpg": b"",
        "c.csv": b"1",
        ".d": b"",
        "e.png": b"\x89PNG\r\n\x1a\n",
        "f.heic": b"....",
    }.items():
        (tmp_path / "train" / "cats" / name).write_bytes(content)
    write_image(tmp_path / "loose.png", 99)
    report = inspect(tmp_path)
    files = sum(path.is_file() for path in tmp_path.rglob("*"))
    assert sum(report.images.values()) + sum(found.count for found in told(report)) == files


def test_the_installed_formats_have_names_of_their_own() -> None:
    assert max(Counter(form.name for form in formats()).values()) == 1
