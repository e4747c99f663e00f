"""`--set key=value` and `--config FILE`: values are read as YAML 1.2 does, so that `1e-4` is a number, `on` and `0,1` words."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from eyebright.errors import InvalidRequest


class CoreLoader(yaml.SafeLoader):
    """PyYAML knows the rules of YAML 1.1 (`on` is true, `1e-4` a word, `010` is eight); these are the ones of 1.2.

    Infinity and NaN stay words: no setting can be either, and JSON could not carry them to the server.
    """

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 — PyYAML's own


def _construct(kind: Callable[[str], int | float]) -> Any:
    return lambda loader, node: kind(loader.construct_scalar(node))


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("no number can be so large")
    return value


#: Of a file of settings; the largest recipe has some kilobytes.
MOST_BYTES = 1_000_000
INT, FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
CoreLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)\Z"), None)
CoreLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), None)
CoreLoader.add_implicit_resolver(INT, re.compile(r"[-+]?[0-9]+\Z"), None)
CoreLoader.add_implicit_resolver(FLOAT, re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z"), None)
CoreLoader.add_constructor(INT, _construct(int))
CoreLoader.add_constructor(FLOAT, _construct(_finite))


def settings_of(assignments: Sequence[str] | None, file: Path | None) -> dict[str, Any]:
    """Those of the file, with the assignments laid over them. Raises InvalidRequest."""
    return {**(read_settings(file) if file else {}), **parse_settings(assignments or [])}


def read_settings(file: Path) -> dict[str, Any]:
    """Raises InvalidRequest for what is no YAML file of settings."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InvalidRequest(f"--config {file} has more than {MOST_BYTES:,} bytes: that is no file of settings")
        found = yaml.load(file.read_text(encoding="utf-8"), CoreLoader)  # noqa: S506 — a SafeLoader with fewer rules
    except OSError as error:
        raise InvalidRequest(f"--config {file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"--config {file} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidRequest(f"--config {file} has no settings: lines like `epochs: 5` are expected")
    return cast(dict[str, Any], found)


def parse_settings(assignments: Sequence[str]) -> dict[str, Any]:
    """`["epochs=5", "lr0=1e-4"]` → `{"epochs": 5, "lr0": 0.0001}`. Raises InvalidRequest for what is not `key=value`."""
    settings: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InvalidRequest(f"--set {assignment!r} is not of the form key=value, such as --set epochs=5")
        if key in settings:
            raise InvalidRequest(f"--set {key} is given twice; keep one")
        settings[key] = parse_value(value.strip())
    return settings


def parse_value(text: str) -> Any:
    """A scalar, a `[list]`, a `{map}` or a "quoted word"; anything else is the word that it is."""
    plain = text[:1] not in {"[", "{", '"', "'"}
    try:
        return _scalar(text) if plain else yaml.load(text, CoreLoader)  # noqa: S506 — a SafeLoader with fewer rules
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidRequest(f"--set: {text!r} cannot be read: {' '.join(str(error).split())}") from error


def _scalar(text: str) -> Any:
    """Without YAML's syntax around it: in `path=a: b` or `name=x #1` nothing is special."""
    loader = CoreLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    return loader.construct_object(yaml.ScalarNode(tag, text))
