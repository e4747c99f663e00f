"""The golden JSON Schemas of everything that crosses a process boundary: a model that drifts turns this red.

Run as a script it writes them anew.
"""

import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import eyebright_wire

GOLDEN = Path(__file__).parents[1] / "schema" / f"v{eyebright_wire.WIRE_VERSION}"
REGENERATE = "python packages/wire/tests/test_schema.py"


def models() -> dict[str, type[BaseModel]]:
    """Every concrete model of the wire, by the name of its golden file."""
    modules = [
        importlib.import_module(f"eyebright_wire.{found.name}")
        for found in pkgutil.iter_modules(eyebright_wire.__path__)
    ]
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): model
        for module in modules
        for name, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__ == module.__name__ and model.model_fields
    }


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(mode="validation")


@pytest.mark.parametrize("name", sorted(models()))
def test_no_model_drifts_from_its_golden_schema(name: str):
    path = GOLDEN / f"{name}.json"
    golden = json.loads(path.read_text()) if path.exists() else None
    assert schema_of(models()[name]) == golden, (
        f"{name} is not what {path.name} says. Fields may be added as optional, never removed or repurposed. "
        f"If that is what you did: {REGENERATE}"
    )


def test_no_golden_schema_outlives_its_model():
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(models()), f"to write them anew: {REGENERATE}"


@pytest.mark.parametrize("name", sorted(models()))
def test_what_readers_take_ignores_unknown_fields_and_what_people_order_does_not(name: str):
    model = models()[name]
    expected = "forbid" if issubclass(model, importlib.import_module("eyebright_wire.model").RequestModel) else "ignore"
    assert model.model_config.get("extra") == expected
    assert model.model_config.get("frozen")


def write() -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for path in GOLDEN.glob("*.json"):
        path.unlink()
    for name, model in models().items():
        (GOLDEN / f"{name}.json").write_text(json.dumps(schema_of(model), indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    write()
