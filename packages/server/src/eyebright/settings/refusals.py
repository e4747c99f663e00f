"""Why settings are refused, in sentences that name what was set."""

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings.exceptions import SettingsError

from eyebright.errors import InvalidRequest
from eyebright.settings.environment import as_set
from eyebright.settings.names import variable_at, variables_of
from eyebright.settings.values import NOT_SHOWN, server

#: In place of pydantic's own words, which speak of inputs and parsing.
_EXPECTED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "path_not_file": "a file that is there",
    "ip_any_network": "a network such as 10.0.0.0/8, with no bits set beyond its length",
}


def explain(error: ValidationError, tree: type[BaseModel]) -> str:
    return "; ".join(_sentence(found, tree) for found in error.errors(include_url=False))


def require_server(name: str, url: str) -> None:
    """For an address that was given as `name`, which is no variable. Raises InvalidRequest as the settings would."""
    try:
        server(url)
    except PydanticCustomError as error:
        raise InvalidRequest(_refusal(name, error.type, url, error.message())) from None


def _sentence(found: Any, tree: type[BaseModel]) -> str:
    variable, kind = variable_at(found["loc"]), found["type"]
    if kind == "extra_forbidden":
        near = get_close_matches(variable, variables_of(tree), 1)
        return f"there is no setting {variable}{f'; did you mean {near[0]}?' if near else ''}"
    if kind == "model_type":
        return _no_section(variable, tree)
    expected = f"expected {_EXPECTED[kind].format_map(found.get('ctx', {}))}" if kind in _EXPECTED else found["msg"]
    return _refusal(as_set(variable), kind, found["input"], expected)


def _refusal(name: str, kind: str, given: object, why: str) -> str:
    return f"{name} {why}" if kind in NOT_SHOWN else f"{name} is {given!r}: {why}"


def unreadable(error: SettingsError, tree: type[BaseModel]) -> str:
    """The text of a whole section is no JSON. Only the message tells which."""
    return next(
        (_no_section(variable_at((name,)), tree) for name in tree.model_fields if f'"{name}"' in str(error)), str(error)
    )


def _no_section(variable: str, tree: type[BaseModel]) -> str:
    fields = [name for name in variables_of(tree) if name.startswith(f"{variable}__")]
    return f"{variable} is a section and cannot be set as a whole; set {', '.join(fields)}"
