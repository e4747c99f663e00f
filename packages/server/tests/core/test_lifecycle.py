from dataclasses import replace

import pytest

from eyebright.core import lifecycle
from eyebright.core.job import Attempt, Job, Run
from eyebright.core.retry import RetryLimits
from eyebright.errors import Conflict, EventGap, Fenced, InvalidRequest
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Event, Heartbeat
from eyebright_wire.jobs import FINAL_STATES, IMPORTER, JobState

NOW = 1_000_000
LIMITS = RetryLimits()
JOB = Job(
    id="j", name="n", trainer="toy", task="classification", model="mean", dataset_version="dsv_1", created_at_ms=NOW
)
ATTEMPT = Attempt(
    job_id="j",
    number=2,
    executor="local",
    token_sha256="h",
    claimed_at_ms=NOW,
    launched_at_ms=NOW,
    lease_until_ms=NOW + 60_000,
    last_seq=3,
)
RUNNING = Run(replace(JOB, state=JobState.RUNNING, attempt=2), ATTEMPT)


def event(seq: int, kind: str = "progress", **data) -> Event:
    return Event(seq=seq, kind=kind, at_ms=NOW, data=data or {"epoch": 1, "epochs": 2})


def fold(run: Run, *events: Event) -> lifecycle.Applied:
    return lifecycle.apply(run, events, NOW, lease_ms=60_000, limits=LIMITS)


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
@pytest.mark.parametrize("to", list(JobState))
def test_nobody_leaves_a_final_state(state, to):
    with pytest.raises(Conflict, match=f"job j is {state}"):
        lifecycle.move(replace(JOB, state=state), to, NOW)


def test_progress_renews_the_lease_and_counts():
    run = fold(RUNNING, event(4), event(5)).run
    assert (run.attempt.last_seq, run.job.events, run.attempt.lease_until_ms) == (5, 2, NOW + 60_000)


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_only_the_next_number_is_taken(seq):
    with pytest.raises(EventGap) as gap:
        fold(RUNNING, event(seq))
    assert gap.value.expected == 4


def test_another_attempt_is_fenced():
    with pytest.raises(Fenced, match="the current one is 3"):
        fold(Run(replace(RUNNING.job, attempt=3), ATTEMPT), event(4))


def test_an_ended_attempt_is_fenced():
    with pytest.raises(Fenced):
        fold(Run(RUNNING.job, replace(ATTEMPT, ended_at_ms=NOW)), event(4))


def test_success_before_start_is_refused():
    starting = Run(replace(RUNNING.job, state=JobState.STARTING), ATTEMPT)
    with pytest.raises(InvalidRequest, match="before `started`"):
        fold(starting, event(4, "succeeded", artifacts=[], metrics={}))


def test_a_malformed_body_names_the_field():
    with pytest.raises(InvalidRequest, match=r"event 4 \(progress\): epochs"):
        fold(RUNNING, event(4, epoch=1, epochs="many"))


def test_stopping_unasked_is_a_preemption_and_asked_is_a_cancel():
    assert fold(RUNNING, event(4, "cancelled", step=1)).run.job.state is JobState.QUEUED
    asked = Run(replace(RUNNING.job, cancel_requested=True), ATTEMPT)
    for kind in ("cancelled", "preempted"):
        assert fold(asked, event(4, kind, step=1)).run.job.state is JobState.CANCELLED


def test_the_trainers_clock_only_tells_how_long_ago():
    beat = Heartbeat(at_ms=5_000, moved_at_ms=2_000)
    attempt = lifecycle.heartbeat(RUNNING, beat, NOW, lease_ms=60_000).attempt
    assert (attempt.moved_at_ms, attempt.heartbeat_at_ms) == (NOW - 3_000, NOW)


def test_a_lease_never_shrinks():
    credited = Run(RUNNING.job, replace(ATTEMPT, lease_until_ms=NOW + 1_000_000))
    beat = Heartbeat(at_ms=NOW, moved_at_ms=NOW)
    assert lifecycle.heartbeat(credited, beat, NOW, lease_ms=60_000).attempt.lease_until_ms == NOW + 1_000_000


def test_claiming_takes_a_new_number_and_forgets_the_last_end():
    queued = replace(JOB, attempt=2, reason=ErrorCode.WORKER_LOST, message="lost")
    run = lifecycle.claim(queued, NOW, token_sha256="t", lease_ms=60_000, slot=1)
    assert (run.job.attempt, run.job.state, run.job.reason, run.attempt.slot) == (3, JobState.STARTING, None, 1)


@pytest.mark.parametrize(
    "job", [replace(JOB, not_before_ms=NOW + 1), replace(JOB, cancel_requested=True), replace(JOB, held=True)]
)
def test_what_is_not_due_is_not_claimed(job):
    with pytest.raises(Conflict):
        lifecycle.claim(job, NOW, token_sha256="t", lease_ms=60_000, slot=None)


def test_what_is_released_waits_for_its_turn_however_often_that_is_asked():
    released = lifecycle.release(Run(replace(JOB, held=True)))
    assert released.job == JOB
    for begun in (released, RUNNING, Run(replace(JOB, state=JobState.SUCCEEDED))):
        assert lifecycle.release(begun) == begun


def test_what_was_cancelled_while_it_was_held_is_held_no_more_and_never_begins():
    cancelled = lifecycle.request_cancel(Run(replace(JOB, held=True)), NOW)
    assert (cancelled.job.state, cancelled.job.held) == (JobState.CANCELLED, False)
    with pytest.raises(Conflict, match="job j was cancelled"):
        lifecycle.release(cancelled)


def end(run: Run, code: ErrorCode, **more) -> Run:
    return lifecycle.end(run, code, "why", NOW, limits=LIMITS, **more)


def test_each_class_of_end_has_its_own_budget():
    assert end(RUNNING, ErrorCode.WORKER_LOST).job.losses == 1
    assert end(RUNNING, ErrorCode.PREEMPTED).job.preemptions == 1
    assert end(RUNNING, ErrorCode.INTERNAL_ERROR).job.failures == 1


def test_a_spent_budget_ends_the_job_with_the_reason():
    spent = Run(replace(RUNNING.job, losses=LIMITS.losses), replace(ATTEMPT, checkpoints=1))
    job = end(spent, ErrorCode.WORKER_LOST).job
    assert (job.state, job.reason, job.retryable) == (JobState.FAILED, ErrorCode.WORKER_LOST, True)
    assert job.message == "why; given up after 5 retries of this kind (losses)"


def test_attempts_that_save_nothing_end_the_job_early():
    barren = Run(replace(RUNNING.job, barren=LIMITS.barren - 1), ATTEMPT)
    job = end(barren, ErrorCode.WORKER_LOST).job
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.NO_PROGRESS)
    assert job.message == "why; given up after 3 attempts in a row without a new checkpoint"
    assert end(barren, ErrorCode.PREEMPTED).job.state is JobState.QUEUED
    fruitful = Run(barren.job, replace(ATTEMPT, checkpoints=1))
    assert end(fruitful, ErrorCode.WORKER_LOST).job.state is JobState.QUEUED


def test_an_import_saves_nothing_on_its_way_and_has_its_whole_budget():
    fetching = Run(replace(RUNNING.job, trainer=IMPORTER, barren=LIMITS.barren), ATTEMPT)
    assert end(fetching, ErrorCode.STORAGE_ERROR).job.state is JobState.QUEUED
    spent = Run(replace(fetching.job, losses=LIMITS.losses), ATTEMPT)
    job = end(spent, ErrorCode.STORAGE_ERROR).job
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.STORAGE_ERROR)
    assert "checkpoint" not in job.message


def test_retries_wait_longer_each_time():
    waits = [
        end(Run(replace(RUNNING.job, losses=spent), ATTEMPT), ErrorCode.WORKER_LOST).job.not_before_ms - NOW
        for spent in range(4)
    ]
    assert waits == [1_000, 2_000, 4_000, 8_000]


def test_the_trainers_word_on_retrying_counts():
    assert end(RUNNING, ErrorCode.TRAINER_ERROR).job.state is JobState.FAILED
    assert end(RUNNING, ErrorCode.TRAINER_ERROR, said_retryable=True).job.state is JobState.QUEUED
