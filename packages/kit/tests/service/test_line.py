"""What an answer to a callback means."""

import json
from typing import Any

import pytest

from eyebright_kit.service.line import Answer, Expects, Fenced, Rejected, Taken, Undelivered, understand


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("status", "content", "meaning"),
    [
        (200, body(status="ok"), Taken()),
        (200, body(status="ok", acked=7), Taken(7)),
        (200, body(status="ok", acked=7, cancel=True), Taken(7, True)),
        (201, b"", Taken()),
        (204, b"", Taken()),
        (200, b"<html>", Taken()),
        (200, b"null", Taken()),
        (409, body(code="gap", expected=4), Expects(4)),
        (409, body(code="fenced"), Fenced()),
    ],
)
def test_what_was_settled(status: int, content: bytes, meaning: Answer) -> None:
    assert understand(status, content) == meaning


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425, 429])
def test_who_is_busy_or_away_is_asked_again(status: int) -> None:
    with pytest.raises(Undelivered, match=str(status)):
        understand(status, b"")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", body(code="conflict"), body(code="gap"), body(code="gap", expected="x"), b"\xff"]
)
def test_a_conflict_that_says_nothing_is_no_answer(content: bytes) -> None:
    with pytest.raises(Undelivered):
        understand(409, content)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 413, 422])
def test_what_will_never_be_taken_is_not_said_for_ever(status: int) -> None:
    with pytest.raises(Rejected, match=str(status)):
        understand(status, b"")


def test_two_who_disagree_about_what_was_said_need_a_person() -> None:
    with pytest.raises(Rejected, match="other events"):
        understand(409, body(code="event_conflict"))
