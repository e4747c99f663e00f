"""The configuration that every wire model shares."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: A count or a point in time that every reader can hold: JavaScript has no larger whole numbers, databases have 64 bits.
Whole = Annotated[int, Field(ge=0, le=2**53)]
Counted = Annotated[int, Field(ge=1, le=2**53)]

_UNPRINTABLE = frozenset({"Cc", "Zl", "Zp"})  # control characters, and the separators of lines and paragraphs


def _one_line(text: str) -> str:
    for letter in text:
        if unicodedata.category(letter) in _UNPRINTABLE:
            raise ValueError(f"has the control character U+{ord(letter):04X} in it; expected text of one line")
    return text


#: For what people call something. It is shown in terminals, and not every database stores a NUL.
ONE_LINE = AfterValidator(_one_line)
Line = Annotated[str, ONE_LINE]


#: What a terminal obeys, what ends a line, and what makes a text read in another order than it is written.
UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_NOTE = 500


def noted(text: str) -> str:
    """Brought to one line of at most 500 letters that no terminal obeys."""
    return " ".join(UNSHOWABLE.sub(" ", text).split())[:_LONGEST_NOTE]


#: What a program says to people; never refused.
Note = Annotated[str, AfterValidator(noted)]


class WireModel(BaseModel):
    """Frozen; unknown fields are ignored, so that old readers understand new writers."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class RequestModel(BaseModel):
    """What a person or program asks for: unknown fields are refused, because a typo must not be dropped in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
