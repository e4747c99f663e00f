"""What events come to in the words of a training platform."""

from typing import Any

import pytest

from eyebright_kit.service.telling import ended_unsaid, words
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.events import Event

MODEL = {"path": "model.safetensors", "size_bytes": 1, "sha256": "0" * 64, "kind": "model"}
METRICS = {**MODEL, "path": "metrics.json", "kind": "metrics"}


def event(kind: str, **data: Any) -> Event:
    return Event(seq=1, kind=kind, at_ms=1, data=data)


def told(*events: Event, stopped: bool = False) -> dict[str, Any]:
    said = words(events, "s3://bucket/jobs/j/a1/", stopped=stopped)
    return TrainingUpdate.model_validate(said).model_dump(mode="json", exclude_none=True, exclude_defaults=True)


@pytest.mark.parametrize(
    ("said", "update"),
    [
        (
            event("started", pid=1, host="h"),
            {"status": "running", "progress": 0.0, "message": "Starting training..."},
        ),
        (event("stage", stage="evaluating"), {"status": "running", "message": "Evaluating"}),
        (
            event("progress", epoch=2, epochs=4, epoch_finished=True, metrics={"loss": 1.2}),
            {
                "status": "running",
                "progress": 0.5,
                "message": "Training, epoch 2 of 4",
                "metrics": {"epoch": 1.0, "loss": 1.2},
            },
        ),
        (
            event("progress", epoch=1, epochs=4, step=3, steps=30),
            {"status": "running", "progress": 0.1, "message": "Training, epoch 1 of 4"},
        ),
        (
            event("progress", epoch=4, epochs=4, epoch_finished=True),
            {"status": "running", "progress": 0.99, "message": "Training, epoch 4 of 4"},
        ),
        (
            event("progress", epoch=0, epochs=1, fraction=0.25, note="Warming up"),
            {"status": "running", "progress": 0.25, "message": "Warming up"},
        ),
        (
            event("succeeded", artifacts=[METRICS, MODEL], metrics={"top1": 0.9}),
            {
                "status": "completed",
                "progress": 1.0,
                "message": "Training completed",
                "checkpoint_s3_uri": "s3://bucket/jobs/j/a1/model.safetensors",
                "metrics": {"top1": 0.9},
            },
        ),
        (
            event("failed", code="nan_loss", message="the loss is no number"),
            {"status": "failed", "message": "Training failed", "error": "the loss is no number"},
        ),
        (event("cancelled"), {"status": "cancelled", "message": "Training was stopped"}),
        (event("a kind of later versions", x=1), {"status": "running"}),
        (event("progress", epoch="what"), {"status": "running"}),
    ],
)
def test_each_event_has_its_words(said: Event, update: dict[str, Any]) -> None:
    assert told(said) == update


def test_of_several_the_last_counts_and_what_it_does_not_say_stays() -> None:
    update = told(event("progress", epoch=1, epochs=2, epoch_finished=True), event("stage", stage="uploading"))
    assert update == {"status": "running", "progress": 0.5, "message": "Uploading"}


def test_one_that_leaves_is_cancelled_if_it_was_asked_to_and_failed_otherwise() -> None:
    assert told(event("preempted"), stopped=True)["status"] == "cancelled"
    assert told(event("preempted"))["status"] == "failed"


@pytest.mark.parametrize(
    ("code", "memory", "stopped", "status", "word"),
    [
        (137, True, False, "failed", "want of memory"),
        (1, False, False, "failed", "exit code 1"),
        (None, False, False, "failed", "nobody saw it end"),
        (137, False, True, "cancelled", "stopped"),
    ],
)
def test_one_that_ended_without_a_word_gets_one(
    code: int | None, memory: bool, stopped: bool, status: str, word: str
) -> None:
    said = ended_unsaid(code, memory, stopped=stopped)
    assert said["status"] == status
    assert word in said.get("error", said.get("message"))
