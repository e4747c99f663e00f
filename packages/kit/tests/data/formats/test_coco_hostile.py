"""A COCO file of a stranger leads nowhere and brings nothing down."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from coco_sets import (
    KEYPOINTS,
    WHERE,
    candidates,
    categories,
    codes,
    image,
    one_file,
    only,
    roboflow,
    told,
    with_first,
)
from fuzz.mutation import mutated_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyebright_kit.data.conformance import write_image
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.formats.coco import Coco
from eyebright_kit.data.inspect import inspect


def test_an_image_that_is_listed_a_hundred_thousand_times_is_soon_read(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": "1.png"} for number in range(100_000)]
    only(tmp_path, "annotations.json", {"images": images, "annotations": [], "categories": []})
    began = time.process_time()
    assert len(list(Coco().read(tmp_path).found())) == 100_000
    assert time.process_time() - began < 20  # if each were compared with all others: hours


def test_names_are_text_that_is_safe_to_show(tmp_path: Path) -> None:
    one_file(tmp_path, categories((1, "c\x1b[31mat"), (3, "Ko\u0308ter")))
    assert Coco().read(tmp_path).classes == ("c\\x1b[31mat", "K\u00f6ter")


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/hostname", "..", "/", "images", "https://example.com/", "\u0000"]
)
def test_a_name_of_what_is_not_in_the_data_set_leads_nowhere(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / "secret.png", 1)
    one_file(tmp_path / "set", image(3, file_name=name))
    found = told(tmp_path / "set")
    assert {code for code, _, _ in found} == {"missing_image", "unlisted_image"}
    assert all(each.path.is_relative_to(tmp_path / "set") for each in candidates(tmp_path / "set").values())


def replaced(old: str, new: str) -> Callable[[str], bytes]:
    def change(text: str) -> bytes:
        assert old in text
        return text.replace(old, new).encode("latin-1")

    return change


UNREADABLE: dict[str, tuple[Callable[[str], bytes], str]] = {
    "cut off": (lambda text: text[: len(text) // 2].encode(), "it is no JSON: Input data was truncated"),
    "not a number": (replaced("[2, 1, 4, 5]", "[NaN, 1, 4, 5]"), "it is no JSON: JSON is malformed: invalid character"),
    "endless": (replaced("[2, 1, 4, 5]", "[-Infinity, 1, 4, 5]"), "it is no JSON: JSON is malformed"),
    "nested deep": (
        replaced('"info": {', '"info": {"a":' + "[" * 10_000 + "]" * 10_000 + ","),
        "it is nested too deep",
    ),
    "images of text": (replaced('"images": [', '"images": "none", "x": ['), "Expected `array | null`, got `str`"),
    "a category of text": (
        replaced('"categories": [', '"categories": ["cat", '),
        "category number 1: Expected `object`",
    ),
    "a category without a number": (
        replaced('"id": 3, "name": "dog"', '"name": "dog"'),
        "category number 1: Object missing",
    ),
    "a skeleton of text": (
        replaced('"name": "dog"', '"name": "dog", "skeleton": "none"'),
        "category number 1: Expected `array | null`",
    ),
    "no text": (replaced('"name": "dog"', '"name": "\xff"'), "category number 1: it is no UTF-8 text"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_cannot_be_read_as_a_whole_says_why(tmp_path: Path, what: str) -> None:
    change, said = UNREADABLE[what]
    path = one_file(tmp_path)
    path.write_bytes(change(path.read_text()))
    assert Coco().matches(tmp_path)
    report = inspect(tmp_path)
    assert [finding.code for finding in report.findings] == ["broken_annotations"]
    assert said in report.findings[0].message
    assert said in report.ready_for("detection").missing[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[2, 1, 4, 5]", "[1e400, 1, 4, 5]"),
        ("[2, 1, 4, 5]", f"[{'9' * 5000}, 1, 4, 5]"),
        ("[[2, 1, 6, 1, 6, 6, 2, 6]]", '{"size": [16, 16], "counts": [-5, 261]}'),
        ("[[2, 1, 6, 1, 6, 6, 2, 6]]", '{"size": [16, 16], "counts": "' + "o" * 50_000 + '"}'),
        ("[[2, 1, 6, 1, 6, 6, 2, 6]]", '{"size": [16, 16], "counts": [1e30]}'),
        ('"category_id": 1, "id": 10}', '"category_id": 1, "id": 10, "attributes": {"a": 1e400}}'),
    ],
)
def test_numbers_without_end_break_one_entry(tmp_path: Path, old: str, new: str) -> None:
    path = one_file(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert {(code, where) for code, where, _ in told(tmp_path)} <= {
        ("broken_annotations", f"{WHERE}:annotation 10"),
        ("broken_annotations", f"{WHERE}:entry 1"),
    }
    assert codes(tmp_path) == {"broken_annotations"}


def test_a_list_that_is_a_link_out_of_the_data_set_is_not_read(tmp_path: Path) -> None:
    path = one_file(tmp_path / "set")
    path.rename(tmp_path / "instances_train.json")
    path.symlink_to(tmp_path / "instances_train.json")
    with pytest.raises(Unreadable) as caught:
        Coco().read(tmp_path / "set")
    assert caught.value.code == "outside_link"


def test_a_listed_image_that_is_a_link_out_of_the_data_set_is_not_used(tmp_path: Path) -> None:
    one_file(tmp_path / "set")
    image = tmp_path / "set" / "images" / "1.png"
    image.rename(tmp_path / "1.png")
    image.symlink_to(tmp_path / "1.png")
    assert "outside_link" in {finding.code for finding in inspect(tmp_path / "set").findings}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_stands_in_a_file_there_is_a_report(tmp_path: Path, seed: int) -> None:
    path = one_file(tmp_path, lambda content: (with_first(keypoints=KEYPOINTS)(content), roboflow(content)))
    path.write_bytes(mutated_json(json.loads(path.read_text()), Random(seed)))
    assert inspect(tmp_path).readiness
    with suppress(Unreadable):
        told(tmp_path)
