"""The toy goes wrong in exactly the way it is told to."""

from pathlib import Path
from typing import Any

import pytest

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, TracedRun, traced
from eyebright_toy.manifest import MANIFEST
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import EventKind, Heartbeat


def _run(tmp_path: Path, attempt: int = 1, **config: Any) -> Trace:
    return traced("eyebright_toy", TinyJob(tmp_path, MANIFEST).write_spec(attempt, **config), 30)


@pytest.mark.parametrize(
    ("config", "code", "exit_code"),
    [
        ({"fail_at_step": 3}, ErrorCode.TRAINER_ERROR, 1),
        ({"nan_at_step": 3}, ErrorCode.NAN_LOSS, 1),
        ({"memory_at_step": 3}, ErrorCode.OUT_OF_MEMORY, 1),
    ],
)
def test_it_fails_with_the_code_that_was_ordered(
    tmp_path: Path, config: dict[str, Any], code: ErrorCode, exit_code: int
):
    trace = _run(tmp_path, **config)
    assert (trace.failed.code, trace.exit_code) == (code, exit_code), trace.summary()


def test_it_leaves_without_a_word(tmp_path: Path):
    trace = _run(tmp_path, exit_at_step=3, exit_code=137)
    assert trace.exit_code == 137
    assert trace.events[-1].kind == EventKind.PROGRESS


def test_only_the_first_attempts_misbehave(tmp_path: Path):
    assert _run(tmp_path, attempt=1, fail_at_step=3, misbehave_attempts=1).exit_code == 1
    assert _run(tmp_path, attempt=2, fail_at_step=3, misbehave_attempts=1).exit_code == 0


def test_it_hangs_with_its_heart_beating_and_can_be_told_to_leave(tmp_path: Path):
    job = TinyJob(tmp_path, MANIFEST, heartbeat_seconds=0.05)
    child = TracedRun("eyebright_toy", job.write_spec(hang_at_step=3))
    beats = _beats_until_still(child.folder / "heartbeat.json")
    child.process.terminate()
    trace = child.wait(30)
    assert beats[-1].step == 2
    assert (trace.exit_code, trace.events[-1].kind) == (83, EventKind.PREEMPTED)


def _beats_until_still(file: Path) -> list[Heartbeat]:
    """The beats with step 2, until five in a row tell of the same move: it saves a checkpoint first, and hangs then."""
    beats: list[Heartbeat] = []
    while len(beats) < 5 or len({beat.moved_at_ms for beat in beats[-5:]}) > 1:
        beat = Heartbeat.model_validate_json(file.read_bytes()) if file.exists() else None
        if beat and beat.step == 2 and beat not in beats:
            beats.append(beat)
    return beats


@pytest.mark.parametrize("model", ["softmax", "centroid"])
def test_each_model_learns_what_a_glance_tells_apart(tmp_path: Path, model: str):
    job = TinyJob(tmp_path, MANIFEST)
    path = job.write_spec()
    path.write_text(job.spec(epochs=20).model_copy(update={"model": model}).model_dump_json())
    trace = traced("eyebright_toy", path, 30)
    losses = [data["metrics"]["loss"] for data in trace.of(EventKind.PROGRESS) if data["epoch_finished"]]
    assert losses[-1] < losses[0] / 1.2
    assert trace.succeeded.metrics["top1"] >= 0.8
