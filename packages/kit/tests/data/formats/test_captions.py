"""Captions are found wherever tools put them, and nothing that is no caption is taken for one."""

import os
import tempfile
from pathlib import Path
from random import Random

import pytest
from fuzz.mutation import mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reads import Reads, write

from eyebright_kit.data.caption import caption_of
from eyebright_kit.data.conformance import Example, FormatConformance, write_class_folders, write_image
from eyebright_kit.data.convert import convert
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Candidate, Certainty, Remark, detect
from eyebright_kit.data.formats.captions import Captions
from eyebright_kit.data.inspect import Rules, inspect
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.version import prepare
from eyebright_wire.datasets import Split


def write_captioned(root: Path, captions: dict[str, str | bytes | None]) -> Path:
    """`{"train/1": "a dog"}` makes an image and its text; None makes the image alone."""
    for seed, (name, text) in enumerate(captions.items()):
        write_image(root / f"{name}.png", seed)
        if text is not None:
            write(root / f"{name}.txt", text)
    return root


class TestCaptions(FormatConformance):
    form = Captions()
    flavours = (frozenset({Feature.CAPTION}), frozenset({Feature.CAPTION, Feature.REPEATS}))

    def example(self, root: Path) -> Example:
        write_captioned(root, {"train/1": "a dog", "train/2": "a cat on a mat", "val/1": "two dogs"})
        return Example(
            (),
            {Split.TRAIN: 2, Split.VAL: 1},
            annotations=frozenset({"train/1.txt", "train/2.txt", "val/1.txt"}),
        )


class TestCaptionsInFoldersOfKohya(FormatConformance):
    form = Captions()

    def example(self, root: Path) -> Example:
        write_captioned(root, {"1_sks dog/1": None, "1_sks dog/2": "sks dog on a beach"})
        return Example((), {}, annotations=frozenset({"1_sks dog/2.txt"}))


class TestCaptionsInAList(FormatConformance):
    form = Captions()

    def example(self, root: Path) -> Example:
        write_captioned(root, {"1": None, "2": None})
        write(root / "captions.jsonl", '{"file_name": "1.png", "text": "a"}\n{"file_name": "2.png", "text": "b"}\n')
        return Example((), {}, annotations=frozenset({"captions.jsonl"}))


class TestImagesAlone(FormatConformance):
    form = Captions()

    def example(self, root: Path) -> Example:
        write_captioned(root, {"1": None, "2": None})
        return Example((), {})


reads = Reads(Captions())


def captions(root: Path) -> dict[str, str | None]:
    return {sample.source: sample.caption for sample in prepared(root)}


def prepared(root: Path) -> list[Sample]:
    with tempfile.TemporaryDirectory() as work:
        return list(prepare(root, work=Path(work), rules=Rules(leave_out_broken=True)).manifest.samples())


def details(root: Path) -> list[str]:
    return [found.detail for found in Captions().read(root).found() if isinstance(found, Remark)]


def findings(root: Path) -> dict[str, tuple[str, ...]]:
    return {found.code: found.examples for found in inspect(root).findings}


# A text beside the image


@pytest.mark.parametrize(
    ("content", "caption"),
    [
        ("a dog", "a dog"),
        ("a dog\n", "a dog"),
        ("\ufeffa dog\r\n", "a dog"),
        ("a dog\r\nin a field\r\n\r\nat dusk", "a dog in a field at dusk"),
        ("  1girl,  solo,\tsmile ", "1girl, solo, smile"),
        ("ein Köter, 犬", "ein Köter, 犬"),
        ("red \x1b[31m\u202etxt", "red \\x1b[31m\\u202etxt"),
        ("", ""),
        (" \n\n", ""),
    ],
)
def test_a_text_is_one_line_that_is_safe_to_show(tmp_path: Path, content: str, caption: str) -> None:
    write_captioned(tmp_path, {"1": content, "2": "another"})
    assert captions(tmp_path)["1.png"] == caption


@given(st.text())
def test_a_caption_of_a_caption_is_the_same(text: str) -> None:
    caption = caption_of(text)
    assert caption_of(caption) == caption
    assert caption.encode().decode() == caption
    assert not set(caption) & {chr(code) for code in (*range(32), *range(127, 160), *range(0xD800, 0xE000))}


def test_a_caption_file_of_kohya_is_read(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": None})
    write(tmp_path / "1.caption", "a dog")
    assert captions(tmp_path) == {"1.png": "a dog"}
    assert reads.remarks(tmp_path) == []


def test_of_two_texts_beside_an_image_the_other_is_told(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "a dog"})
    write(tmp_path / "1.caption", "a puppy")
    assert captions(tmp_path) == {"1.png": "a dog"}
    assert reads.remarks(tmp_path) == [("unsupported_annotations", "1.caption", "")]


def test_a_text_may_have_the_whole_name_of_its_image(tmp_path: Path) -> None:
    for seed, name in enumerate(("1.jpg", "1.png", "2.jpg")):
        write_image(tmp_path / name, seed)
        write(tmp_path / f"{name}.txt", f"this is {name}")
    write(tmp_path / "2.txt", "a dog")
    assert captions(tmp_path) == {"1.jpg": "this is 1.jpg", "1.png": "this is 1.png", "2.jpg": "a dog"}
    assert reads.remarks(tmp_path) == [("unsupported_annotations", "2.jpg.txt", "")]


def test_texts_of_whole_names_make_a_set_of_captions(tmp_path: Path) -> None:
    for number in range(2):
        write_image(tmp_path / "photos" / f"{number}.jpg", number)
        write(tmp_path / "photos" / f"{number}.jpg.txt", "a dog")
    assert certainty(tmp_path) == Certainty.LIKELY


def test_masks_of_onetrainer_are_told_and_are_no_images(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "a dog", "1-masklabel": None, "1-condlabel": None, "alone-masklabel": "a cat"})
    assert captions(tmp_path) == {"1.png": "a dog", "alone-masklabel.png": "a cat"}
    assert reads.remarks(tmp_path) == [
        ("unsupported_annotations", "1-condlabel.png", ""),
        ("unsupported_annotations", "1-masklabel.png", ""),
    ]


def test_endings_are_known_in_any_case_and_names_may_have_dots(tmp_path: Path) -> None:
    write_image(tmp_path / "my.dog.v2.JPG", 1)
    write(tmp_path / "my.dog.v2.TXT", "a dog")
    assert captions(tmp_path) == {"my.dog.v2.JPG": "a dog"}


def test_an_empty_text_and_none_at_all_are_missing_captions(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "a dog", "2": "", "3": None})
    assert captions(tmp_path) == {"1.png": "a dog", "2.png": "", "3.png": ""}
    assert findings(tmp_path)["missing_caption"] == ("2.png", "3.png")
    assert inspect(tmp_path).ready_for("text_to_image").ready


def test_a_text_without_image_is_an_orphan_unless_it_is_about_the_set(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "a dog"})
    for name in ("2.txt", "3.caption", "README.txt", "LICENSE-MIT.txt", "classes.txt"):
        write(tmp_path / name, "words")
    assert reads.remarks(tmp_path) == [
        ("orphan_annotations", "2.txt", ""),
        ("orphan_annotations", "3.caption", ""),
        ("other_file", "LICENSE-MIT.txt", ""),
        ("other_file", "README.txt", ""),
        ("other_file", "classes.txt", ""),
    ]


@pytest.mark.parametrize("name", ["_annotations.csv", "train.tfrecord", "captions.TSV"])
def test_a_table_that_is_not_read_is_told(tmp_path: Path, name: str) -> None:
    write_captioned(tmp_path, {"1": None})
    write(tmp_path / name, "filename,class\n1.png,dog\n")
    assert reads.remarks(tmp_path) == [("unsupported_annotations", name, "")]


def test_a_long_caption_is_told(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "word " * 80, "2": "a dog"})
    assert findings(tmp_path)["long_caption"] == ("1.png",)


def test_images_too_small_to_draw_larger_pictures_from_are_told(tmp_path: Path) -> None:
    for name, size in (("1", 511), ("2", 512)):
        write_image(tmp_path / f"{name}.png", 1, size)
        write(tmp_path / f"{name}.txt", "a dog")
    assert findings(tmp_path)["small_images"] == ("1.png",)


def test_too_few_images_to_see_what_they_have_in_common_are_told(tmp_path: Path) -> None:
    write_captioned(tmp_path, {f"train/{number}": "a dog" for number in range(4)})
    assert findings(tmp_path)["few_images"] == ("4 in train",)
    write_captioned(tmp_path, {"train/4": "a cat"})
    assert "few_images" not in findings(tmp_path)


def test_images_of_classes_are_not_judged_as_pictures_to_draw(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 2, "dogs": 2}})
    assert not {"few_images", "small_images"} & findings(tmp_path).keys()


def test_a_text_in_another_encoding_is_broken_with_its_line(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "a dog", "2": "a\nK\xf6ter".encode("latin-1")})
    assert findings(tmp_path)["broken_annotations"] == ("2.txt:2",)
    assert captions(tmp_path) == {"1.png": "a dog"}


def test_a_text_of_megabytes_is_not_read(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "x " * 600_000, "2": "a dog"})
    assert findings(tmp_path)["broken_annotations"] == ("1.txt",)


def test_a_label_file_among_captions_is_no_caption(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "a dog", "2": "a cat", "3": "0 0.5 0.5 0.1 0.1\n"})
    assert captions(tmp_path)["3.png"] == ""
    assert findings(tmp_path)["unsupported_annotations"] == ("3.txt",)


def test_a_link_out_of_the_set_is_not_read(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.txt", "a password")
    write_captioned(tmp_path / "set", {"1": "a dog", "2": None})
    (tmp_path / "set" / "2.txt").symlink_to(secret)
    assert captions(tmp_path / "set") == {"1.png": "a dog"}
    assert findings(tmp_path / "set")["outside_link"] == ("2.txt",)


# Splits and wrappings


def test_splits_and_wrappings_are_looked_through(tmp_path: Path) -> None:
    write_captioned(tmp_path / "my dog", {"train/images/1": "a dog", "Valid/2": "a cat"})
    found = [c for c in Captions().read(tmp_path).found() if isinstance(c, Candidate)]
    assert {c.source: c.split for c in found} == {"train/images/1.png": Split.TRAIN, "Valid/2.png": Split.VAL}
    assert Captions().read(tmp_path).splits == {Split.TRAIN: "train/", Split.VAL: "Valid/"}


# Folders of kohya


def test_a_folder_of_kohya_is_the_caption_where_no_text_is(tmp_path: Path) -> None:
    write_captioned(tmp_path / "set", {"10_sks dog/1": None, "10_sks dog/2": "sks dog, beach", "1_cat_b/3": None})
    assert captions(tmp_path) == {
        "10_sks dog/1.png": "sks dog",
        "10_sks dog/2.png": "sks dog, beach",
        "1_cat_b/3.png": "cat_b",
    }


def test_repeats_are_told_once_for_each_folder(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"10_sks dog/1": "x", "10_sks dog/2": "y", "5_cat/1": "z", "1_fox/1": "w"})
    assert reads.remarks(tmp_path) == [("repeated_images", "10_sks dog", ""), ("repeated_images", "5_cat", "")]
    assert details(tmp_path) == ["10 times", "5 times"]


def test_how_often_an_image_is_repeated_is_kept(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"10_sks dog/1": "x", "10_sks dog/2": None, "1_fox/1": "w"})
    write(tmp_path / "captions.json", '{"10_sks dog/2.png": "y"}')
    assert {sample.source: sample.repeats for sample in prepared(tmp_path)} == {
        "10_sks dog/1.png": 10,
        "10_sks dog/2.png": 10,
        "1_fox/1.png": 1,
    }


def test_repeated_images_are_written_in_folders_of_kohya_each_with_its_text(tmp_path: Path) -> None:
    write_captioned(tmp_path / "set", {"10_dog/1": "x", "2_cat/2": None, "1_fox/3": ""})
    version = prepare(tmp_path / "set", work=tmp_path / "work")
    convert(version.manifest, dict(version.blobs).__getitem__, Captions(), tmp_path / "out")
    texts = {path.relative_to(tmp_path / "out").as_posix(): path.read_text() for path in tmp_path.glob("out/**/*.txt")}
    assert {name.partition("/")[2]: text for name, text in texts.items()} == {
        "img/10_images/1.txt": "x\n",
        "img/2_images/2.txt": "cat\n",
        "img/1_images/3.txt": "\n",
    }


def test_without_repeats_no_folders_of_kohya_are_written(tmp_path: Path) -> None:
    write_captioned(tmp_path / "set", {"1_dog/1": "x", "1_cat/2": None})
    version = prepare(tmp_path / "set", work=tmp_path / "work")
    convert(version.manifest, dict(version.blobs).__getitem__, Captions(), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").rglob("*") if path.is_dir()} <= set(Split)


def test_images_for_regularisation_are_left_out_and_told(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"img/10_sks dog/1": None, "reg/1_dog/1": "a dog", "reg/1_cat/2": None})
    assert captions(tmp_path) == {"img/10_sks dog/1.png": "sks dog"}
    assert reads.remarks(tmp_path) == [("regularisation_images", "reg", ""), ("repeated_images", "img/10_sks dog", "")]


def test_a_year_is_no_number_of_repeats(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"2024_holiday/1": "a beach", "2024_holiday/2": None})
    assert captions(tmp_path) == {"1.png": "a beach", "2.png": ""}


def test_what_a_folder_of_kohya_is_called_is_safe_to_show(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"10_r\x1b[31med\n/1": None, f"10_{os.fsdecode(bytes([0xE4]))}/1": None})
    assert sorted(map(str, captions(tmp_path).values())) == ["\\xe4", "r\\x1b[31med\\n"]


def test_the_name_of_the_set_itself_says_nothing_of_its_images(tmp_path: Path) -> None:
    write_captioned(tmp_path / "10_sks dog", {"1": None})
    assert captions(tmp_path / "10_sks dog") == {"1.png": ""}


# Lists


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("captions.jsonl", '{"file_name": "1.png", "text": "a dog"}\n\n{"image": "2.png", "caption": "a cat"}\n'),
        (
            "captions.jsonl",
            '\ufeff{"file": "1.png", "prompt": "a dog"}\r\n{"image_path": "./2.png", "caption": "a\\ncat"}',
        ),
        ("captions.json", '[{"file_name": "1.png", "text": "a dog"}, {"file_name": "2.png", "text": "a cat"}]'),
        ("all.json", '{"1.png": "a dog", "2.png": "a cat"}'),
        ("meta_cap.json", '{"1": {"caption": "a dog"}, "2": {"tags": "a cat"}}'),
        (
            "md.json",
            '{"C:\\\\set\\\\1.png": {"tags": ["a dog"]}, "/home/me/set/2.png": {"caption": "a", "tags": "cat"}}',
        ),
        ("data.jsonl", '{"caption": ["a dog"], "file_name": "1.png"}\n{"caption": "a cat", "file_name": "2.png"}\n'),
    ],
)
def test_a_list_of_captions_is_read(tmp_path: Path, name: str, content: str) -> None:
    write_captioned(tmp_path, {"1": None, "2": None})
    write(tmp_path / name, content)
    assert Captions().matches(tmp_path) == Certainty.LIKELY
    assert [text.replace(",", "") for text in captions(tmp_path).values() if text] == ["a dog", "a cat"]
    assert reads.remarks(tmp_path) == []


def test_kohyas_tags_follow_the_caption(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"img/1": None})
    write(
        tmp_path / "meta_lat.json", '{"1": {"caption": "a dog", "tags": "dog, grass", "train_resolution": [512, 512]}}'
    )
    assert captions(tmp_path) == {"img/1.png": "a dog, dog, grass"}
    assert details(tmp_path) == ["the field 'train_resolution' is not read"]


def test_what_a_list_does_not_know_has_no_caption(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": None, "2": None})
    write(tmp_path / "captions.json", '{"1.png": "a dog"}')
    assert captions(tmp_path) == {"1.png": "a dog", "2.png": ""}


def test_a_text_beside_the_image_goes_before_the_list(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "a dog", "2": "a cat"})
    write(
        tmp_path / "captions.jsonl",
        '{"file_name": "1.png", "text": "a dog"}\n{"file_name": "2.png", "text": "a puss"}\n',
    )
    assert captions(tmp_path) == {"1.png": "a dog", "2.png": "a cat"}
    assert findings(tmp_path)["unsupported_annotations"] == ("captions.jsonl:2",)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('{"file_name": "gone.png", "text": "x"}', "missing_image"),
        ('{"file_name": "../1.png", "text": "x"}', "missing_image"),
        ('{"file_name": "/etc/passwd", "text": "x"}', "missing_image"),
        ('{"file_name": "https://host/3.png", "text": "x"}', "missing_image"),
        ('{"file_name": "train/1.png", "text": "x"}', "missing_image"),
        ('{"file_name": "\\u0000", "text": "x"}', "missing_image"),
        ('{"file_name": "1.png", "text": "again"}', "unsupported_annotations"),
        ('{"file_name": "2.png", "text": 7}', "broken_annotations"),
        ('{"file_name": "2.png", "tags": [7]}', "broken_annotations"),
        ('{"file_name": 2, "text": "x"}', "broken_annotations"),
        ('{"text": "x"}', "broken_annotations"),
        ("[]", "broken_annotations"),
        ("not json", "broken_annotations"),
        ("[" * 100_000, "broken_annotations"),
        ('{"file_name": "2.png", "text": "\\ud800"}', "broken_annotations"),
        ('{"file_name": "2.png", "text": 1e400}', "broken_annotations"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_number(tmp_path: Path, line: str, code: str) -> None:
    write_captioned(tmp_path, {"1": None, "2": None})
    write(tmp_path / "captions.jsonl", f'{{"file_name": "1.png", "text": "a dog"}}\n\n{line}\n')
    assert (code, "captions.jsonl", "3") in reads.remarks(tmp_path)
    assert captions(tmp_path) == {"1.png": "a dog", "2.png": ""}


def test_texts_and_lists_that_powershell_wrote_anew_are_read(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "Köter".encode("utf-16"), "2": None})
    write(tmp_path / "list.jsonl", '{"file_name": "2.png", "text": "Häsin"}\n'.encode("utf-16"))
    assert Captions().matches(tmp_path) == Certainty.LIKELY
    assert captions(tmp_path) == {"1.png": "Köter", "2.png": "Häsin"}


@pytest.mark.parametrize("content", ["", "{", "7", '{"1.png": "a dog"', "[" * 100_000, "\xff", '{"1.png": NaN}'])
def test_a_list_that_is_none_makes_the_set_unreadable(tmp_path: Path, content: str) -> None:
    write_captioned(tmp_path, {"1": None})
    write(tmp_path / "captions.json", content.encode("latin-1"))
    with pytest.raises(Unreadable):
        Captions().read(tmp_path)
    assert "captions.json" in inspect(tmp_path).ready_for("text_to_image").missing[0]


def test_a_name_that_several_images_have_means_none(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"a/1": None, "b/1": None})
    write(tmp_path / "captions.json", '{"1.png": "which?", "a/1.png": "this"}')
    assert captions(tmp_path) == {"a/1.png": "this", "b/1.png": ""}
    assert reads.remarks(tmp_path) == [("missing_image", "captions.json", "entry 1")]


def test_a_json_of_something_else_is_no_list(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"1": "a dog"})
    write(tmp_path / "1.json", '{"tags": "dog", "filename": "1", "file_url": "https://host/1.png"}')
    write(tmp_path / "package.json", '{"name": "x", "version": "1"}')
    write(tmp_path / "list.json", "[1, 2]")
    assert [code for code, _, _ in reads.remarks(tmp_path)] == ["other_file"] * 3


# Telling it from others


def certainty(root: Path) -> Certainty:
    return Captions().matches(root)


def test_class_folders_are_no_captions(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train": {"cats": 2, "dogs": 2}, "val": {"cats": 1, "dogs": 1}})
    write(tmp_path / "train" / "cats" / "0.txt", "a note on one of the cats")
    assert certainty(tmp_path) == Certainty.NO


@pytest.mark.parametrize(
    "names",
    [
        ("cats", "dogs"),
        ("cats",),
        ("1_cats", "2_dogs"),
        ("0_cat", "1_dog"),
        ("3_deer", "4_frog", "5_dog"),
        ("images", "masks"),
    ],
)
def test_images_in_folders_with_names_of_their_own_are_no_captions(tmp_path: Path, names: tuple[str, ...]) -> None:
    write_class_folders(tmp_path, {"": dict.fromkeys(names, 2)})
    assert certainty(tmp_path) == Certainty.NO


@pytest.mark.parametrize(
    "names",
    [
        ("10_sks dog",),
        ("10_a", "10_b"),
        ("img/10_a", "img/20_b"),
        ("img/10_a", "reg/1_b"),
        ("train", "val"),
        ("images",),
    ],
)
def test_images_alone_and_folders_of_kohya_may_be_captions(tmp_path: Path, names: tuple[str, ...]) -> None:
    write_class_folders(tmp_path, {"": dict.fromkeys(names, 2)})
    assert certainty(tmp_path) == Certainty.POSSIBLE
    assert detect(tmp_path).name == "captions"  # type: ignore[union-attr]


def test_captions_in_class_folders_are_captions(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"cats/1": "a cat", "cats/2": "a cat", "dogs/1": "a dog", "dogs/2": None})
    assert certainty(tmp_path) == Certainty.LIKELY
    assert captions(tmp_path)["dogs/1.png"] == "a dog"


@pytest.mark.parametrize(
    "labels",
    [
        "0 0.5 0.5 0.25 0.25\n1 0.1 0.1 1e-05 0.2\n",
        "0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9\n",
        "imagesource:GoogleEarth\ngsd:0.146\n2753 2408 2861 2385 2888 2468 2805 2502 plane 1\n",
        "Car 0.00 0 1.55 614.24 181.78 727.31 284.77 1.57 1.73 4.15 1.00 1.75 13.22 1.62\n",
    ],
)
def test_labels_are_no_captions(tmp_path: Path, labels: str) -> None:
    write_captioned(tmp_path, {"1": labels, "2": labels, "3": ""})
    assert certainty(tmp_path) == Certainty.NO


def test_images_beside_a_folder_of_labels_are_no_captions(tmp_path: Path) -> None:
    write_captioned(tmp_path, {"images/1": None, "images/2": None})
    write(tmp_path / "labels" / "1.txt", "0 0.5 0.5 0.1 0.1")
    assert certainty(tmp_path) == Certainty.NO


def test_texts_without_images_are_no_captions(tmp_path: Path) -> None:
    write(tmp_path / "1.txt", "a dog")
    write(tmp_path / "captions.json", '{"1.png": "a dog"}')
    assert certainty(tmp_path) == Certainty.NO


# Whatever is in it


_VALUES = (b'"\\u0000"', b"[[]]", b"7", b"-" * 50, b'"%s"' % (b"x" * 1000))
_SOUND = {
    "captions.jsonl": b'{"file_name": "1.png", "text": "a dog"}\n{"file_name": "2.png", "caption": "b", "tags": ["c"]}\n',
    "meta.json": b'{"1": {"caption": "a", "tags": "b, c"}, "2.png": {"caption": "d"}}',
    "1.txt": "ein Köter\nim Gras".encode(),
}


@pytest.mark.parametrize("name", _SOUND)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_damaged_file_is_told_and_never_raises(name: str, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_captioned(Path(folder), {"1": None, "2": None, "3": "sound"})
        write(root / name, mutated(_SOUND[name], Random(seed), _VALUES))
        report = inspect(root)
        assert report.format == "captions"
