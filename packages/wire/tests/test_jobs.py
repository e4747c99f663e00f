from typing import Any

import pytest
from pydantic import ValidationError

from eyebright_wire.jobs import JobRequest, PreflightRequest


@pytest.mark.parametrize("order", [JobRequest, PreflightRequest])
@pytest.mark.parametrize("letter", ["\x00", "\n", "\x1b", "\x7f", "\x85", "\u2028"])
@pytest.mark.parametrize("field", ["dataset", "parent", "key", "value"])
def test_what_people_call_something_has_no_control_characters(order: type[JobRequest], letter: str, field: str):
    text = f"pets{letter}"
    labels = {text if field == "key" else "kind": text if field == "value" else "cat"}
    fields: dict[str, Any] = {"dataset": "pets", "labels": labels} | (
        {field: text} if field in ("dataset", "parent") else {}
    )
    with pytest.raises(
        ValidationError, match=rf"control character U\+{ord(letter):04X} in it; expected text of one line"
    ):
        order(**fields)


@pytest.mark.parametrize("text", ["🦄 ünï", "👩‍🔬", "a" * 200, "{%}'; --"])
def test_any_other_text_is_welcome(text: str):
    order = JobRequest(dataset=text, parent=text, labels={text: text})
    assert (order.dataset, order.parent, order.labels) == (text, text, {text: text})
