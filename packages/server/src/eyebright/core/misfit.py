"""A request that does not validate, in words for somebody who does not know pydantic: field by field, what was expected."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast

from eyebright.core.resolve import nearest
from eyebright.errors import InvalidRequest

_OBJECT, _LIST, _WHOLE, _NUMBER, _YES = "an object", "a list", "a whole number", "a number", "true or false"
#: What a field must be, by pydantic's name for its not being that. What stands in braces comes from the field's own limits.
_EXPECTED = {
    "string_type": "text",
    "string_unicode": "text in UTF-8",
    "string_too_short": "text of {min_length} characters or more",
    "string_too_long": "text of {max_length} characters or fewer",
    "string_pattern_mismatch": "text that matches {pattern}",
    "bool_type": _YES,
    "bool_parsing": _YES,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": f"{_WHOLE} of fewer digits",
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "list_type": _LIST,
    "tuple_type": _LIST,
}
_WORDS = {"missing": "is needed", "extra_forbidden": "is not a field that is known here."}
_SHOWN_CHARACTERS = 60
#: In a path, the place of any entry of a list.
_ENTRY = "*"
#: Of an address: a user with a password, whatever may stand in it, and what it is signed with.
_SECRETS = re.compile(r"(?<=://).*@|[?#].*", re.DOTALL)


def misfit(errors: Iterable[Mapping[str, Any]], known: Collection[str] = ()) -> InvalidRequest:
    """What does not fit, from pydantic's `errors()`. `known` are the fields that the request may have, as `fields_of` tells them:
    a mistyped or misplaced one is told the nearest, with its place."""
    found = [_misfit(each, known) for each in _causes(list(errors))]
    return InvalidRequest("; ".join(_sentence(each) for each in found), errors=found)


def fields_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """Each field that a JSON Schema names, by its path: `order.config`, and `order.images.*.url` within a list."""
    return frozenset(_paths(schema, schema.get("$defs", {}), (), ()))


def _paths(
    part: Mapping[str, Any], models: Mapping[str, Any], place: tuple[str, ...], above: tuple[str, ...]
) -> Iterator[str]:
    """`above`: the models that this is part of, each of which is told once."""
    name = str(part.get("$ref", "")).rpartition("/")[2]
    if name in above:
        return
    inner = (*above, name) if name else above
    for each in (models.get(name, {}), *part.get("anyOf", ()), *part.get("allOf", ())):
        if each:
            yield from _paths(each, models, place, inner)
    if isinstance(items := part.get("items"), Mapping):
        yield from _paths(cast(Mapping[str, Any], items), models, (*place, _ENTRY), inner)
    for field, found in part.get("properties", {}).items():
        yield ".".join((*place, field))
        yield from _paths(found, models, (*place, field), inner)


def _causes(errors: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without the list that is too short because what is in it does not fit."""
    places = [tuple(each["loc"]) for each in errors]
    around = {place[:depth] for place in places for depth in range(len(place))}
    return [
        each for each, place in zip(errors, places, strict=True) if each["type"] != "too_short" or place not in around
    ]


def _misfit(error: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    place, *path = [str(part) for part in error["loc"]] or [""]
    if place == "query":  # of a parameter that is given several times, nobody counts which
        path = path[:1]
    inside = place in {"body", "query", "path", "header"}
    field = ".".join(path if inside else [place, *path]) or place
    if error["type"] == "json_invalid":
        field = "body"
    return {"field": field, "message": _message(error, field, known), "type": error["type"]}


def _message(error: Mapping[str, Any], field: str, known: Collection[str]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "json_invalid":
        return f"is not valid JSON ({context.get('error', error['msg'])})"
    if kind == "extra_forbidden":
        return (_WORDS[kind] + _meant(field, known)).removesuffix(".")
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind].format_map(context)}{_found(error.get('input'))}"
    return _WORDS.get(kind) or error["msg"].removeprefix("Value error, ")


def _meant(field: str, known: Collection[str]) -> str:
    """The field whose own name is the nearest, wherever it belongs; else what there is to choose from in this place."""
    place, name = _parted(field)
    siblings = {_parted(each)[1] for each in known if _parted(each)[0] == _general(place)}
    outermost_last = sorted(known, key=lambda each: (-each.count("."), each))
    named = {_parted(each)[1]: each for each in outermost_last}
    named |= {each: f"{place}.{each}" if place else each for each in siblings}
    if close := difflib.get_close_matches(name, named, n=1):
        return f" Did you mean {named[close[0]]!r}?"
    return nearest(name, siblings)


def _general(place: str) -> str:
    return ".".join(_ENTRY if part.isdecimal() else part for part in place.split("."))


def _parted(field: str) -> tuple[str, str]:
    """Where it is, and what it is called there."""
    place, _, name = field.rpartition(".")
    return place, name


def _found(value: Any) -> str:
    """A value that is worth showing: nobody wants a whole body back."""
    if isinstance(value, dict | list | tuple | None):
        return ""
    if isinstance(value, str) and "://" in value:
        value = _SECRETS.sub("", value)  # what they open is nobody else's business
    shown = repr(value) if len(repr(value)) <= _SHOWN_CHARACTERS else f"{repr(value)[:_SHOWN_CHARACTERS]}…"
    return f", not {shown}"


def _sentence(misfit: Mapping[str, Any]) -> str:
    plain = misfit["type"] in {*_WORDS, *_EXPECTED, "json_invalid"}
    return (
        f"{misfit['field']}{' ' if plain else ': '}{misfit['message']}" if misfit["field"] else str(misfit["message"])
    )
