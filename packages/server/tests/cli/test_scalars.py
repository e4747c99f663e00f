"""`--set key=value` reads values as YAML 1.2 does."""

from typing import Any

import pytest

from eyebright.cli.scalars import parse_settings, parse_value
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
