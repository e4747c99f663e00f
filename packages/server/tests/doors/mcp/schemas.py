"""The schemas that agents are shown of tools' arguments, as they read them."""

from collections.abc import Mapping
from typing import Any


def inner_fields(schema: Mapping[str, Any], argument: str) -> set[str]:
    """Those of an argument that is an object with fields of its own."""
    return set(_model(schema, schema["properties"][argument]).get("properties", ()))


def leads_somewhere(schema: Mapping[str, Any], path: str) -> bool:
    part = schema
    for name in path.split("."):
        part = _model(schema, part).get("properties", {}).get(name)
        if part is None:
            return False
    return True


def _model(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What it refers to, or would where it is not null."""
    for each in part.get("anyOf", (part,)):
        if "$ref" in each:
            return schema["$defs"][each["$ref"].rpartition("/")[2]]
    return part
