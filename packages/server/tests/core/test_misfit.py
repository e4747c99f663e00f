"""The words for what does not fit."""

import pytest
from pydantic import BaseModel, Field, ValidationError

from eyebright.core.misfit import misfit


class _Note(BaseModel):
    text: str = Field(max_length=200)


def test_text_that_is_too_long_is_told_with_its_limit():
    with pytest.raises(ValidationError) as refused:
        _Note(text="n" * 201)
    (problem,) = misfit(refused.value.errors()).errors
    assert problem["field"] == "text"
    assert problem["message"].startswith("must be text of 200 characters or fewer, not 'nn")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://a.example/1.png?sig=secret", "https://a.example/1.png"),
        ("https://a.example/1.png#secret", "https://a.example/1.png"),
        ("https://me:secret@a.example/1.png", "https://a.example/1.png"),
        ("https://me:secret?secret/secret@a.example/1.png?sig=secret", "https://a.example/1.png"),
    ],
)
def test_an_address_is_told_without_what_it_opens_with(address: str, shown: str):
    with pytest.raises(ValidationError) as refused:
        _Notes.model_validate({"notes": address})
    (problem,) = misfit(refused.value.errors()).errors or []
    assert problem["message"] == f"must be a list, not {shown!r}"


class _Notes(BaseModel):
    notes: tuple[_Note, ...] = Field(min_length=1)


def test_a_list_is_not_too_short_for_what_is_wrong_in_it():
    with pytest.raises(ValidationError) as refused:
        _Notes.model_validate({"notes": [{"text": 3}]})
    assert [each["field"] for each in misfit(refused.value.errors()).errors or []] == ["notes.0.text"]
    with pytest.raises(ValidationError) as refused:
        _Notes.model_validate({"notes": []})
    assert [each["field"] for each in misfit(refused.value.errors()).errors or []] == ["notes"]
