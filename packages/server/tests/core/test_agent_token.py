"""Agents' tokens: who made them, for whom, until when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright.core.agent_token import AgentToken, Persona, read, verified
from eyebright.errors import Unauthenticated

OPERATORS = "o" * 43
NOW = 1_800_000_000
READER = AgentToken("0123456789abcdef", Persona.READER, NOW + 60)


@pytest.mark.parametrize("persona", Persona)
def test_what_was_made_is_known_again(persona):
    token = AgentToken("0123456789abcdef", persona, NOW + 60)
    assert verified(token.signed(OPERATORS), OPERATORS, NOW) == token


def test_it_counts_until_its_time_and_no_longer():
    token = READER.signed(OPERATORS)
    assert verified(token, OPERATORS, NOW + 59) == READER
    with pytest.raises(
        Unauthenticated, match=r"0123456789abcdef\) expired on 2027-01-15 at 08:01 UTC; .eyebright token"
    ):
        verified(token, OPERATORS, NOW + 60)


def test_nobody_makes_one_without_the_operators_token():
    with pytest.raises(Unauthenticated, match="not made with"):
        verified(READER.signed("p" * 43), OPERATORS, NOW)


@pytest.mark.parametrize(
    ("old", "new"), [("reader", "operator"), (str(NOW + 60), str(NOW + 600)), ("0123456789abcdef", "0123456789abcdee")]
)
def test_whatever_it_says_cannot_be_altered(old, new):
    altered = READER.signed(OPERATORS).replace(old, new)
    assert read(altered) not in (None, READER)
    with pytest.raises(Unauthenticated, match="altered"):
        verified(altered, OPERATORS, NOW)


@given(st.text(max_size=200))
def test_no_other_text_is_one(text):
    assert read(text) is None
    with pytest.raises(Unauthenticated):
        verified(text, OPERATORS, NOW)


@pytest.mark.parametrize("spoilt", ["{}\n", " {}", "{}0", "x{}"])
def test_it_is_exact(spoilt):
    assert read(spoilt.format(READER.signed(OPERATORS))) is None
