"""Hugging Face's image folders are read as their own library reads them, and whatever is wrong has its line."""

import json
import tempfile
from pathlib import Path
from random import Random

import pytest
from fuzz.mutation import mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reads import write

from eyebright_kit.data.conformance import Example, FormatConformance, write_class_folders, write_image
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.features import Feature
from eyebright_kit.data.format import Candidate, Certainty, Remark, detect
from eyebright_kit.data.formats.metadata import Metadata
from eyebright_kit.data.inspect import Rules, inspect
from eyebright_kit.data.manifest import Manifest, Sample
from eyebright_kit.data.version import prepare
from eyebright_wire.datasets import Split

_CLASSES = {Feature.CLASS_ORDER, Feature.CLASS_NAMES}


def write_set(root: Path, *rows: dict[str, object], table: str = "metadata.jsonl") -> Path:
    """The images that the rows name, and the rows."""
    folder = (root / table).parent
    for seed, row in enumerate(rows):
        if isinstance(name := row.get("file_name"), str) and not (folder / name).exists():
            write_image(folder / name, seed)
    write(root / table, "".join(json.dumps(row) + "\n" for row in rows))
    return root


class TestMetadataOfCaptions(FormatConformance):
    form = Metadata()
    flavours = (frozenset({Feature.CAPTION}), frozenset({Feature.LABEL, Feature.CAPTION, *_CLASSES}))

    def example(self, root: Path) -> Example:
        write_set(root, {"file_name": "train/1.png", "text": "a dog"}, {"file_name": "val/2.png", "text": "a cat"})
        return Example((), {Split.TRAIN: 1, Split.VAL: 1}, ("text_to_image",), frozenset({"metadata.jsonl"}))


class TestMetadataOfClasses(FormatConformance):
    form = Metadata()
    flavours = (frozenset({Feature.LABEL}), frozenset({Feature.LABEL, *_CLASSES}))

    def example(self, root: Path) -> Example:
        for split in ("train", "validation"):
            rows = [{"file_name": f"{split[0]}{n}.png", "label": ("dog", "cat")[n % 2]} for n in range(4)]
            write_set(root, *rows, table=f"data/{split}/metadata.jsonl")
        return Example(
            ("cat", "dog"),
            {Split.TRAIN: 4, Split.VAL: 4},
            ("classification",),
            frozenset({"data/train/metadata.jsonl", "data/validation/metadata.jsonl"}),
        )


class TestMetadataOfObjects(FormatConformance):
    form = Metadata()
    flavours = (frozenset({Feature.BOX}), frozenset({Feature.BOX, Feature.LABEL, Feature.CAPTION, *_CLASSES}))

    def example(self, root: Path) -> Example:
        objects = {"bbox": [[1, 2, 5, 6], [0.5, 0, 8, 9]], "categories": [1, 0]}
        for split in ("train", "val"):
            write_set(root, {"file_name": "1.png", "objects": objects}, table=f"{split}/metadata.jsonl")
        write(root / "README.md", card("objects", "categories", "zebra", "ant"))
        return Example(
            ("zebra", "ant"),
            {Split.TRAIN: 1, Split.VAL: 1},
            ("detection",),
            frozenset({"README.md", "train/metadata.jsonl", "val/metadata.jsonl"}),
        )


def card(outer: str, column: str, *names: str) -> str:
    """As huggingface_hub writes it."""
    listed = "".join(f"\n              '{number}': {name}" for number, name in enumerate(names))
    return (
        "---\nlicense: mit\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n"
        f"  - name: {outer}\n    list:\n    - name: {column}\n      dtype:\n          class_label:\n            names:{listed}\n"
        "---\n# About\n\nPhotographs.\n"
    )


def version(root: Path) -> tuple[tuple[str, ...], dict[str, Sample]]:
    with tempfile.TemporaryDirectory() as work:
        manifest: Manifest = prepare(root, work=Path(work), rules=Rules(leave_out_broken=True)).manifest
        return manifest.header.classes, {sample.source: sample for sample in manifest.samples()}


def labels(root: Path) -> dict[str, str | None]:
    classes, samples = version(root)
    return {name: None if s.label is None else classes[s.label] for name, s in samples.items()}


def captions(root: Path) -> dict[str, str | None]:
    return {name: sample.caption for name, sample in version(root)[1].items()}


def boxes(root: Path) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    classes, samples = version(root)
    return {name: [(classes[each.label], each.box) for each in s.instances] for name, s in samples.items()}


def findings(root: Path) -> dict[str, tuple[str, ...]]:
    return {found.code: found.examples for found in inspect(root).findings}


def message(root: Path, code: str) -> str:
    return next(found.message for found in inspect(root).findings if found.code == code)


def remarks(root: Path) -> list[tuple[str, str, str, str]]:
    found = [found for found in Metadata().read(root).found() if isinstance(found, Remark)]
    return sorted((f.code, f.path.relative_to(root).as_posix(), f.mark, f.detail) for f in found)


# Where it lies


def test_names_are_relative_to_the_table_wherever_that_lies(tmp_path: Path) -> None:
    write_set(tmp_path / "set", {"file_name": "images/1.png", "text": "a"}, table="train/metadata.jsonl")
    write_set(tmp_path / "set", {"file_name": "./2.png", "text": "b"}, table="test/metadata.jsonl")
    assert captions(tmp_path) == {"train/images/1.png": "a", "test/2.png": "b"}
    assert {c.split for c in Metadata().read(tmp_path).found() if isinstance(c, Candidate)} == {Split.TRAIN, Split.TEST}
    assert Metadata().read(tmp_path).splits == {Split.TEST: "test/", Split.TRAIN: "train/"}


def test_backslashes_are_slashes(tmp_path: Path) -> None:
    write_image(tmp_path / "train" / "1.png", 1)
    write(tmp_path / "metadata.jsonl", '{"file_name": "train\\\\1.png", "text": "a"}')
    assert captions(tmp_path) == {"train/1.png": "a"}


@pytest.mark.parametrize(
    "name", ["../1.png", "a/../../1.png", "/etc/passwd", "C:/1.png", "https://host/1.png", "", ".", "\0"]
)
def test_a_name_that_leads_elsewhere_is_not_followed(tmp_path: Path, name: str) -> None:
    write_set(tmp_path / "set", {"file_name": "1.png", "text": "a"})
    write_image(tmp_path / "1.png", 9)
    with (tmp_path / "set" / "metadata.jsonl").open("a") as file:
        file.write(json.dumps({"file_name": name, "text": "b"}))
    assert findings(tmp_path / "set")["missing_image"] == ("metadata.jsonl:2",)
    assert captions(tmp_path / "set") == {"1.png": "a"}


def test_images_without_a_row_are_told(tmp_path: Path) -> None:
    write_set(tmp_path, {"file_name": "1.png", "text": "a"})
    write_image(tmp_path / "2.png", 2)
    assert findings(tmp_path)["unlisted_image"] == ("2.png",)


def test_of_two_tables_in_a_folder_one_is_read_and_the_other_told(tmp_path: Path) -> None:
    write_set(tmp_path, {"file_name": "1.png", "text": "a"})
    write(tmp_path / "metadata.csv", "file_name,text\n1.png,b\n")
    assert captions(tmp_path) == {"1.png": "a"}
    assert findings(tmp_path)["unsupported_annotations"] == ("metadata.csv",)


def test_parquet_is_told_with_a_way_out(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png", 1)
    write(tmp_path / "metadata.parquet", b"PAR1")
    assert inspect(tmp_path).format == "metadata"
    assert "to_json('metadata.jsonl'" in message(tmp_path, "unsupported_annotations")


# What it says


@pytest.mark.parametrize("column", ["text", "caption", "prompt"])
def test_a_caption_has_one_of_three_columns(tmp_path: Path, column: str) -> None:
    write_set(tmp_path, {"file_name": "1.png", column: "a\ndog\x1b"}, {"file_name": "2.png", column: None})
    assert captions(tmp_path) == {"1.png": "a dog\\x1b", "2.png": ""}
    assert findings(tmp_path)["missing_caption"] == ("2.png",)


def test_without_a_column_for_captions_none_is_missing(tmp_path: Path) -> None:
    write_set(tmp_path, {"file_name": "1.png", "label": "a"})
    assert captions(tmp_path) == {"1.png": None}
    assert "missing_caption" not in findings(tmp_path)


@pytest.mark.parametrize("text", ["file_name\n1.png\n2.png\n", "file_name,text\n1.png,\n2.png,\n"])
def test_images_of_which_nothing_is_said_lack_captions_as_images_alone_do(tmp_path: Path, text: str) -> None:
    alone = tmp_path / "alone"
    for folder in (tmp_path / "set", alone):
        write_image(folder / "1.png", 1)
        write_image(folder / "2.png", 2)
    write(tmp_path / "set" / "metadata.csv", text)
    assert captions(tmp_path / "set") == {"1.png": "", "2.png": ""}
    both = ("1.png", "2.png")
    assert findings(tmp_path / "set") == findings(alone) == {"missing_caption": both, "small_images": both}
    for root in (tmp_path / "set", alone):
        assert inspect(root).ready_for("text_to_image").ready


@pytest.mark.parametrize(
    "said",
    [
        {"label": "a"},
        {"label": "a", "text": ""},
        {"objects": {"bbox": [[1, 1, 4, 4]], "categories": ["a"]}},
    ],
)
def test_classes_or_objects_without_any_caption_teach_no_text_to_image(tmp_path: Path, said: dict[str, object]) -> None:
    write_set(tmp_path, {"file_name": "1.png", **said}, {"file_name": "2.png", **said})
    assert inspect(tmp_path).ready_for("text_to_image").missing == (
        "no image has a caption; text to image needs a caption for each image: a text beside it (1.txt beside 1.jpg) or a "
        "captions.jsonl",
    )
    write(tmp_path / "metadata.jsonl", json.dumps({"file_name": "1.png", **said, "text": "a dog"}))
    assert inspect(tmp_path).ready_for("text_to_image").ready


def test_of_several_captions_the_first_is_read_and_the_others_told(tmp_path: Path) -> None:
    write_set(tmp_path, {"file_name": "1.png", "text": ["a", "b", "c"]}, {"file_name": "2.png", "text": []})
    assert captions(tmp_path) == {"1.png": "a", "2.png": ""}
    assert "metadata.jsonl:1: the first of 3 captions is read" in message(tmp_path, "unsupported_annotations")


def test_classes_by_name_are_sorted(tmp_path: Path) -> None:
    write_set(tmp_path, *({"file_name": f"{n}.png", "label": f"c{n}"} for n in (10, 9, 2)))
    assert version(tmp_path)[0] == ("c2", "c9", "c10")
    assert labels(tmp_path)["9.png"] == "c9"


def test_classes_by_number_are_called_by_it(tmp_path: Path) -> None:
    write_set(tmp_path, *({"file_name": f"{n}.png", "label": n} for n in (7, 2)), {"file_name": "x.png", "label": -1})
    assert version(tmp_path)[0] == ("2", "7")
    assert labels(tmp_path) == {"2.png": "2", "7.png": "7", "x.png": None}
    assert "unnamed_classes" in findings(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README.md", "---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n"
         "          '0': dog\n          '1': cat\n---\n"),
        ("README.md", "---\r\ndataset_info:\r\n- config_name: default\r\n  features:\r\n  - {name: label, dtype: {class_label: "
         "{names: [dog, cat]}}}\r\n---\r\n# A set"),
        ("dataset_infos.json", '{"default": {"features": {"label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}}}'),
        ("dataset_infos.json", '{"default": {"features": {"label": {"num_classes": 2, "names": ["dog", "cat"]}}}}'),
    ],
)  # fmt: skip
def test_a_card_names_the_numbers(tmp_path: Path, name: str, content: str) -> None:
    rows: list[dict[str, object]] = [{"file_name": "1.png", "label": 1}, {"file_name": "2.png", "label": "dog"}]
    write_set(tmp_path, *rows, {"file_name": "3.png", "label": 2}, {"file_name": "4.png", "label": "emu"})
    write(tmp_path / name, content)
    assert version(tmp_path)[0] == ("dog", "cat")
    assert labels(tmp_path) == {"1.png": "cat", "2.png": "dog"}
    assert findings(tmp_path)["class_without_name"] == ("metadata.jsonl:3", "metadata.jsonl:4")


def test_a_number_that_is_a_name_counts_all_the_same(tmp_path: Path) -> None:
    write_set(tmp_path, {"file_name": "1.png", "label": 0}, {"file_name": "2.png", "label": "0"})
    write(tmp_path / "dataset_infos.json", '{"features": {"label": {"names": ["1", "0"]}}}')
    assert labels(tmp_path) == {"1.png": "1", "2.png": "0"}


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("# no front matter", "other_file"),
        ("---\nlicense: mit\n---\n", "other_file"),
        ("---\na: [\n---\n", "unsupported_annotations"),
        ("---\na: !!python/object:os.system {}\n---\n", "unsupported_annotations"),
        ("---\nfeatures: {name: label, class_label: {names: {'1': a, '7': b}}}\n---\n", "other_file"),
        ("---\nfeatures: {name: label, class_label: {names: [1, null]}}\n---\n", "other_file"),
        ("---\n" + "[" * 500 + "\n---\n", "unsupported_annotations"),
    ],
)
def test_a_card_that_names_nothing_is_told(tmp_path: Path, card: str, code: str) -> None:
    write_set(tmp_path, {"file_name": "1.png", "label": "dog"})
    write(tmp_path / "README.md", card)
    assert [(found[0], found[1]) for found in remarks(tmp_path)] == [(code, "README.md")]
    assert labels(tmp_path) == {"1.png": "dog"}


def test_a_card_that_is_nested_without_end_is_told(tmp_path: Path) -> None:
    write_set(tmp_path, {"file_name": "1.png", "label": "dog"})
    write(tmp_path / "dataset_infos.json", '{"a":' * 900 + "1" + "}" * 900)
    assert remarks(tmp_path)[0][1] == "dataset_infos.json"


@pytest.mark.parametrize(
    "objects",
    [
        {"bbox": [[1, 2, 5, 6], [0.5, 0, 8, 9]], "categories": [1, 0]},
        {"bbox": [[1, 2, 5, 6], [0.5, 0, 8, 9]], "category": ["1", "0"]},
        [{"bbox": [1, 2, 5, 6], "category": 1}, {"bbox": [0.5, 0, 8, 9], "category": 0}],
        [{"bbox": [1, 2, 5, 6], "label": 1.0}, {"bbox": [0.5, 0, 8, 9], "label": 0}],
    ],
)
def test_objects_are_columns_or_one_after_the_other(tmp_path: Path, objects: object) -> None:
    write_set(tmp_path, {"file_name": "1.png", "objects": objects}, {"file_name": "2.png", "objects": None})
    assert boxes(tmp_path) == {"1.png": [("1", (1, 2, 5, 6)), ("0", (0.5, 0, 8, 9))], "2.png": []}


def test_classes_of_images_and_of_objects_are_one_list(tmp_path: Path) -> None:
    objects = {"bbox": [[1, 2, 5, 6]], "categories": ["dog"]}
    write_set(tmp_path, {"file_name": "1.png", "label": "indoors", "objects": objects})
    assert version(tmp_path)[0] == ("indoors", "dog")
    assert boxes(tmp_path)["1.png"] == [("dog", (1, 2, 5, 6))]


def test_what_is_wrong_with_a_box_is_told_with_its_line(tmp_path: Path) -> None:
    sound = {"file_name": "1.png", "objects": {"bbox": [[1, 2, 5, 6]], "categories": ["a"]}}
    far = {"file_name": "2.png", "objects": {"bbox": [[99, 99, 5, 6]], "categories": ["a"]}}
    write_set(tmp_path, sound, far)
    assert findings(tmp_path)["box_outside"] == ("metadata.jsonl:2",)


def test_columns_that_are_not_read_are_told_once(tmp_path: Path) -> None:
    objects = {"bbox": [[1, 2, 5, 6]], "categories": [0], "area": [30]}
    rows: list[dict[str, object]] = [
        {"file_name": f"{n}.png", "text": "a", "caption": "b", "objects": objects} for n in (1, 2)
    ]
    write_set(tmp_path, *rows, {"file_name": "3.png", "mask_file_name": "3m.png", "x\x1b": 1})
    told = [found for found in remarks(tmp_path) if found[0] == "unsupported_annotations"]
    assert [(mark, detail) for _, _, mark, detail in told] == [
        ("1", "the column 'caption' is not read"),
        ("1", "the column 'objects.area' is not read"),
        ("3", "the column 'mask_file_name' is not read; it names further files"),
        ("3", "the column 'x\\x1b' is not read"),
    ]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("not json", "broken_annotations"),
        ("[]", "broken_annotations"),
        ("{}", "broken_annotations"),
        ('{"image": "2.png"}', "broken_annotations"),
        ('{"file_name": 2}', "broken_annotations"),
        ('{"file_name": "2.png", "label": true}', "broken_annotations"),
        ('{"file_name": "2.png", "label": [0]}', "broken_annotations"),
        ('{"file_name": "2.png", "label": 1.5}', "broken_annotations"),
        ('{"file_name": "2.png", "label": -2}', "broken_annotations"),
        ('{"file_name": "2.png", "label": 1e400}', "broken_annotations"),
        ('{"file_name": "2.png", "label": ' + "9" * 5000 + "}", "broken_annotations"),
        ('{"file_name": "2.png", "text": 7}', "broken_annotations"),
        ('{"file_name": "2.png", "text": {"en": "a"}}', "broken_annotations"),
        ('{"file_name": "2.png", "text": "\\ud800"}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": 7}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {}}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {"bbox": [[1, 2, 3, 4]]}}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {"categories": [0]}}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {"bbox": [[1, 2, 3, 4]], "categories": []}}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {"bbox": [[1, 2, 3]], "categories": [0]}}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {"bbox": [["a", 2, 3, 4]], "categories": [0]}}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {"bbox": [[1, 2, 3, NaN]], "categories": [0]}}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {"bbox": [[1, 2, 3, 1e400]], "categories": [0]}}', "broken_annotations"),
        ('{"file_name": "2.png", "objects": {"bbox": [[1, 2, 3e307, 1e308]], "categories": [0]}}', "box_out_of_range"),
        ('{"file_name": "2.png", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [null]}}', "class_without_name"),
        ('{"file_name": "2.png", "objects": ' + "[" * 100_000 + "}", "broken_annotations"),
        ('{"file_name": "1.png", "text": "again"}', "unsupported_annotations"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row_is_told_with_its_line(tmp_path: Path, row: str, code: str) -> None:
    write_set(tmp_path, {"file_name": "1.png", "text": "a dog"})
    write_image(tmp_path / "2.png", 2)
    with (tmp_path / "metadata.jsonl").open("a") as file:
        file.write(f"\n{row}\n")
    assert "metadata.jsonl:3" in findings(tmp_path)[code]
    assert captions(tmp_path)["1.png"] == "a dog"


def test_an_image_whose_objects_stand_in_two_rows_is_left_out(tmp_path: Path) -> None:
    row = {"file_name": "1.png", "objects": {"bbox": [[1, 2, 5, 6]], "categories": ["a"]}}
    write_set(tmp_path, row, row, row, {"file_name": "2.png"})
    assert findings(tmp_path)["broken_annotations"] == ("metadata.jsonl:2", "metadata.jsonl:3")
    assert list(boxes(tmp_path)) == ["2.png"]


# CSV


def write_csv(root: Path, content: str | bytes) -> Path:
    for n in (1, 2, 3):
        write_image(root / f"{n}.png", n)
    write(root / "metadata.csv", content)
    return root


@pytest.mark.parametrize(
    "content",
    [
        'file_name,text\n1.png,"a ""red"" dog, running"\n2.png,\n3.png,c\n',
        '\ufefffile_name,text\r\n1.png,"a ""red"" dog,\nrunning"\r\n\r\n2.png,\r\n3.png,c',
        'text,file_name\n"a ""red"" dog, running",1.png\n,2.png\nc,3.png\n',
    ],
)
def test_csv_is_read_as_pandas_does(tmp_path: Path, content: str) -> None:
    write_csv(tmp_path, content)
    assert Metadata().matches(tmp_path) == Certainty.SURE
    assert captions(tmp_path) == {"1.png": 'a "red" dog, running', "2.png": "", "3.png": "c"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [";", "\t"])
def test_columns_may_be_separated_as_excel_does(tmp_path: Path, mark: str, end: str, encoding: str) -> None:
    lines = ("file_name,label,text", '1.png,dog,"a, b; c\td"', "2.png,cat,", "3.png,dog,e")
    cells = [line.split(",", 2) for line in lines]
    write_csv(tmp_path, end.join(mark.join(row) for row in cells).encode(encoding))
    assert detect(tmp_path).name == "metadata"  # type: ignore[union-attr]
    assert labels(tmp_path) == {"1.png": "dog", "2.png": "cat", "3.png": "dog"}
    assert captions(tmp_path) == {"1.png": "a, b; c d", "2.png": "", "3.png": "e"}


def test_a_name_with_another_sign_between_does_not_decide(tmp_path: Path) -> None:
    write_csv(tmp_path, 'file_name;"label,text"\n1.png;a\n')
    assert [detail for code, _, _, detail in remarks(tmp_path) if code == "unsupported_annotations"] == [
        "the column 'label,text' is not read"
    ]


def test_json_lines_that_powershell_wrote_anew_are_read(tmp_path: Path) -> None:
    write_set(tmp_path, {"file_name": "1.png", "text": "Köter"})
    table = tmp_path / "metadata.jsonl"
    table.write_bytes(table.read_bytes().decode().encode("utf-16"))
    assert Metadata().matches(tmp_path) == Certainty.SURE
    assert captions(tmp_path) == {"1.png": "Köter"}


def test_numbers_in_csv_are_numbers_even_with_gaps(tmp_path: Path) -> None:
    write_csv(tmp_path, "file_name,label\n1.png,1.0\n2.png,\n3.png,0\n")
    write(tmp_path / "dataset_infos.json", '{"features": {"label": {"names": ["dog", "cat"]}}}')
    assert labels(tmp_path) == {"1.png": "cat", "2.png": None, "3.png": "dog"}


def test_objects_in_a_cell_are_json(tmp_path: Path) -> None:
    write_csv(
        tmp_path,
        'file_name,objects\n1.png,"{""bbox"": [[1, 2, 3, 4]], ""categories"": [""a""]}"\n2.png,\n3.png,"{\'bbox\': 1}"\n',
    )
    assert boxes(tmp_path) == {"1.png": [("a", (1, 2, 3, 4))], "2.png": []}
    assert findings(tmp_path)["broken_annotations"] == ("metadata.csv:4",)


def test_a_row_of_csv_with_too_few_cells_is_told_where_it_begins(tmp_path: Path) -> None:
    write_csv(tmp_path, 'file_name,text\n1.png,"two\nlines"\n2.png\n3.png,c,d\n')
    assert findings(tmp_path)["broken_annotations"] == ("metadata.csv:4", "metadata.csv:5")
    assert captions(tmp_path) == {"1.png": "two lines"}


@pytest.mark.parametrize(
    "content",
    [b"file_name,text\n1.png,\xff\n", b'file_name,text\n1.png,"open', b"file_name,text\n1.png," + b"x" * 200_000],
)
def test_what_is_no_csv_makes_the_set_unreadable(tmp_path: Path, content: bytes) -> None:
    write_csv(tmp_path, content)
    with pytest.raises(Unreadable) as caught:
        Metadata().read(tmp_path)
    assert caught.value.line is not None
    assert "metadata.csv" in inspect(tmp_path).ready_for("text_to_image").missing[0]


# Telling it from others


@pytest.mark.parametrize(
    ("name", "content", "certainty"),
    [
        ("metadata.jsonl", '{"file_name": "1.png"}', Certainty.SURE),
        ("metadata.jsonl", "broken", Certainty.LIKELY),
        ("metadata.jsonl", '{"image": "1.png", "caption": "a"}', Certainty.NO),
        ("metadata.csv", '"file_name","x"\n', Certainty.SURE),
        ("metadata.csv", "image,label\n", Certainty.NO),
        ("metadata.csv", "image;label\n", Certainty.NO),
        ("metadata.csv", "my file_name;label\n", Certainty.NO),
        ("metadata.csv", 'label;"file_name"\n', Certainty.SURE),
        ("my-metadata.jsonl", '{"file_name": "1.png"}', Certainty.NO),
    ],
)
def test_a_table_must_have_a_column_for_names(tmp_path: Path, name: str, content: str, certainty: Certainty) -> None:
    write_class_folders(tmp_path, {"": {"cats": 1, "dogs": 1}})
    write(tmp_path / name, content)
    assert Metadata().matches(tmp_path) == certainty


# Whatever is in it


_VALUES = (b'"\\u0000"', b"[[]]", b"7", b"-" * 50, b'"%s"' % (b"x" * 1000))
_SOUND = {
    "metadata.jsonl": b'{"file_name": "1.png", "label": 1, "objects": {"bbox": [[1, 2, 3, 4.5]], "categories": ["a"]}}\n'
    b'{"file_name": "2.png", "text": "b", "label": "x", "objects": [{"bbox": [0, 0, 9, 9], "category": 1}]}\n',
    "metadata.csv": b'file_name,label,text\n1.png,1,"a ""dog"""\n2.png,0,"two\nlines"\n',
    "README.md": card("objects", "categories", "zebra", "ant").encode(),
    "dataset_infos.json": b'{"default": {"features": {"label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}}}',
}


@pytest.mark.parametrize("name", _SOUND)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_damaged_file_is_told_and_never_raises(name: str, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_set(Path(folder), {"file_name": "3.png", "label": 0}, table="val/metadata.jsonl")
        write_image(root / "1.png", 1)
        write_image(root / "2.png", 2)
        write(root / name, mutated(_SOUND[name], Random(seed), _VALUES))
        assert inspect(root).format == "metadata"
