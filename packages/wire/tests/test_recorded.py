"""What was once said on the wire must be understood for ever: real payloads of each version, replayed.

Recordings are only ever added.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from eyebright_wire.errors import ErrorCode, Problem
from eyebright_wire.events import BODIES, LAST_WORDS, Ack, Event, EventBatch, Failed, Heartbeat, Succeeded
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.resources import ProblemDetails

RECORDED = Path(__file__).parent / "recorded" / "v1"
SPOOLS = sorted(RECORDED.glob("*.events.jsonl"))
SINGLE: dict[str, type[BaseModel]] = {
    "job_spec": JobSpec,
    "heartbeat": Heartbeat,
    "trainer_manifest": TrainerManifest,
}


def _events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _with_strangers(value: Any) -> Any:
    """The same from a newer writer: every object carries a field that this reader has never heard of."""
    if isinstance(value, dict):
        return {"from_the_future": {"x": [1]}, **{key: _with_strangers(item) for key, item in value.items()}}
    return [_with_strangers(item) for item in value] if isinstance(value, list) else value


def test_something_was_recorded():
    assert {path.name.partition(".")[0] for path in SPOOLS} == {"succeeded", "failed", "preempted", "cancelled"}


@pytest.mark.parametrize("path", SPOOLS, ids=lambda path: path.name)
def test_a_recorded_story_is_understood_whole(path: Path):
    batch = EventBatch.model_validate({"events": _events(path)})
    assert [event.seq for event in batch.events] == list(range(1, len(batch.events) + 1))
    assert batch.events[-1].kind in LAST_WORDS
    for event in batch.events:
        body = BODIES[event.kind].model_validate(event.data)
        assert body.model_dump(mode="json", exclude_none=True) == event.data


@pytest.mark.parametrize("path", SPOOLS, ids=lambda path: path.name)
def test_unknown_fields_of_a_newer_trainer_change_nothing(path: Path):
    for recorded in _events(path):
        event = Event.model_validate({**recorded, "from_the_future": 1})
        stranger = {"from_the_future": {"x": 1}, **recorded["data"]}
        assert event == Event.model_validate(recorded)
        assert BODIES[event.kind].model_validate(stranger) == BODIES[event.kind].model_validate(recorded["data"])


@pytest.mark.parametrize("name", SINGLE)
def test_a_recorded_document_is_understood_whole(name: str):
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    understood = SINGLE[name].model_validate(recorded)
    assert (
        json.loads(understood.model_dump_json(exclude_unset=True)) == recorded
    )  # what was added since has its default


@pytest.mark.parametrize("name", ["job_spec", "heartbeat"])
def test_unknown_fields_of_a_newer_server_change_nothing(name: str):
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    free = {"config", "provenance"} & set(recorded)  # free-form: there a stranger would be content
    newer = {**_with_strangers({k: v for k, v in recorded.items() if k not in free}), **{k: recorded[k] for k in free}}
    assert SINGLE[name].model_validate(newer) == SINGLE[name].model_validate(recorded)


def test_an_unknown_kind_of_event_is_carried_not_refused():
    event = Event.model_validate({"seq": 1, "kind": "from_the_future", "at_ms": 1, "data": {"x": 1}})
    assert event.kind not in BODIES
    assert event.kind not in LAST_WORDS


def test_recorded_answers_are_understood():
    answers = json.loads((RECORDED / "answers.json").read_text())
    assert Ack.model_validate(answers["ack"]) == Ack(acked=12)
    assert Ack.model_validate(answers["ack_that_cancels"]).cancel
    gap = ProblemDetails.model_validate(answers["gap"])
    assert (gap.code, gap.expected) == (Problem.GAP, 5)
    assert ProblemDetails.model_validate(answers["fenced"]).code == Problem.FENCED
    assert ProblemDetails.model_validate(answers["event_conflict"]).code == Problem.EVENT_CONFLICT


def test_the_recorded_ends_say_what_they_said():
    succeeded = Succeeded.model_validate(_events(RECORDED / "succeeded.events.jsonl")[-1]["data"])
    assert {artifact.path for artifact in succeeded.artifacts} == {"model.json", "labels.json", "metrics.json"}
    failed = Failed.model_validate(_events(RECORDED / "failed.events.jsonl")[-1]["data"])
    assert (failed.code, failed.retryable) == (ErrorCode.NAN_LOSS, False)


def test_a_minimal_spec_of_the_first_version_has_its_defaults():
    recorded = json.loads((RECORDED / "job_spec.json").read_text())
    required = {name for name, found in JobSpec.model_fields.items() if found.is_required()}
    spec = JobSpec.model_validate({name: recorded[name] for name in required})
    assert (spec.events_url, spec.resume, spec.heartbeat_seconds) == (None, (), 15.0)
