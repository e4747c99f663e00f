"""Names in lists are matched with the files that are there, and with none when it is not clear which is meant."""

import pytest

from eyebright_kit.data.lookup import Lookup, NotFound, split_of_file, split_of_folder
from eyebright_wire.datasets import Split

FILES = (
    "train2017/1.jpg",
    "val2017/1.jpg",
    "val2017/2.jpg",
    "images/Käfer.JPG",
    "images/a b.png",
    "a/x/3.png",
    "b/x/3.png",
    "c/y/3.png",
    "4.png",
    "deep/er/4.png",
)


@pytest.mark.parametrize(
    ("name", "near", "split", "expected"),
    [
        ("train2017/1.jpg", "annotations", None, "train2017/1.jpg"),
        ("VAL2017\\1.JPG", "annotations", Split.TRAIN, "val2017/1.jpg"),
        ("1.jpg", "annotations", Split.TRAIN, "train2017/1.jpg"),
        ("1.jpg", "annotations", Split.VAL, "val2017/1.jpg"),
        ("1.jpg", "val2017", None, "val2017/1.jpg"),
        ("1.jpg", "val2017/lists", None, "val2017/1.jpg"),
        ("somewhere/2.jpg", "", Split.TRAIN, "val2017/2.jpg"),
        ("Ka\u0308fer.jpg", "", None, "images/Käfer.JPG"),
        ("https://example.com/a%20b.png?x=1#y", "", None, "images/a b.png"),
        ("b/x/3.png", "", None, "b/x/3.png"),
        ("y/3.png", "", None, "c/y/3.png"),
        ("4.png", "", None, "4.png"),
        ("er/4.png", "", None, "deep/er/4.png"),
        ("../../4.png", "lists", None, "4.png"),
        ("http://[/4.png", "", None, "4.png"),
    ],
)
def test_a_name_means_the_file_that_it_fits_best(name: str, near: str, split: Split | None, expected: str) -> None:
    assert Lookup(FILES).find(name, near, split) == expected


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("1.jpg", "2 files are called so"),
        ("x/3.png", "2 files are called so"),
        ("5.png", "no file is called so"),
        ("train/2.jpg", "the only file that is called so lies in val2017"),
        ("", "no file is called so"),
        ("..", "no file is called so"),
        ("/", "no file is called so"),
    ],
)
def test_a_name_that_fits_no_file_or_several_means_none(name: str, why: str) -> None:
    with pytest.raises(NotFound, match=why):
        Lookup(FILES).find(name)


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", Split.TRAIN),
        ("images/val2017", Split.VAL),
        ("TEST-images", Split.TEST),
        ("train/images", Split.TRAIN),
        ("train/valid", Split.VAL),
        ("my test photos", None),
        ("trains", None),
        ("", None),
    ],
)
def test_a_folder_is_of_a_split_when_it_says_nothing_else(folder: str, split: Split | None) -> None:
    assert split_of_folder(folder) == split


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("annotations/instances_train2017.json", Split.TRAIN),
        ("person_keypoints_val2014.json", Split.VAL),
        ("my_test_train.json", Split.TRAIN),
        ("valid/_annotations.coco.json", Split.VAL),
        ("annotations/test/instances.json", Split.TEST),
        ("train/instances_val.json", Split.VAL),
        ("result.json", None),
    ],
)
def test_a_list_is_of_the_split_that_its_name_says_last_or_else_its_folder(file: str, split: Split | None) -> None:
    assert split_of_file(file) == split
