"""The three layouts are told apart, and every file in them is accounted for."""

import os
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from eyebright_kit.data.conformance import Example, FormatConformance, write_class_folders, write_image
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Candidate, Certainty, Reading, Remark
from eyebright_kit.data.formats.imagefolder import ImageFolder
from eyebright_kit.data.tree import target
from eyebright_kit.data.walk import natural_order
from eyebright_wire.datasets import Split


class TestImageFolder(FormatConformance):
    form = ImageFolder()
    flavours = (frozenset({Feature.LABEL}),)

    def example(self, root: Path) -> Example:
        write_class_folders(root, {"train": {"cats": 3, "dogs": 2}, "val": {"cats": 1, "dogs": 1}, "test": {"dogs": 1}})
        return Example(("cats", "dogs"), {Split.TRAIN: 5, Split.VAL: 2, Split.TEST: 1})


class TestImageFolderByClassFirst(FormatConformance):
    form = ImageFolder()
    flavours = (frozenset({Feature.LABEL}),)

    def example(self, root: Path) -> Example:
        write_class_folders(root, {"cats": {"Train": 3, "VALIDATION": 1}, "dogs": {"Train": 2, "VALIDATION": 1}})
        return Example(("cats", "dogs"), {Split.TRAIN: 5, Split.VAL: 2})


class TestImageFolderWithoutSplits(FormatConformance):
    form = ImageFolder()
    flavours = (frozenset({Feature.LABEL}),)

    def example(self, root: Path) -> Example:
        write_class_folders(root, {"": {"cats": 3, "dogs": 2}})
        return Example(("cats", "dogs"), {})


class TestImageFolderInAWrapping(FormatConformance):
    form = ImageFolder()
    flavours = (frozenset({Feature.LABEL}),)

    def example(self, root: Path) -> Example:
        write_class_folders(
            root / "my photos" / "v2", {"train": {"cats": 3, "dogs": 2}, "valid": {"cats": 1, "dogs": 1}}
        )
        return Example(("cats", "dogs"), {Split.TRAIN: 5, Split.VAL: 2})


def read(root: Path) -> Reading:
    return ImageFolder().read(root)


def candidates(root: Path) -> list[Candidate]:
    return [found for found in read(root).found() if isinstance(found, Candidate)]


def remarks(root: Path) -> list[tuple[str, str]]:
    found = [(f.code, f.path.relative_to(root).as_posix()) for f in read(root).found() if isinstance(f, Remark)]
    return sorted(found)


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("train", Split.TRAIN),
        ("TRAIN", Split.TRAIN),
        ("val", Split.VAL),
        ("Valid", Split.VAL),
        ("validation", Split.VAL),
        ("test", Split.TEST),
        ("Testing", Split.TEST),
    ],
)
def test_split_words_are_known_in_any_case(tmp_path: Path, word: str, split: Split) -> None:
    write_class_folders(tmp_path, {word: {"a": 1, "b": 1}})
    assert {candidate.split for candidate in candidates(tmp_path)} == {split}
    assert read(tmp_path).splits == {split: f"{word}/"}


def test_the_same_data_set_reads_the_same_with_and_without_a_wrapping(tmp_path: Path) -> None:
    for top in (tmp_path / "bare", tmp_path / "wrapped" / "cats-and-dogs-v1"):
        write_class_folders(top, {"train": {"cats": 2, "dogs": 2}})
    bare, wrapped = candidates(tmp_path / "bare"), candidates(tmp_path / "wrapped")
    assert (
        [c.source for c in bare]
        == [c.source for c in wrapped]
        == [
            "train/cats/0.png",
            "train/cats/1.png",
            "train/dogs/0.png",
            "train/dogs/1.png",
        ]
    )


def test_a_wrapping_with_a_readme_is_looked_through(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "set", {"": {"cats": 1, "dogs": 1}})
    (tmp_path / "README.txt").write_text("photographs of cats and dogs")
    assert read(tmp_path).classes == ("cats", "dogs")
    assert remarks(tmp_path) == [("other_file", "README.txt")]


def test_a_single_class_folder_is_no_wrapping(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 2}})
    assert read(tmp_path).classes == ("cats",)


def test_a_single_class_divided_into_splits_is_no_wrapping(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"cats": {"train": 2, "val": 1}})
    assert read(tmp_path).classes == ("cats",)
    assert Counter(c.split for c in candidates(tmp_path)) == {Split.TRAIN: 2, Split.VAL: 1}


def test_a_lone_train_folder_is_a_split_and_no_wrapping(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 1, "dogs": 1}})
    assert {c.split for c in candidates(tmp_path)} == {Split.TRAIN}


def test_train_may_be_the_class_of_locomotives(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"bus": 1, "car": 1, "train": 1}})
    assert read(tmp_path).classes == ("bus", "car", "train")
    assert {c.split for c in candidates(tmp_path)} == {None}


def test_splits_without_class_folders_are_splits_all_the_same(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"train": 1, "val": 1}})
    assert read(tmp_path).classes == ()
    assert remarks(tmp_path) == [("image_without_class", "train/0.png"), ("image_without_class", "val/0.png")]


def test_two_words_for_one_split_are_one_split(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"a": 1, "b": 1}, "val": {"a": 1}, "valid": {"b": 1}})
    assert Counter(c.split for c in candidates(tmp_path)) == {Split.TRAIN: 2, Split.VAL: 2}


def test_classes_are_the_union_over_the_splits(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"b": 1, "c": 1}, "val": {"a": 1}})
    assert read(tmp_path).classes == ("a", "b", "c")


def test_numeric_classes_are_ordered_by_value(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {str(n): 1 for n in range(12)}})
    assert read(tmp_path).classes == tuple(str(n) for n in range(12))


def test_the_order_of_classes_is_natural() -> None:
    names = ["B", "a10", "a9", "a", "010", "10", "9", "Ä", "c 2 x", "c 2", "c 10"]
    assert sorted(names, key=natural_order) == ["9", "010", "10", "a", "a9", "a10", "B", "c 2", "c 2 x", "c 10", "Ä"]


def test_an_accent_written_in_two_ways_is_one_class(tmp_path: Path) -> None:
    apart, together = unicodedata.normalize("NFD", "bébé"), unicodedata.normalize("NFC", "bébé")
    write_class_folders(tmp_path, {"train": {apart: 1, "x": 1}, "val": {together: 1}})
    assert read(tmp_path).classes == (together, "x")


def test_an_empty_class_folder_is_a_class_with_a_place(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 1, "dogs": 0}})
    assert read(tmp_path).classes == ("cats", "dogs")
    assert read(tmp_path).places[Split.TRAIN, 1] == "train/dogs/"


def test_images_outside_class_folders_are_remarked_upon(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 1, "dogs": 1}})
    write_image(tmp_path / "cover.jpg", 90)
    write_image(tmp_path / "train" / "lost.jpg", 91)
    (tmp_path / "labels.csv").write_text("x")
    assert remarks(tmp_path) == [
        ("image_without_class", "cover.jpg"),
        ("image_without_class", "train/lost.jpg"),
        ("other_file", "labels.csv"),
    ]


def test_images_beside_the_splits_of_their_class_are_remarked_upon(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"cats": {"train": 1, "val": 1}, "dogs": {"train": 1, "val": 1}})
    write_image(tmp_path / "cats" / "lost.jpg", 90)
    assert remarks(tmp_path) == [("image_without_split", "cats/lost.jpg")]


def test_a_folder_beside_the_splits_is_remarked_upon(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 1, "dogs": 1}, "extra": {"cats": 1}})
    assert remarks(tmp_path) == [("unknown_folder", "extra")]
    assert read(tmp_path).classes == ("cats", "dogs")


def test_images_in_folders_inside_a_class_count_for_the_class(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    write_image(tmp_path / "cats" / "persian" / "1.png", 90)
    assert Counter(c.label for c in candidates(tmp_path)) == {0: 2, 1: 1}
    assert remarks(tmp_path) == [("nested_folder", "cats/persian")]


def test_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1, ".ipynb_checkpoints": 1, "__MACOSX": 1}})
    assert read(tmp_path).classes == ("cats", "dogs")
    assert remarks(tmp_path) == [("system_file", ".ipynb_checkpoints"), ("system_file", "__MACOSX")]


def test_a_link_to_nothing_that_means_to_be_an_image_is_a_candidate_and_any_other_a_remark(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    for name in ("broken.png", "notes"):
        (tmp_path / "cats" / name).symlink_to(tmp_path / "gone")
    (tmp_path / "cats" / "itself").symlink_to("itself")
    assert Counter(c.label for c in candidates(tmp_path)) == {0: 2, 1: 1}
    assert remarks(tmp_path) == [("special_file", "cats/itself"), ("special_file", "cats/notes")]


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    os.mkfifo(tmp_path / "cats" / "pipe")
    assert remarks(tmp_path) == [("special_file", "cats/pipe")]


def test_a_class_may_be_a_link_to_a_folder_of_the_data_set(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 2, "dogs": 2}, "val": {"cats": 1}})
    (tmp_path / "val" / "dogs").symlink_to("../train/dogs")
    assert Counter((c.split, c.label) for c in candidates(tmp_path))[Split.VAL, 1] == 2


@pytest.mark.parametrize(
    "names",
    [
        {Split.TRAIN: "training_set", Split.TEST: "test_set"},
        {Split.TRAIN: "seg_train", Split.TEST: "seg_test"},
        {Split.TRAIN: "Train-images", Split.VAL: "Val-images", Split.TEST: "Test-images"},
    ],
)
@pytest.mark.parametrize("doubled", [True, False])
def test_folders_that_differ_only_in_the_split_are_splits(
    tmp_path: Path, names: dict[Split, str], doubled: bool
) -> None:
    splits = {f"{name}/{name}" if doubled else name: {"cats": 2, "dogs": 1} for name in names.values()}
    write_class_folders(tmp_path, splits)
    (tmp_path / "seg_pred").mkdir()
    reading = read(tmp_path)
    assert reading.classes == ("cats", "dogs")
    assert reading.splits == {split: f"{name}/" for split, name in names.items()}
    assert Counter(c.split for c in candidates(tmp_path)) == dict.fromkeys(names, 3)
    assert remarks(tmp_path) == [("unknown_folder", "seg_pred")]


def test_a_split_in_a_folder_of_its_name_is_looked_through(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train/train": {"cats": 2, "dogs": 1}, "test": {"cats": 1, "dogs": 1}})
    write_image(tmp_path / "train" / "zebras" / "x.png", 9)
    assert read(tmp_path).classes == ("cats", "dogs", "train", "zebras")
    shutil.rmtree(tmp_path / "train" / "zebras")
    assert read(tmp_path).classes == ("cats", "dogs")
    write_image(tmp_path / "train" / "loose.png", 8)
    assert Counter(c.split for c in candidates(tmp_path)) == {Split.TRAIN: 3, Split.TEST: 2}
    assert remarks(tmp_path) == [("image_without_class", "train/loose.png")]


def test_locomotives_may_be_the_only_class_to_train_on(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"train": 2}, "test": {"train": 1, "tram": 1}})
    assert read(tmp_path).classes == ("train", "tram")
    assert Counter(c.split for c in candidates(tmp_path)) == {Split.TRAIN: 2, Split.TEST: 2}


@pytest.mark.parametrize(
    "folders",
    [
        ("crash_train/", "crash_test/"),
        ("cats_train/a/", "dogs_train/a/"),
        ("cats_train/a/", "cats_test/a/", "dogs_train/a/", "dogs_test/a/"),
    ],
)
def test_folders_that_may_be_classes_are_no_splits(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for seed, folder in enumerate(folders):
        write_image(tmp_path / folder / "1.png", seed)
    assert set(read(tmp_path).classes) == {folder.partition("/")[0] for folder in folders}
    assert read(tmp_path).splits == {}


@pytest.mark.parametrize("place", ["cats/more", "birds"])
def test_a_link_to_a_folder_outside_is_remarked_upon_and_not_entered(tmp_path: Path, place: str) -> None:
    write_class_folders(tmp_path / "set", {"": {"cats": 1, "dogs": 1}})
    write_class_folders(tmp_path / "other", {"": {"persian": 3}})
    (tmp_path / "set" / place).symlink_to(tmp_path / "other" / "persian")
    assert read(tmp_path / "set").classes == ("cats", "dogs")
    assert len(candidates(tmp_path / "set")) == 2
    assert remarks(tmp_path / "set") == [("outside_link", place)]


def test_the_data_set_itself_may_be_a_link(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "v1", {"": {"cats": 1, "dogs": 1}})
    (tmp_path / "v1" / "birds").symlink_to("dogs")
    (tmp_path / "latest").symlink_to("v1")
    assert read(tmp_path / "latest").classes == ("birds", "cats", "dogs")
    assert remarks(tmp_path / "latest") == []


def test_a_link_that_leads_back_up_ends(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    (tmp_path / "cats" / "again").symlink_to(tmp_path / "cats")
    assert len(candidates(tmp_path)) == 2
    assert remarks(tmp_path) == [("special_file", "cats/again")]


def test_folders_full_of_links_to_each_other_are_read_once_each(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    names = [str(number) for number in range(12)]  # 12! ways to go through them
    for name in names:
        write_image(tmp_path / "cats" / name / "1.png", int(name))
        for other in names:
            (tmp_path / "cats" / name / other).symlink_to(f"../{other}")
    assert Counter(c.label for c in candidates(tmp_path)) == {0: 13, 1: 1}
    assert Counter(code for code, _ in remarks(tmp_path))["nested_folder"] == 12


def test_a_folder_nested_too_deep_is_remarked_upon(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    write_image(tmp_path / "cats" / Path(*["x"] * 40) / "1.png", 90)
    assert [code for code, _ in remarks(tmp_path)].count("too_deep") == 1


def test_a_folder_that_may_not_be_listed_is_remarked_upon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    scandir = os.scandir

    def forbidding(path: Path) -> object:
        if Path(path).name == "cats":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    assert remarks(tmp_path) == [("unreadable_file", "cats")]


def test_a_name_that_is_not_utf8_is_shown_escaped(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"k\xe4fer")).mkdir()
    write_class_folders(tmp_path, {"": {"cats": 1}})
    assert read(tmp_path).classes == ("cats", "k\\xe4fer")


def test_control_characters_in_names_are_shown_escaped(tmp_path: Path) -> None:
    write_image(tmp_path / "r\x1b[31med\n" / "\x9b1\u202e.png", 1)
    write_image(tmp_path / "Käfer 蝶" / "1.png", 2)
    found = read(tmp_path)
    assert found.classes == ("Käfer 蝶", "r\\x1b[31med\\n")
    assert [c.source for c in candidates(tmp_path)] == ["Käfer 蝶/1.png", "r\\x1b[31med\\n/\\x9b1\\u202e.png"]
    assert all(place.isprintable() for place in found.places.values())


def test_control_characters_in_a_links_target_are_shown_escaped(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a\x1b[31mway")
    assert target(tmp_path / "link").endswith("a\\x1b[31mway")


def test_images_without_any_folder_are_recognised_as_meant(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg", 1)
    assert ImageFolder().matches(tmp_path) == Certainty.POSSIBLE
    assert remarks(tmp_path) == [("image_without_class", "1.jpg")]


def test_a_folder_of_texts_is_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    assert ImageFolder().matches(tmp_path) == Certainty.NO
