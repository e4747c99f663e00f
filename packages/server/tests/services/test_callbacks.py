"""What is told without a number, under the same lock and by the same commits as what has one."""

import asyncio
from typing import Any

import pytest
from harness.platform import LEASE_MS, Platform

from eyebright.errors import Conflict, EventGap, Fenced, Forbidden, InvalidRequest, NotFound
from eyebright.ports.executor import Handle
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.events import Ack, Event, Heartbeat
from eyebright_wire.jobs import JobKind, JobState

EPOCH = {"status": "running", "progress": 0.1, "metrics": {"epoch": 0, "loss": 1.2, "map": 0.1}}
DONE = {"status": "completed", "progress": 1.0}


async def tell(platform: Platform, handle: Handle, **said: Any) -> Ack:
    return await platform.ingest.tell(
        handle.job_id, handle.attempt, platform.token(handle), TrainingUpdate.model_validate(said)
    )


async def kinds(platform: Platform, handle: Handle) -> list[str]:
    return [event.kind for event in await platform.database.history.events(handle.job_id, 0, 100)]


async def test_a_training_is_told_from_its_beginning_to_its_end(platform):
    handle = await platform.launched()
    for said in ({"status": "running", "message": "Starting training..."}, EPOCH, DONE):
        await tell(platform, handle, **said)
    await platform.settle()
    job = (await platform.run(handle)).job
    assert (job.state, job.metrics, job.progress.fraction) == (JobState.SUCCEEDED, {"loss": 1.2, "map": 0.1}, 1.0)
    assert await kinds(platform, handle) == ["started", "progress", "progress", "progress", "succeeded"]


async def test_a_success_that_comes_first_is_one_commit_and_stays(platform):
    handle = await platform.launched()
    version = (await platform.run(handle)).job.version
    ack = await tell(platform, handle, **DONE)
    run = await platform.run(handle)
    assert (ack.acked, run.job.version, run.attempt.claim is not None) == (3, version + 1, True)
    for said in (EPOCH, DONE, EPOCH):
        await tell(platform, handle, **said)
        assert await platform.run(handle) == run
    await platform.settle()
    for said in (EPOCH, DONE):
        await tell(platform, handle, **said)
    assert (await platform.run(handle)).job.state is JobState.SUCCEEDED
    with pytest.raises(Fenced, match="already said its last word, `succeeded`"):
        await tell(platform, handle, status="failed", error="the callback timed out")


async def test_both_at_the_same_moment_are_decided_one_after_the_other(platform):
    handle = await platform.launched()
    await asyncio.gather(*(tell(platform, handle, **said) for said in (EPOCH, DONE, EPOCH, DONE)))
    assert await kinds(platform, handle) == ["started", "progress", "progress", "succeeded"]


async def test_who_repeats_itself_lives_and_does_not_move(platform):
    handle = await platform.launched()
    await tell(platform, handle, **EPOCH)
    before = await platform.run(handle)
    platform.clock.advance(30)
    await tell(platform, handle, **EPOCH)
    after = await platform.run(handle)
    assert after.job == before.job
    assert after.attempt.lease_until_ms == platform.clock.now_ms() + LEASE_MS
    assert after.attempt.moved_at_ms == before.attempt.moved_at_ms


async def test_after_a_loss_only_the_next_attempt_is_heard(platform):
    handle = await platform.launched()
    await tell(platform, handle, **EPOCH)
    platform.executor.exit(handle, -9)
    await platform.settle()
    platform.clock.advance(9)
    await platform.dispatch.tick()
    later = Handle(handle.job_id, 2)
    await tell(platform, later, status="running", message="again")
    for said in (EPOCH, DONE):
        with pytest.raises(Fenced, match="the current one is 2"):
            await tell(platform, handle, **said)
    with pytest.raises(Forbidden):
        await platform.ingest.tell(handle.job_id, 2, platform.token(handle), TrainingUpdate(**DONE))
    assert (await platform.run(handle)).job.progress.note == "again"


async def test_whoever_has_no_key_does_not_learn_which_jobs_there_are(platform):
    handle = await platform.launched()
    waiting = await platform.submit()
    said = []
    for job_id, attempt in (
        (handle.job_id, 1),
        (handle.job_id, 2),
        (handle.job_id, None),
        (waiting.id, 1),
        ("job_x", 1),
    ):
        with pytest.raises(Forbidden) as refused:
            await platform.ingest.tell(job_id, attempt, "guessed", TrainingUpdate(**DONE))
        said.append(str(refused.value))
    assert set(said) == {"this token is not for that attempt"}


async def test_the_operator_speaks_for_the_current_attempt_once_there_is_one(platform):
    with pytest.raises(NotFound):
        await platform.ingest.tell("job_x", None, None, TrainingUpdate(**DONE))
    view = await platform.submit()
    with pytest.raises(Conflict, match="only one that has begun"):
        await platform.ingest.tell(view.id, None, None, TrainingUpdate(**DONE))
    await platform.dispatch.tick()
    assert (await platform.ingest.tell(view.id, None, None, TrainingUpdate(**DONE))).acked == 3


async def test_only_of_a_training_is_told_without_numbers(platform, monkeypatch):
    """An import says with its own words what it has laid ready; a platform's callers know its job by the same name."""
    monkeypatch.setattr("eyebright.core.job.kind_of", lambda _: JobKind.IMPORT)
    handle = await platform.launched()
    for key in (None, platform.token(handle)):
        with pytest.raises(Conflict, match="is no training but of the kind import"):
            await platform.ingest.tell(handle.job_id, 1, key, TrainingUpdate(**DONE))


async def test_numbered_events_and_a_beat_count_alone(platform):
    handle = await platform.launched()
    events = [platform.event(handle, "started", pid=1, host="here"), platform.event(handle, "stage", stage="training")]
    said = {"status": "running", "progress": 0.9, "events": [event.model_dump() for event in events]}
    assert (await tell(platform, handle, **said)).acked == 2
    assert (await tell(platform, handle, **said)).acked == 2
    platform.clock.advance(30)
    now_ms = platform.clock.now_ms()
    beat = Heartbeat(at_ms=now_ms, moved_at_ms=now_ms).model_dump()
    assert (await tell(platform, handle, status="running", heartbeat=beat)).acked == 2
    run = await platform.run(handle)
    assert (run.job.progress, run.attempt.moved_at_ms) == (None, now_ms)
    with pytest.raises(EventGap):
        await tell(platform, handle, status="running", events=[Event(seq=4, kind="note", at_ms=1).model_dump()])


async def test_a_body_of_another_attempt_than_the_address_is_refused(platform):
    handle = await platform.launched()
    with pytest.raises(InvalidRequest, match="the address is attempt 1's, and the body says attempt 2"):
        await tell(platform, handle, **DONE, attempt=2)


async def test_a_wish_to_cancel_is_answered(platform):
    handle = await platform.launched()
    await platform.jobs.cancel(handle.job_id)
    assert (await tell(platform, handle, **EPOCH)).cancel
    await tell(platform, handle, status="cancelled")
    assert (await platform.run(handle)).job.state is JobState.CANCELLED
