"""Lay a person's overrides on a trainer's recipe, or say exactly which ones do not fit."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from eyebright.errors import ConfigInvalid
from eyebright_wire.manifest import TaskInfo

#: Names that a message lists.
MANY = 40


@dataclass(frozen=True, slots=True)
class Resolved:
    """`config` has every field; `changes` only what differs from the recipe; `idle` was given and changes nothing, and why;
    `needed_without_captions` is empty, and may not stay so where an image has no caption."""

    config: Mapping[str, Any]
    changes: Mapping[str, Any]
    idle: Mapping[str, str] = field(default_factory=dict[str, str])
    needed_without_captions: tuple[str, ...] = ()


def resolve(task: TaskInfo, overrides: Mapping[str, Any], model: str = "") -> Resolved:
    """Raises ConfigInvalid naming every problem: unknown keys with the nearest known one, values with what was expected, and
    settings that the model, where one is named, does not have."""
    known = _properties(task)
    overrides = {key: _as_meant(value, known.get(key, {})) for key, value in overrides.items()}
    problems = [
        *_unknown(task, overrides),
        *_given(task, overrides),
        *_unfit(task, overrides),
        *_foreign(task, overrides, model),
    ]
    if problems:
        raise ConfigInvalid("; ".join(problem["message"] for problem in problems), errors=problems)
    changes = {key: value for key, value in overrides.items() if key not in task.recipe or task.recipe[key] != value}
    config = {**task.recipe, **changes}
    idle = {key: why for key in overrides if (why := _idle(task, key, key in changes, config))}
    needed = (key for key in known if known[key].get("x-needed-without") == "captions" and _is_empty(config.get(key)))
    return Resolved(config=config, changes=changes, idle=idle, needed_without_captions=tuple(needed))


def _as_meant(value: Any, schema: Mapping[str, Any]) -> Any:
    """On a command line lists are words with commas between, and 1e3 is a whole number."""
    wanted = schema.get("type")
    if wanted == "array" and isinstance(value, str) and value:
        return [word.strip() for word in value.split(",")]
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'epochs'?`, or what there is to choose from."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    more = f" and {len(known) - MANY} more" if len(known) > MANY else ""
    return f" Known: {', '.join(known[:MANY])}{more}." if known else ""


def _properties(task: TaskInfo) -> dict[str, Any]:
    return cast(dict[str, Any], task.config_schema.get("properties", {}))


def _idle(task: TaskInfo, key: str, changed: bool, config: Mapping[str, Any]) -> str:
    """Why a setting that was given changes nothing; empty: it does."""
    if not changed:
        return f"{key} is the recipe's own value already"
    silencers = cast(Mapping[str, Any], _properties(task).get(key, {}).get("x-ignored-when", {}))
    met = [f"{name}={value}" for name, value in silencers.items() if config.get(name) == value]
    return f"{key} has no effect while {' and '.join(met)}" if met else ""


def _unknown(task: TaskInfo, overrides: Mapping[str, Any]) -> list[dict[str, Any]]:
    """None where the trainer's own service knows its settings, and lists not all of them here."""
    if task.config_schema.get("additionalProperties") is True:
        return []
    known = set(_properties(task)) | set(task.recipe)
    return [
        {"field": key, "message": f"unknown setting {key!r}.{nearest(key, known)}"}
        for key in overrides
        if key not in known
    ]


def _given(task: TaskInfo, overrides: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    known = _properties(task)
    for key in overrides:
        if known.get(key, {}).get("readOnly") is True:
            yield {
                "field": key,
                "message": f"{key} is not for an order to say: it comes with the data set; leave it out",
            }


def _foreign(task: TaskInfo, overrides: Mapping[str, Any], model: str) -> Iterator[dict[str, Any]]:
    known = _properties(task)
    for key, value in overrides.items():
        if model in known.get(key, {}).get("x-not-with-models", ()) and value != task.recipe.get(key):
            message = f"{key}={value!r}: the model {model} has its own; leave {key} out, or choose another model"
            yield {"field": key, "message": message}


def _is_empty(value: Any) -> bool:
    return not (value.strip() if isinstance(value, str) else value)


def _unfit(task: TaskInfo, overrides: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = _properties(task)
    fitting = {**task.recipe, **{key: value for key, value in overrides.items() if key in known}}
    validator = Draft202012Validator(task.config_schema)
    found = cast(Iterable[ValidationError], validator.iter_errors(fitting))  # pyright: ignore[reportUnknownMemberType]
    faults: dict[str, list[ValidationError]] = {}
    for error in found:
        faults.setdefault(".".join(map(str, error.absolute_path)) or "config", []).append(error)
    return [_problem(field, errors) for field, errors in faults.items()]


def _problem(field: str, errors: Sequence[ValidationError]) -> dict[str, Any]:
    """One for all that is wrong with a value."""
    told = " and ".join(dict.fromkeys(map(_expectation, errors)))
    return {"field": field, "message": f"{field}={errors[0].instance!r}: {told.replace(' and expected ', ' and ')}"}


def _expectation(error: ValidationError) -> str:
    """What would have been right, in words: JSON Schema's own sentences are for its authors."""
    allowed = cast(Any, error.validator_value)
    schema = cast(Any, error.schema)
    if isinstance(schema, Mapping) and (told := cast(Mapping[str, Any], schema).get("x-expected")):
        return f"expected {told}"
    words = {
        "minimum": f"expected at least {allowed}",
        "maximum": f"expected at most {allowed}",
        "exclusiveMinimum": f"expected more than {allowed}",
        "exclusiveMaximum": f"expected less than {allowed}",
        "multipleOf": f"expected a multiple of {allowed}",
        "type": f"expected {allowed}",
    }
    if error.validator == "anyOf":
        told = [_expectation(inner) for inner in error.context or () if inner.validator_value != "null"]
        return " or ".join(dict.fromkeys(told))
    if error.validator == "enum":
        return "expected one of " + ", ".join(str(value) for value in allowed)
    return words.get(str(error.validator), error.message)
