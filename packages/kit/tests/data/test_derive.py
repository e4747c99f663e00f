"""What a plan makes of a folder it makes of a stored version too, but for a draw, which stays; what is left out is listed."""

import dataclasses
import json
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest
from msgspec import structs
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.conformance import store, write_class_folders, write_image
from eyebright_kit.data.derive import derive
from eyebright_kit.data.features import Feature
from eyebright_kit.data.findings import CATALOGUE, Findings
from eyebright_kit.data.format import Annotations, Candidate, MaskFile, Reading, Remark
from eyebright_kit.data.formats.imagefolder import ImageFolder
from eyebright_kit.data.generate import generate
from eyebright_kit.data.inspect import inspect, inspect_reading
from eyebright_kit.data.likeness import without_leaks
from eyebright_kit.data.manifest import Manifest, Sample, line_of, write_manifest
from eyebright_kit.data.record import Record
from eyebright_kit.data.relabel import PlanInvalid
from eyebright_kit.data.survey import Picture
from eyebright_kit.data.version import PreparedVersion, prepare, written
from eyebright_kit.data.workplace import Workplace
from eyebright_wire.datasets import DatasetPlan, Fix, Split, SplitPlan


def changes(version: PreparedVersion) -> list[tuple[str, str]]:
    if version.report.changes is None:
        return []
    path = dict(version.blobs)[version.report.changes.sha256]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == version.report.changes.count
    assert dict(Counter(line["code"] for line in lines)) == version.report.changes.by_code
    return [(line["code"], line["source"]) for line in lines]


def samples(version: PreparedVersion) -> list[Sample]:
    return list(version.manifest.samples())


def folders(root: Path) -> Path:
    splits = {"train": {"cats": 4, "dogs": 3, "emus": 2}, "val": {"cats": 2, "dogs": 1, "emus": 1}}
    return write_class_folders(root / "source", splits)


def detection(root: Path, boxes: list[list[Instance]]) -> Reading:
    """A set of two classes whose objects are given, one list for each image; every third image is in val."""
    candidates = [
        Candidate(
            write_image(root / "source" / f"{number}.png", number, 64),
            f"{number}.png",
            Split.VAL if number % 3 == 2 else Split.TRAIN,
            annotate=partial(_given, found),
        )
        for number, found in enumerate(boxes)
    ]
    return Reading(("cat", "dog"), lambda: iter(candidates))


def _given(found: list[Instance], width: int, height: int) -> Annotations:
    return Annotations(instances=found)


def read(root: Path, reading: Reading, plan: DatasetPlan | None = None) -> PreparedVersion:
    with Workplace(root / "work") as place:
        return written(inspect_reading(place, root, ImageFolder(), reading, plan=plan), place)


PLANS = {
    "rename": DatasetPlan(rename={"cats": "felines"}),
    "merge": DatasetPlan(rename={"cats": "pets", "dogs": "pets"}),
    "drop": DatasetPlan(drop=("dogs",)),
    "exclude": DatasetPlan(exclude=("*cats/2.png",)),
    "include": DatasetPlan(include=("*/dogs/*", "val/*")),
    "shares": DatasetPlan(splits=SplitPlan(shares={Split.TRAIN: 0.5, Split.VAL: 0.25, Split.TEST: 0.25})),
    "lists": DatasetPlan(splits=SplitPlan(lists={Split.TEST: ("*/emus/*",)})),
    "nothing": DatasetPlan(),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_does_the_same_to_a_folder_and_to_the_version_made_of_it(tmp_path: Path, name: str) -> None:
    source = folders(tmp_path)
    direct = prepare(source, work=tmp_path / "direct", plan=PLANS[name])
    stored = prepare(source, work=tmp_path / "stored")
    derived = derive(stored.manifest, store(stored, tmp_path / "blobs"), PLANS[name], work=tmp_path / "derived")
    assert samples(derived) == samples(direct)
    assert derived.sha256 == direct.sha256
    assert changes(derived) == changes(direct)
    for field in ("classes", "images", "images_per_class", "size_bytes", "samples", "changes"):
        assert getattr(derived.report, field) == getattr(direct.report, field)


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_of_nothing_keeps_whatever_can_be_known_of_an_image(tmp_path: Path, seed: int) -> None:
    stored = generate(tmp_path / "blobs", frozenset(Feature), Random(seed))
    header = structs.replace(stored.header, format="coco")
    write_manifest(stored.path, header, map(line_of, list(stored.samples())))
    derived = derive(Manifest(stored.path), tmp_path / "blobs", DatasetPlan(), work=tmp_path / "derived")
    assert sorted(map(line_of, samples(derived))) == sorted(map(line_of, stored.samples()))


@pytest.mark.parametrize("name", ["rename", "merge", "drop", "exclude", "nothing"])
def test_a_validation_split_that_was_drawn_stays_in_every_version_made_of_the_first(tmp_path: Path, name: str) -> None:
    """Or images that taught a model of the one would examine a model of the other."""
    source = write_class_folders(tmp_path / "source" / "train", {"": {"cats": 25, "dogs": 15, "emus": 9}})
    stored = prepare(source, work=tmp_path / "stored")
    derived = derive(stored.manifest, store(stored, tmp_path / "blobs"), PLANS[name], work=tmp_path / "derived")
    drawn = {sample.sha256: sample.split for sample in samples(stored)}
    assert set(drawn.values()) == {Split.TRAIN, Split.VAL}
    assert all(sample.split == drawn[sample.sha256] for sample in samples(derived))
    assert "split_made" not in {finding.code for finding in derived.report.findings}


def test_shares_are_drawn_alike_from_a_folder_and_from_its_version(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path / "source", {"": {"cats": 25, "dogs": 15, "emus": 9}})
    stored = prepare(source, work=tmp_path / "stored")
    direct = prepare(source, work=tmp_path / "direct", plan=PLANS["shares"])
    derived = derive(stored.manifest, store(stored, tmp_path / "blobs"), PLANS["shares"], work=tmp_path / "derived")
    assert derived.sha256 == direct.sha256


def test_of_equal_images_the_same_one_stays_in_a_folder_and_in_its_version(tmp_path: Path) -> None:
    source = folders(tmp_path)
    (source / "train" / "cats" / "in").mkdir()
    shutil.copy(source / "train" / "cats" / "0.png", source / "train" / "cats" / "in" / "z.png")
    shutil.copy(source / "train" / "cats" / "0.png", source / "train" / "cats" / "z.png")
    (source / "train" / "cats" / "0.png").unlink()
    plan = DatasetPlan(fix=(Fix.DUPLICATE_IMAGES,))
    direct = prepare(source, work=tmp_path / "direct", plan=plan)
    stored = prepare(source, work=tmp_path / "stored")
    derived = derive(stored.manifest, store(stored, tmp_path / "blobs"), plan, work=tmp_path / "derived")
    assert changes(derived) == changes(direct) == [("duplicate_images", "train/cats/z.png")]
    assert derived.sha256 == direct.sha256


def test_renamed_classes_keep_their_images_and_merged_ones_become_one(tmp_path: Path) -> None:
    plan = DatasetPlan(rename={"dogs": "pets", "cats": "pets"})
    report = inspect(folders(tmp_path), plan=plan)
    assert report.classes == ("pets", "emus")
    assert report.images_per_class == {"train": {"pets": 7, "emus": 2}, "val": {"pets": 3, "emus": 1}}
    assert report.changes
    assert report.changes.by_code == {"class_renamed": 2}


def test_what_is_dropped_is_on_the_list(tmp_path: Path) -> None:
    version = prepare(folders(tmp_path), work=tmp_path / "work", plan=DatasetPlan(drop=("dogs",)))
    assert version.manifest.header.classes == ("cats", "emus")
    dropped = ["train/dogs/0.png", "train/dogs/1.png", "train/dogs/2.png", "val/dogs/0.png"]
    assert changes(version)[-1] == ("class_removed", "dogs")
    assert sorted(changes(version)[:-1]) == [("class_dropped", source) for source in dropped]


def test_a_class_that_no_image_shows_is_on_the_list_when_it_is_dropped(tmp_path: Path) -> None:
    reading = replace(detection(tmp_path, BOXES), classes=("cat", "dog", "emu"))
    assert changes(read(tmp_path, reading, DatasetPlan(drop=("emu",)))) == [("class_removed", "emu")]


def test_a_long_list_of_a_split_is_told_in_short(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path / "source", {"": {"cats": 20, "dogs": 20}})
    lists = SplitPlan(lists={Split.TEST: tuple(f"cats/{number}.png" for number in range(15))})
    version = prepare(source, work=tmp_path / "work", plan=DatasetPlan(splits=lists))
    assert version.report.changes
    (line,) = map(json.loads, dict(version.blobs)[version.report.changes.sha256].read_text().splitlines())
    assert line["detail"].startswith("cats/0.png, cats/1.png, ")
    assert line["detail"].endswith("cats/9.png and 5 more")


def test_broken_files_are_on_the_list(tmp_path: Path) -> None:
    source = folders(tmp_path)
    (source / "train" / "cats" / "x.jpg").write_text("text")
    (source / "train" / "loose.png").write_bytes((source / "train" / "cats" / "0.png").read_bytes())
    version = prepare(source, work=tmp_path / "work", plan=DatasetPlan(fix=(Fix.BROKEN,)))
    assert version.report.ready_for("classification").ready
    assert sorted(changes(version)) == [
        ("image_without_class", "train/loose.png"),
        ("not_an_image", "train/cats/x.jpg"),
    ]


def test_whatever_is_said_to_be_left_out_comes_onto_the_list() -> None:
    words = ("left out of training", "not used for training", "the first one is used")
    silent = {"several_frames"}  # the version keeps them all
    said = {code for code, kind in CATALOGUE.items() if kind.consequence.startswith(words)} - silent
    assert "damaged_image" in said
    assert said <= {code for code, kind in CATALOGUE.items() if kind.alters}


def test_captions_that_are_not_used_are_on_the_list(tmp_path: Path) -> None:
    image = write_image(tmp_path / "source" / "1.png", 1)
    more = (Remark(image, "more_captions", "5"),)
    found = Annotations(caption="the first", remarks=more)
    reading = Reading((), lambda: iter([Candidate(image, "1.png", None, annotate=lambda _w, _h: found)]))
    assert changes(read(tmp_path, reading)) == [("more_captions", "source/1.png")]


@pytest.mark.parametrize("plan", [DatasetPlan(rename={"cat": "x"}), DatasetPlan(drop=("cat",))])
def test_a_class_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path, plan: DatasetPlan) -> None:
    with pytest.raises(PlanInvalid, match="no class 'cat'; did you mean 'cats'"):
        inspect(folders(tmp_path), plan=plan)


@pytest.mark.parametrize(
    "plan",
    [
        DatasetPlan(exclude=("trian/*",)),
        DatasetPlan(splits=SplitPlan(lists={Split.TEST: ("val/emus/0.png", "trian/cats/0.png")})),
    ],
)
def test_a_name_that_no_image_fits_is_refused_before_an_image_is_read(tmp_path: Path, plan: DatasetPlan) -> None:
    source = folders(tmp_path)
    stored = prepare(source, work=tmp_path / "stored")
    with pytest.raises(PlanInvalid, match=r"no image fits 'trian/.*did you mean 'train/"):
        inspect(source, plan=plan, progress=_none_expected)
    with pytest.raises(PlanInvalid, match=r"no image fits 'trian/.*did you mean 'train/"):
        derive(stored.manifest, store(stored, tmp_path / "blobs"), plan, work=tmp_path / "derived")


def _none_expected(what: str, done: int, total: int) -> None:
    raise AssertionError(f"{what} {done} of {total}")


def test_a_listed_image_that_is_broken_is_not_taken_for_a_wrong_name(tmp_path: Path) -> None:
    source = folders(tmp_path)
    (source / "train" / "cats" / "0.png").write_text("text")
    plan = DatasetPlan(splits=SplitPlan(lists={Split.TEST: ("train/cats/0.png",)}), fix=(Fix.BROKEN,))
    assert inspect(source, plan=plan).ready_for("classification").ready


def test_repeated_images_and_leaks_are_removed_when_asked(tmp_path: Path) -> None:
    source = folders(tmp_path)
    shutil.copy(source / "train" / "cats" / "0.png", source / "train" / "cats" / "again.png")
    shutil.copy(source / "val" / "cats" / "0.png", source / "train" / "cats" / "leak.png")
    fix = (Fix.DUPLICATE_IMAGES, Fix.LEAKED_IMAGES)
    before = prepare(source, work=tmp_path / "before")
    assert {"duplicate_images", "leaked_images"} <= {finding.code for finding in before.report.findings}
    assert changes(before) == []
    after = prepare(source, work=tmp_path / "after", plan=DatasetPlan(fix=fix))
    assert changes(after) == [
        ("duplicate_images", "train/cats/again.png"),
        ("leaked_images", "train/cats/leak.png"),
    ]
    assert not {"duplicate_images", "leaked_images"} & {finding.code for finding in after.report.findings}
    assert len(samples(after)) == len(samples(before)) - 2


def test_images_that_a_new_draw_puts_together_are_repetitions_too(tmp_path: Path) -> None:
    source = folders(tmp_path)
    shutil.copy(source / "val" / "cats" / "0.png", source / "train" / "cats" / "again.png")
    splits = SplitPlan(shares={Split.TRAIN: 0.5, Split.VAL: 0.5})
    version = prepare(source, work=tmp_path / "work", plan=DatasetPlan(fix=(Fix.DUPLICATE_IMAGES,), splits=splits))
    assert [code for code, _ in changes(version)] == ["splits_drawn", "duplicate_images"]
    assert "duplicate_images" not in {finding.code for finding in version.report.findings}


def test_images_that_look_like_ones_in_val_leave_train_when_asked(tmp_path: Path) -> None:
    source = folders(tmp_path)
    for split, quality in (("train", 95), ("val", 80)):
        picture = Image.linear_gradient("L").rotate(30).resize((120, 90))
        picture.save(source / split / "cats" / "scene.jpg", quality=quality)
    found = inspect(source)
    assert [f.examples for f in found.findings if f.code == "near_leaks"] == [("train/cats/scene.jpg",)]
    version = prepare(source, work=tmp_path / "work", plan=DatasetPlan(fix=(Fix.NEAR_LEAKS,)))
    assert changes(version) == [("near_leaks", "train/cats/scene.jpg")]


def test_the_list_is_the_same_however_many_processors_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_class_folders(tmp_path / "source", {"": {f"class {n:02}": 25 for n in range(20)}}, size=4)
    for folder in source.iterdir():
        (folder / "3.png").write_text("text")
    found: list[list[tuple[str, str]]] = []
    for processors in (1, 8):
        monkeypatch.setattr("os.cpu_count", lambda processors=processors: processors)
        plan = DatasetPlan(exclude=("*/7.png",))
        found.append(changes(prepare(source, work=tmp_path / str(processors), plan=plan)))
    assert len(found[0]) == 40
    assert found[0] == found[1]


def test_only_what_looks_like_an_image_of_val_leaves_train_not_what_looks_like_that(tmp_path: Path) -> None:
    """Frames drift: the neighbours of a validated one leak, those far away in the same film do not."""
    pictures = [frame(number, split) for number, split in enumerate((Split.VAL, *[Split.TRAIN] * 3))]
    with Workplace(tmp_path) as place:
        record = Record(tmp_path, Findings(), place.changes)
        kept = without_leaks(pictures, [Fix.NEAR_LEAKS], record)
        assert [picture.source for picture in kept] == ["0", "2", "3"]
        twin = dataclasses.replace(pictures[0], split=Split.TRAIN, source="twin")
        assert without_leaks([*kept, twin], [Fix.NEAR_LEAKS], record)[-1] is twin  # equal ones were not asked for
        assert twin not in without_leaks([*kept, twin], [Fix.LEAKED_IMAGES], record)


def frame(number: int, split: Split) -> Picture:
    """Each three grey values brighter than the one before."""
    thumbnail = bytes(17 * place % 101 + 3 * number for place in range(81))
    return Picture(f"{number}.png", f"{number}", split, (0,), f"{number:064d}", thumbnail, 0)


@pytest.mark.parametrize(("train", "val"), [(8, 2), (14, 1), (1, 40)])
def test_all_that_look_like_images_of_val_are_counted_and_leave_train_at_once(
    tmp_path: Path, train: int, val: int
) -> None:
    source = folders(tmp_path)
    picture = Image.linear_gradient("L").rotate(30).resize((120, 90))
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            (info := PngInfo()).add_text("note", f"{split} {number}")
            picture.save(source / split / "cats" / f"scene {number}.png", pnginfo=info)
    assert [f.count for f in inspect(source).findings if f.code == "near_leaks"] == [train]
    version = prepare(source, work=tmp_path / "work", plan=DatasetPlan(fix=(Fix.NEAR_LEAKS,)))
    assert [code for code, _ in changes(version)] == ["near_leaks"] * train
    assert "near_leaks" not in {finding.code for finding in version.report.findings}


def test_an_image_that_goes_with_its_broken_annotation_is_on_the_list_by_its_name(tmp_path: Path) -> None:
    nameless = [*BOXES, [box(7, 1, 1, 9, 9)]]
    version = read(tmp_path, detection(tmp_path, nameless))
    assert ("image_left_out", "4.png") in changes(version)
    assert "4.png" not in {sample.source for sample in samples(version)}


# Objects


def box(label: int, *numbers: float) -> Instance:
    return Instance(label=label, box=numbers)  # type: ignore[arg-type]


BOXES = [
    [box(0, 1, 1, 20, 20), box(1, 30, 30, 20, 20)],
    [box(0, 1, 1, 20, 20), box(0, 1, 1, 20, 20), box(1, 60, 60, 20, 20), box(1, 3, 3, 0, 4)],
    [box(0, 5, 5, 8, 8)],
    [],
]


def test_classes_of_one_name_become_one_and_that_is_told(tmp_path: Path) -> None:
    reading = replace(detection(tmp_path, BOXES), classes=("cat", "cat"))
    report = read(tmp_path, reading).report
    assert report.classes == ("cat",)
    assert report.instances_per_class["train"] == {"cat": 5}
    assert [f.examples for f in report.findings if f.code == "repeated_class_name"] == [("cat",)]


def test_objects_of_classes_give_no_image_a_class(tmp_path: Path) -> None:
    report = read(tmp_path, detection(tmp_path, BOXES)).report
    assert report.ready_for("classification").missing == (
        "no image has a class of its own; classification needs one folder per class, such as cats/1.jpg and dogs/1.jpg",
    )


def test_objects_are_counted_and_faults_are_told(tmp_path: Path) -> None:
    report = read(tmp_path, detection(tmp_path, BOXES)).report
    assert report.instances_per_class == {"train": {"cat": 3, "dog": 2}, "val": {"cat": 1, "dog": 0}}
    assert report.images_per_class == {"train": {"cat": 2, "dog": 2}, "val": {"cat": 1, "dog": 0}}
    assert {f.code: f.count for f in report.findings} | {"few_samples": 2} == {
        "duplicate_boxes": 1,
        "box_out_of_range": 1,
        "box_without_area": 1,
        "class_without_val": 1,
        "few_samples": 2,
    }


def test_fixing_boxes_changes_only_them_and_says_so(tmp_path: Path) -> None:
    fix = (Fix.BOX_OUT_OF_RANGE, Fix.BOX_WITHOUT_AREA, Fix.DUPLICATE_BOXES)
    version = read(tmp_path, detection(tmp_path, BOXES), DatasetPlan(fix=fix))
    assert sorted(changes(version)) == [
        ("box_out_of_range", "source/1.png"),
        ("box_without_area", "source/1.png"),
        ("duplicate_boxes", "source/1.png"),
    ]
    (mended,) = [sample for sample in samples(version) if sample.source == "1.png"]
    assert [instance.box for instance in mended.instances] == [(1, 1, 20, 20), (60, 60, 4, 4)]
    assert not {finding.code for finding in version.report.findings} & set(fix)


def test_images_left_out_for_want_of_a_caption_are_no_finding_any_more(tmp_path: Path) -> None:
    for number in range(3):
        write_image(tmp_path / "source" / f"{number}.png", number)
    (tmp_path / "source" / "0.txt").write_text("a dog")
    version = prepare(tmp_path / "source", work=tmp_path / "work", plan=DatasetPlan(fix=(Fix.MISSING_CAPTION,)))
    assert changes(version) == [("missing_caption", "1.png"), ("missing_caption", "2.png")]
    assert "missing_caption" not in {finding.code for finding in version.report.findings}


def test_small_boxes_and_bare_images_are_left_out_when_asked(tmp_path: Path) -> None:
    plan = DatasetPlan(min_box_pixels=10, only_annotated=True)
    version = read(tmp_path, detection(tmp_path, BOXES), plan)
    assert {sample.source for sample in samples(version)} == {"0.png", "1.png"}
    assert Counter(code for code, _ in changes(version)) == {"small_box_dropped": 2, "not_annotated": 2}


@pytest.mark.parametrize("name", ["cat", "dog"])
def test_any_class_can_be_dropped_the_last_one_too(tmp_path: Path, name: str) -> None:
    version = read(tmp_path, detection(tmp_path, BOXES), DatasetPlan(drop=(name,)))
    (left,) = {"cat", "dog"} - {name}
    assert version.manifest.header.classes == (left,)
    assert all(instance.label == 0 for sample in samples(version) for instance in sample.instances)
    assert {shown for sample in version.report.samples for shown in sample.classes} == {left}


def test_a_plan_that_empties_train_is_told_as_that(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path / "source", {"val": {"cats": 3, "dogs": 3}})
    shutil.copytree(source / "val", source / "train")
    report = inspect(source, plan=DatasetPlan(fix=(Fix.LEAKED_IMAGES,)))
    assert report.ready_for("classification").missing == (
        "of the 6 images to train on none is left: the plan leaves them all out, as the list of changes tells",
    )


def test_dropping_a_class_drops_its_objects(tmp_path: Path) -> None:
    version = read(tmp_path, detection(tmp_path, BOXES), DatasetPlan(drop=("cat",)))
    assert version.manifest.header.classes == ("dog",)
    assert {instance.label for sample in samples(version) for instance in sample.instances} == {0}
    assert Counter(changes(version)) == {
        ("class_removed", "cat"): 1,
        ("class_dropped", "0.png"): 1,
        ("class_dropped", "1.png"): 2,
        ("class_dropped", "2.png"): 1,
    }


def test_a_mask_that_loses_a_class_is_on_the_list(tmp_path: Path) -> None:
    image = write_image(tmp_path / "source" / "images" / "1.png", 1)
    mask = tmp_path / "source" / "masks" / "1.png"
    mask.parent.mkdir()
    Image.frombytes("L", (16, 16), bytes([0, 1] * 128)).save(mask)
    found = Annotations(mask=MaskFile(mask, {0: 0, 1: 1}))
    reading = Reading(("cat", "dog"), lambda: iter([Candidate(image, "1.png", None, annotate=lambda _w, _h: found)]))
    assert changes(read(tmp_path, reading)) == []
    assert changes(read(tmp_path, reading, DatasetPlan(rename={"dog": "cat"}))) == [("class_renamed", "dog")]
    assert changes(read(tmp_path, reading, DatasetPlan(drop=("dog",)))) == [
        ("class_dropped", "1.png"),
        ("class_removed", "dog"),
    ]
    bare = DatasetPlan(drop=("cat", "dog"), only_annotated=True)
    assert [code for code, _ in changes(read(tmp_path, reading, bare))] == [
        "class_dropped",
        "class_dropped",
        "not_annotated",
        "class_removed",
        "class_removed",
    ]


def test_the_blobs_of_a_derived_version_are_there_already(tmp_path: Path) -> None:
    stored = prepare(folders(tmp_path), work=tmp_path / "stored")
    blobs = store(stored, tmp_path / "blobs")
    derived = derive(stored.manifest, blobs, DatasetPlan(rename={"cats": "x"}), work=tmp_path / "derived")
    assert derived.report.changes
    elsewhere = {sha256 for sha256, path in derived.blobs if path != blob_path(blobs, sha256)}
    assert elsewhere == {derived.report.changes.sha256}
