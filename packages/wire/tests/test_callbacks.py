"""What strangers say of their trainings: five bodies as they send them, and what hostile ones are made of."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from eyebright_wire.callbacks import CallbackAnswer, TrainingStatus, TrainingUpdate

SAID = [
    {"job_id": "7", "status": "running", "progress": 0.5, "message": "Training in progress..."},
    {"status": "running", "progress": 0.0, "message": "Starting training..."},
    {"status": "running", "progress": 0.1, "metrics": {"epoch": 0, "loss": 1.2, "map": 0.1}},
    {"status": "completed", "progress": 1.0, "checkpoint_s3_uri": "s3://vision-platform/jobs/7/best.pt"},
    {"status": "failed", "error": "CUDA error"},
]


@pytest.mark.parametrize("said", SAID)
def test_each_of_their_bodies_is_understood_and_said_again_alike(said: dict[str, Any]):
    update = TrainingUpdate.model_validate(said)
    assert update.model_dump(mode="json", exclude_unset=True) == said
    assert not update.numbered


def test_what_is_optional_may_be_null():
    said = {"job_id": None, "status": "running", "metrics": None, "checkpoint_s3_uri": None, "error": None}
    assert TrainingUpdate.model_validate(said) == TrainingUpdate(status=TrainingStatus.RUNNING)


@pytest.mark.parametrize("progress", ["NaN", "Infinity", "-Infinity", "1e999", "-0.1", "1.5", "37.5", "null"])
def test_a_progress_that_is_no_share_counts_as_none(progress: str):
    assert TrainingUpdate.model_validate_json(f'{{"status": "running", "progress": {progress}}}').progress is None


def test_what_was_not_measured_is_left_out():
    update = TrainingUpdate.model_validate_json('{"status": "running", "metrics": {"a": NaN, "b": -1e999, "c": 1}}')
    assert update.metrics == {"c": 1.0}
    said = {"accuracy": 0.9, "best": "tiny", "none": None, "matrix": [[1]], "more": {}, "text": "0.5", "huge": 10**400}
    last = TrainingUpdate.model_validate_json(json.dumps({"status": "completed", "metrics": said}))
    assert last.metrics == {"accuracy": 0.9, "text": 0.5}


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "pending"},
        {"status": None},
        {},
        {"status": "running", "metrics": [1]},
        {"status": "running", "progress": "half"},
        {"status": "running", "attempt": 0},
        {"status": "completed", "checkpoint_s3_uri": "s3://b/" + "x" * 5000},
    ],
)
def test_what_says_nothing_of_a_training_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        TrainingUpdate.model_validate_json(json.dumps(wrong))


def test_what_it_says_in_words_is_one_short_line_that_no_terminal_obeys():
    update = TrainingUpdate(status=TrainingStatus.RUNNING, message="\x1b[2J  epoch\n1\u202e of 2\x00" + "." * 1000)
    assert update.message.startswith("[2J epoch 1 of 2 ...")
    assert len(update.message) == 500


def test_who_numbers_events_says_so_by_the_first_even_if_it_is_none():
    assert TrainingUpdate(status=TrainingStatus.RUNNING, events=()).numbered
    assert CallbackAnswer().model_dump(exclude_none=True) == {"status": "ok"}
