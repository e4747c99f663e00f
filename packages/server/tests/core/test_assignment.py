import itertools
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright.cli.scalars import parse_settings
from eyebright.core.assignment import train_command, written

#: No control characters: YAML has none either.
TEXT = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=5)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), VALUES, max_size=3))
def test_a_command_gives_back_the_settings_that_it_was_made_of(settings):
    words = shlex.split(train_command("toy", "classification", "mean", settings))
    assignments = [value for flag, value in itertools.pairwise(words) if flag == "--set"]
    assert parse_settings(assignments) == settings


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("AdamW", "AdamW"),
        ("auto", "auto"),
        ("true", '"true"'),
        ("5", '"5"'),
        ("", '""'),
        (0.001, "0.001"),
        (["onnx"], '["onnx"]'),
    ],
)
def test_plain_words_stay_plain(value, text):
    assert written(value) == text
