"""What an unnumbered statement means."""

from dataclasses import replace
from typing import Any

import pytest

from eyebright.core import lifecycle
from eyebright.core.callback import events_of
from eyebright.core.job import Attempt, Job, Run
from eyebright.core.records import StoredEvent
from eyebright.core.retry import RetryLimits
from eyebright.errors import Fenced
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.jobs import JobState

NOW = 1_000_000
JOB = Job(
    id="j",
    name="n",
    trainer="toy",
    task="detection",
    model="yolo11n",
    dataset_version="dsv_1",
    created_at_ms=NOW,
    attempt=1,
    state=JobState.STARTING,
)
ATTEMPT = Attempt(
    job_id="j", number=1, executor="local", token_sha256="h", claimed_at_ms=NOW, lease_until_ms=NOW + 60_000
)
STARTING = Run(JOB, ATTEMPT)
CHECKPOINT = "s3://vision-platform/jobs/j/best.pt"


def told(run: Run, **said: Any) -> tuple[Run, list[tuple[str, dict[str, Any]]]]:
    """The run afterwards, and the events that the statement was."""
    events = events_of(run, TrainingUpdate(**said), NOW, last_word=last_word(run))
    applied = lifecycle.apply(run, events, NOW, lease_ms=60_000, limits=RetryLimits())
    return applied.run, [(event.kind, dict(event.data)) for event in events]


def last_word(run: Run) -> StoredEvent | None:
    """As a store has it, of an attempt that was ended by itself alone."""
    attempt = run.attempt
    if attempt.claim is not None:
        said = ("succeeded", attempt.claim.model_dump())
    elif attempt.outcome == "trainer_error":
        said = ("failed", {"message": run.job.message})
    else:
        return None
    kind, data = said
    seq = attempt.last_seq
    return StoredEvent(job_id="j", attempt=1, seq=seq, position=seq, kind=kind, at_ms=NOW, data=data)


def running(**progress: Any) -> Run:
    return told(STARTING, status="running", **progress)[0]


def test_who_speaks_has_begun():
    run, events = told(STARTING, status="running", progress=0.0, message="Starting training...")
    assert run.job.state is JobState.RUNNING
    assert [kind for kind, _ in events] == ["started", "progress"]
    assert (run.job.progress.fraction, run.job.progress.note) == (0.0, "Starting training...")


def test_epochs_are_counted_from_one():
    run = running(progress=0.1, metrics={"epoch": 0, "loss": 1.2, "map": 0.1})
    assert (run.job.progress.epoch, run.job.progress.epoch_finished) == (1, True)
    assert run.job.metrics == {"loss": 1.2, "map": 0.1}


@pytest.mark.parametrize("epoch", [-1, 0.5, 1e300, 2**53])
def test_an_epoch_that_is_none_is_passed_over(epoch: float):
    run = running(progress=0.1, metrics={"epoch": epoch, "loss": 1.2})
    assert (run.job.progress.epoch, run.job.metrics) == (0, {"loss": 1.2})


@pytest.mark.parametrize(
    ("planned", "epochs", "fraction"), [({"epochs": 10}, 10, None), ({}, 3, 0.0), ({"epochs": "x"}, 3, 0.0)]
)
def test_without_a_share_the_epochs_tell_how_much_is_done_where_their_number_is_known(planned, epochs, fraction):
    run, _ = told(Run(replace(JOB, resolved=planned), ATTEMPT), status="running", metrics={"epoch": 2, "loss": 1})
    assert (run.job.progress.epochs, run.job.progress.fraction) == (epochs, fraction)


def test_a_success_that_overtakes_the_beginning_is_both():
    run, events = told(STARTING, status="completed", progress=1.0, checkpoint_s3_uri=CHECKPOINT)
    assert [kind for kind, _ in events] == ["started", "progress", "succeeded"]
    assert (run.job.state, run.attempt.claim.checkpoint) == (JobState.RUNNING, CHECKPOINT)
    after, events = told(run, status="running", progress=0.9, message="Uploading")
    assert (after, events) == (run, [])


def test_a_success_keeps_what_was_measured():
    run = running(progress=0.5, metrics={"epoch": 4, "loss": 0.5, "map": 0.3})
    run, _ = told(run, status="completed", metrics={"map": 0.4}, checkpoint_s3_uri=CHECKPOINT)
    assert run.attempt.claim.metrics == {"loss": 0.5, "map": 0.4}
    assert run.job.progress.fraction == 1.0


@pytest.mark.parametrize(
    "said",
    [
        {"status": "running", "progress": 0.5, "message": "on"},
        {"status": "running", "progress": 0.5, "metrics": {"epoch": 4, "loss": 1}},
        {"status": "completed", "progress": 1.0, "checkpoint_s3_uri": CHECKPOINT},
        {"status": "completed"},
        {"status": "failed", "error": "CUDA error\n at line 7"},
        {"status": "cancelled"},
    ],
)
def test_what_is_said_twice_is_said_once(said: dict[str, Any]):
    once, events = told(STARTING, **said)
    assert events
    assert told(once, **said) == (once, [])


@pytest.mark.parametrize(
    "late",
    [
        {"progress": 0.4, "message": "behind"},
        {"progress": 0.4, "metrics": {"epoch": 3, "loss": 9}},
        {"progress": 0.6, "metrics": {"epoch": 2, "loss": 9}},
    ],
)
def test_progress_does_not_go_back(late: dict[str, Any]):
    run = running(progress=0.5, metrics={"epoch": 4, "loss": 1})
    assert told(run, status="running", **late) == (run, [])


def test_who_counts_epochs_and_leaves_the_share_at_nought_is_heard():
    run = running(progress=0.5, metrics={"epoch": 4, "loss": 1})
    run, _ = told(run, status="running", progress=0.0, metrics={"epoch": 5, "loss": 0.9})
    assert (run.job.progress.epoch, run.job.progress.fraction, run.job.metrics) == (6, 0.5, {"loss": 0.9})


def test_a_failure_tells_its_reason_and_is_not_tried_again():
    traceback = 'Traceback (most recent call last):\n  File "x"\nValueError: no\x00 images'
    run, events = told(STARTING, status="failed", error=traceback)
    assert [kind for kind, _ in events] == ["started", "failed"]
    assert (run.job.state, run.job.reason, run.job.message) == (
        JobState.FAILED,
        "trainer_error",
        "ValueError: no images",
    )
    assert "\0" not in events[-1][1]["detail"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "the training service says `failed` and not why"),
        ({"message": "no GPU"}, "no GPU"),
        ({"error": "x" * 999}, "x" * 500),
    ],
)
def test_a_failure_always_has_words(said: dict[str, Any], message: str):
    assert told(STARTING, status="failed", **said)[0].job.message == message


def test_a_cancel_that_was_asked_for_is_one_and_another_is_a_failure():
    asked = lifecycle.request_cancel(running(), NOW)
    assert told(asked, status="cancelled")[0].job.state is JobState.CANCELLED
    assert told(running(), status="cancelled")[0].job.state is JobState.FAILED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"status": "completed"}, {"status": "failed", "error": "late"}),
        ({"status": "completed", "checkpoint_s3_uri": CHECKPOINT}, {"status": "completed", "checkpoint_s3_uri": "s3://b/x"}),
        ({"status": "failed", "error": "a"}, {"status": "failed", "error": "b"}),
        ({"status": "failed", "error": "a"}, {"status": "completed", "checkpoint_s3_uri": CHECKPOINT}),
    ],
)  # fmt: skip
def test_another_last_word_is_refused(first: dict[str, Any], second: dict[str, Any]):
    run, _ = told(STARTING, **first)
    with pytest.raises(Fenced, match="has already said its last word"):
        told(run, **second)


@pytest.mark.parametrize("status", ["running", "completed", "failed", "cancelled"])
def test_an_attempt_that_was_ended_for_it_is_told_so(status: str):
    lost = Run(replace(JOB, attempt=2), replace(ATTEMPT, ended_at_ms=NOW, outcome="worker_lost"))
    with pytest.raises(Fenced, match="the current one is 2"):
        told(lost, status=status)
