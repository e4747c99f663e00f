"""Numbers and attributes as XML and its like have them: as text that may say anything."""

import math
import re

from eyebright_kit.data.annotations import Attribute
from eyebright_kit.data.tree import printable

#: No image is as large; what lies further out is no coordinate but a mistake.
LARGEST = 1e9
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_LONG_INTEGER = re.compile(r"-?[0-9]{1,300}")
_DECIMAL = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,15}")
_TRUTHS = {"true": True, "false": False, "True": True, "False": False}


def number_of(text: str | None, what: str) -> float:
    """A finite number of sane size. Raises ValueError, saying what was found."""
    if text is None:
        raise ValueError(f"it has no {what}")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not is_sane(number) or "_" in text:
        raise ValueError(f"its {what} is {printable(text.strip())[:40]!r}; expected a number")
    return number


def is_sane(number: float) -> bool:
    """Finite, and not beyond all images."""
    return -LARGEST <= number <= LARGEST


def number_text(number: float) -> str:
    """To four decimals, without an exponent and without what adds nothing."""
    return f"{number:.4f}".rstrip("0").rstrip(".")


def attribute_of(text: str, kind: str = "") -> Attribute:
    """The value that a text stands for: what looks like a number is one, unless `kind` ("string", "number") says otherwise."""
    if kind == "string":
        return printable(text)
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _INTEGER.fullmatch(text) or (kind == "number" and _LONG_INTEGER.fullmatch(text)):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) or (kind == "number" and _is_finite(text)) else printable(text)


def attribute_text(value: Attribute) -> tuple[str, str]:
    """The text of a value, and the kind that has to be told with it, if any, so that the same value is read again."""
    if isinstance(value, bool):
        return str(value).lower(), ""
    text = printable(value) if isinstance(value, str) else repr(value)
    if attribute_of(text) == value:
        return text, ""
    return text, "string" if isinstance(value, str) else "number"


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
