"""What an event refuses: numbers that a database or a browser could not keep."""

from typing import Any

import pytest
from pydantic import ValidationError

from eyebright_wire.artifacts import ArtifactRef
from eyebright_wire.events import CheckpointSaved, Event, Heartbeat, Preempted, Progress
from eyebright_wire.model import WireModel

LARGEST = 2**53
MANIFEST = {
    "path": "m.json",
    "size_bytes": 1,
    "sha256": "0" * 64,
    "kind": "checkpoint",
    "media_type": "application/json",
}


@pytest.mark.parametrize(
    ("model", "good", "field"),
    [
        (Event, {"seq": 1, "kind": "stage", "at_ms": 1}, "seq"),
        (Event, {"seq": 1, "kind": "stage", "at_ms": 1}, "at_ms"),
        (Progress, {"epoch": 1, "epochs": 2}, "epoch"),
        (Progress, {"epoch": 1, "epochs": 2}, "epochs"),
        (Progress, {"epoch": 1, "epochs": 2}, "step"),
        (Progress, {"epoch": 1, "epochs": 2}, "steps"),
        (CheckpointSaved, {"manifest": MANIFEST, "epoch": 1, "step": 1}, "epoch"),
        (CheckpointSaved, {"manifest": MANIFEST, "epoch": 1, "step": 1}, "step"),
        (ArtifactRef, MANIFEST, "size_bytes"),
        (Preempted, {}, "step"),
        (Heartbeat, {"at_ms": 1, "moved_at_ms": 1}, "at_ms"),
        (Heartbeat, {"at_ms": 1, "moved_at_ms": 1}, "moved_at_ms"),
    ],
)
def test_a_number_that_not_everybody_can_hold_is_refused(model: type[WireModel], good: dict[str, Any], field: str):
    assert model.model_validate({**good, field: LARGEST})
    for bad in (LARGEST + 1, -1):
        with pytest.raises(ValidationError, match=field):
            model.model_validate({**good, field: bad})


def test_a_line_of_the_spool_is_an_event_only_when_whole():
    event = Event(seq=1, kind="stage", at_ms=1, data={"stage": "training"})
    line = event.model_dump_json().encode()
    assert Event.from_line(line + b"\n") == event
    assert [Event.from_line(bad) for bad in (line, b"", b"\n", b"{}\n", line[:-1] + b"\n")] == [None] * 5
