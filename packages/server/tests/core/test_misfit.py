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
