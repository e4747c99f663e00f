"""The golden JSON Schemas of what a manifest's lines are: the server writes them, trainers of other versions read them.

Run as a script it writes them anew.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eyebright_kit.data.changes import Change
from eyebright_kit.data.manifest import Header, Sample

GOLDEN = Path(__file__).parents[2] / "schema"
LINES: dict[str, type] = {"manifest_header": Header, "manifest_sample": Sample, "change": Change}
REGENERATE = "python packages/kit/tests/data/test_manifest_schema.py"


def schema_of(kind: type) -> dict[str, Any]:
    return json.loads(json.dumps(msgspec.json.schema(kind)))  # tuples become lists


@pytest.mark.parametrize("name", LINES)
def test_no_line_drifts_from_its_golden_schema(name: str) -> None:
    path = GOLDEN / f"{name}.json"
    golden = json.loads(path.read_text()) if path.exists() else None
    assert schema_of(LINES[name]) == golden, (
        f"{name} is not what {path.name} says. Fields may be added with a default, never removed or repurposed. "
        f"If that is what you did: {REGENERATE}"
    )


@pytest.mark.parametrize("kind", LINES.values())
def test_a_reader_passes_over_fields_that_it_does_not_know(kind: type) -> None:
    assert not kind.__struct_config__.forbid_unknown_fields  # type: ignore[attr-defined]


if __name__ == "__main__":
    for name, kind in LINES.items():
        (GOLDEN / f"{name}.json").write_text(json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n")
