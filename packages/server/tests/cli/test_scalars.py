"""Settings are read as YAML 1.2 does."""

from pathlib import Path
from typing import Any

import pytest

from eyebright.cli.scalars import parse_settings, parse_value, read_settings, settings_of
from eyebright.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-3", -3), ("+7", 7), ("010", 10), ("0.5", 0.5), (".5", 0.5), ("1e-4", 1e-4), ("1E3", 1000.0), ("5.", 5.0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("on", "on"), ("no", "no"), ("yes", "yes"), ("0,1", "0,1"), ("1_000", "1_000"), ("1:30", "1:30"), ("0x10", "0x10"),
        ("AdamW", "AdamW"), ("a: b", "a: b"), ("x #1", "x #1"), (".inf", ".inf"), ("nan", "nan"), ("2026-11-21", "2026-11-21"),
        ('"5"', "5"), ("'on'", "on"), ("[1, 0.5, on]", [1, 0.5, "on"]), ("[onnx]", ["onnx"]), ("{a: 1e-3}", {"a": 1e-3}),
        ("=", "="), ("<<", "<<"), ("!!python/object:x", "!!python/object:x"),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_several_settings_make_one_config() -> None:
    assert parse_settings(["epochs=5", "lr0 = 1e-4", "name=a=b"]) == {"epochs": 5, "lr0": 1e-4, "name": "a=b"}


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["epochs"], "key=value"),
        (["=5"], "key=value"),
        (["a=1", "a=2"], "given twice"),
        (["a=[1, 2"], "cannot be read"),
        (["a=1e999"], "no number can be so large"),
        (["a=[-1e999]"], "no number can be so large"),
        (["a=[!!python/name:os.system x]"], "cannot be read"),
    ],
)
def test_what_is_no_setting_is_refused_with_the_right_form(assignments: list[str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_settings(assignments)


def test_settings_come_from_a_file_and_assignments_go_before(tmp_path: Path) -> None:
    (file := tmp_path / "my.yaml").write_text("epochs: 5\nlr0: 1e-4\nmodes: [on, 0x1]\n")
    assert settings_of(["epochs=7"], file) == {"epochs": 7, "lr0": 1e-4, "modes": ["on", "0x1"]}
    assert settings_of(None, None) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"- epochs\n", "has no settings"),
        (b"", "has no settings"),
        (b"5: epochs\n", "has no settings"),
        (b"epochs: [\n", "is no YAML"),
        (b"\xff\xfe\x00", "is no YAML"),
        (b"lr0: 1e999\n", "is no YAML"),
        (b"a: !!python/object/apply:os.getcwd []\n", "is no YAML"),
        (b"[" * 100_000, "is no YAML"),
        (b"#" * 1_000_001, "more than 1,000,000 bytes"),
    ],
    ids=["a list", "empty", "a number as key", "torn", "no text", "infinite", "code", "deep", "large"],
)
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (file := tmp_path / "my.yaml").write_bytes(content)
    with pytest.raises(InvalidRequest, match=rf"my\.yaml.*{said}"):
        read_settings(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"no\.yaml cannot be read: No such file"):
        read_settings(tmp_path / "no.yaml")
