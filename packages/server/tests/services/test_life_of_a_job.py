"""The states, the guards and who may change what: the whole life of a job over the shipped fakes."""

import re

import pytest
from structlog.testing import capture_logs

from eyebright.core import lifecycle
from eyebright.core.retry import RetryLimits
from eyebright.errors import (
    ConfigInvalid,
    Conflict,
    EventConflict,
    EventGap,
    Fenced,
    Forbidden,
    KeyReused,
    NotFound,
    ServiceUnavailable,
    StorageFull,
    TrainerUnavailable,
    Unavailable,
)
from eyebright.services.dispatch import FULL_DISK_SECONDS
from eyebright.services.relay import REST_SECONDS
from eyebright.testing import FakeExecutor, toy_manifest
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Event, Heartbeat
from eyebright_wire.jobs import JobState
from eyebright_wire.resources import JobView
from eyebright_wire.runs import Handle, Liveness, Vital


def again(handle: Handle) -> Handle:
    return Handle(handle.job_id, handle.attempt + 1)


async def relaunch(platform, handle: Handle) -> Handle:
    """Let the retry delay pass and the dispatcher claim the next attempt."""
    await platform.settle()
    platform.clock.advance(301)
    await platform.sweep.tick()
    assert await platform.dispatch.tick() == 1
    return again(handle)


async def test_a_good_run_ends_with_one_registered_model(platform):
    handle = await platform.running()
    await platform.say(handle, "progress", epoch=1, epochs=3, metrics={"loss": 0.5})
    await platform.succeed(handle)
    job = await platform.jobs.get(handle.job_id)
    assert job.state is JobState.SUCCEEDED
    assert job.metrics == {"top1": 0.9}
    assert [t.state for t in job.status_transitions] == ["queued", "starting", "running", "succeeded"]
    models = await platform.database.models.list()
    assert [(model.id, model.number, model.licence) for model in models] == [(job.model_id, 1, "Apache-2.0")]
    assert [a.path for a in await platform.history.artifacts(handle.job_id)] == ["model.json"]


async def test_a_success_is_not_believed_before_its_files_are_there(platform):
    handle = await platform.running()
    await platform.say(handle, "succeeded", **platform.leave(handle))
    platform.objects.bytes.clear()
    assert (await platform.jobs.get(handle.job_id)).state is JobState.RUNNING
    with capture_logs() as logged:
        await platform.settle()
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason) == (JobState.QUEUED, ErrorCode.STORAGE_ERROR)
    assert "model.json is missing" in job.message
    (finalised,) = [line for line in logged if line["event"] == "finalised"]
    assert (finalised["state"], finalised["reason"]) == ("queued", "storage_error")
    assert await platform.database.models.list() == []


async def test_a_changed_byte_in_a_result_is_noticed(platform):
    handle = await platform.running()
    await platform.say(handle, "succeeded", **platform.leave(handle, content=b"weights"))
    for key in platform.objects.bytes:
        platform.objects.bytes[key] = b"wEights"
    await platform.settle()
    assert "other content" in (await platform.jobs.get(handle.job_id)).message


async def test_a_result_that_is_named_twice_ends_the_attempt(platform):
    """The store holds one row for each path: without a word the verifying would fail again and again, for ever."""
    handle = await platform.running()
    claim = platform.leave(handle)
    await platform.say(handle, "succeeded", **{**claim, "artifacts": claim["artifacts"] * 2})
    await platform.settle()
    run = await platform.run(handle)
    assert (run.job.state, run.job.reason) == (JobState.QUEUED, ErrorCode.STORAGE_ERROR)
    assert "model.json is announced twice" in run.job.message


async def test_results_that_cannot_be_read_are_waited_for_but_not_for_ever(platform, monkeypatch):
    handle = await platform.running()
    await platform.say(handle, "succeeded", **platform.leave(handle))
    platform.executor.exit(handle, 0)
    reads = []

    async def unreadable(key):
        reads.append(key)
        raise Unavailable("the disk does not answer")

    monkeypatch.setattr(platform.objects, "stat", unreadable)
    await platform.settle(5)
    assert (await platform.jobs.get(handle.job_id)).state is JobState.RUNNING
    assert len(reads) == 1, "a failed errand is repeated at once"
    for _ in range(80):
        platform.clock.advance(9)
        await platform.settle(1)
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason) == (JobState.QUEUED, ErrorCode.STORAGE_ERROR)
    assert "the disk does not answer" in job.message


async def test_events_of_an_older_attempt_are_refused(platform):
    old = await platform.running()
    late = platform.event(old, "progress", epoch=1, epochs=3)
    platform.executor.spools[old].remove(late)
    platform.executor.exit(old, -9)
    new = await relaunch(platform, old)
    with pytest.raises(Fenced, match="the current one is 2"):
        await platform.post(old, late)
    await platform.say(new, "started", pid=2, host="here")
    assert (await platform.jobs.get(old.job_id)).attempt == 2


async def test_a_repeated_event_is_acknowledged_even_after_the_attempt_ended(platform):
    handle = await platform.running()
    first = platform.executor.spools[handle][0]
    await platform.succeed(handle)
    ack = await platform.post(handle, first)
    assert ack.acked == 2


async def test_the_same_number_with_another_body_is_an_alarm(platform):
    handle = await platform.running()
    with pytest.raises(EventConflict):
        await platform.post(handle, Event(seq=1, kind="started", at_ms=1, data={"pid": 7, "host": "elsewhere"}))


async def test_a_hole_in_the_numbers_names_the_expected_one(platform):
    handle = await platform.running()
    with pytest.raises(EventGap) as gap:
        await platform.post(handle, Event(seq=4, kind="progress", at_ms=1, data={"epoch": 1, "epochs": 3}))
    assert gap.value.expected == 2


async def test_a_token_is_good_for_its_own_attempt_only(platform):
    mine, other = await platform.running(), await platform.running()
    event = platform.event(mine, "stage", stage="training")
    with pytest.raises(Forbidden):
        await platform.ingest.accept(mine.job_id, 1, platform.token(other), [event])


async def test_unknown_kinds_are_stored_and_change_nothing(platform):
    handle = await platform.running()
    await platform.say(handle, "weather", sky="blue")
    assert (await platform.jobs.get(handle.job_id)).state is JobState.RUNNING
    assert (await platform.history.events(handle.job_id)).items[-1].kind == "weather"


async def test_one_bad_post_does_not_spoil_the_commit_of_the_others(platform):
    import asyncio

    good, bad = await platform.running(), await platform.running()
    results = await asyncio.gather(
        platform.say(good, "stage", stage="training"),
        platform.post(bad, Event(seq=9, kind="stage", at_ms=1, data={"stage": "training"})),
        return_exceptions=True,
    )
    assert results[0].acked == 2
    assert isinstance(results[1], EventGap)


async def test_a_killed_trainer_is_tried_again_with_its_newest_checkpoint(platform):
    handle = await platform.running()
    manifest = {"path": "checkpoints/step-5/manifest.json", "size_bytes": 1, "sha256": "b" * 64, "kind": "checkpoint"}
    await platform.say(handle, "checkpoint", manifest=manifest, epoch=1, step=5)
    platform.executor.exit(handle, -9)
    await relaunch(platform, handle)
    spec = platform.executor.launches[-1]
    assert spec.attempt == 2
    assert [(point.epoch, point.step) for point in spec.resume] == [(1, 5)]


async def test_what_went_wrong_before_is_forgotten_when_the_next_attempt_begins(platform):
    old = await platform.running()
    platform.executor.exit(old, -9)
    await platform.settle()
    assert (await platform.jobs.get(old.job_id)).retryable
    handle = await relaunch(platform, old)
    await platform.say(handle, "started", pid=1, host="here")
    await platform.succeed(handle)
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason, job.message, job.retryable) == (JobState.SUCCEEDED, None, "", False)


async def test_losses_are_bounded(platform):
    handle = await platform.running()
    for _ in range(10):
        platform.executor.exit(handle, -9)
        await platform.settle()
        if (await platform.jobs.get(handle.job_id)).state is JobState.FAILED:
            break
        handle = await relaunch(platform, handle)
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason, job.attempt) == (JobState.FAILED, ErrorCode.NO_PROGRESS, platform.limits.barren)


async def test_a_mistake_in_the_configuration_is_not_tried_again(platform):
    handle = await platform.running()
    await platform.say(handle, "failed", code="config_invalid", message="batch=0")
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason, job.message, job.retryable) == ("failed", "config_invalid", "batch=0", False)


async def test_preemption_goes_on_at_once_and_costs_nothing(platform):
    handle = await platform.running()
    await platform.say(handle, "preempted", step=3)
    platform.executor.exit(handle, 83)
    await platform.settle()
    assert await platform.dispatch.tick() == 1
    run = await platform.run(handle)
    assert (run.job.failures, run.job.losses, run.job.preemptions) == (0, 0, 1)


async def test_the_next_attempt_waits_until_nothing_of_the_last_one_runs(platform):
    handle = await platform.running()
    await platform.say(handle, "preempted", step=3)
    platform.executor.obeys = False
    await platform.settle()
    assert await platform.dispatch.tick() == 0
    platform.executor.exit(handle, 83)
    await platform.settle()
    assert await platform.dispatch.tick() == 1


async def test_a_queued_job_is_cancelled_at_once(platform):
    view = await platform.submit()
    assert (await platform.jobs.cancel(view.id)).state is JobState.CANCELLED
    assert await platform.dispatch.tick() == 0
    with pytest.raises(Conflict, match=r"is over \(cancelled\)"):
        await platform.jobs.cancel(view.id)


async def test_a_running_job_learns_of_its_cancelling_with_the_next_answer(platform):
    handle = await platform.running()
    await platform.jobs.cancel(handle.job_id)
    with pytest.raises(Conflict, match="is being cancelled; only a finished job"):
        await platform.jobs.retry(handle.job_id)
    assert (await platform.say(handle, "progress", epoch=1, epochs=3)).cancel
    await platform.say(handle, "cancelled")
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason) == (JobState.CANCELLED, ErrorCode.USER_CANCELLED)


async def test_a_trainer_that_does_not_answer_is_stopped_when_cancelled(platform):
    handle = await platform.running()
    await platform.jobs.cancel(handle.job_id)
    await platform.settle()
    assert handle in [stopped for stopped, _ in platform.executor.stops]
    assert (await platform.jobs.get(handle.job_id)).state is JobState.CANCELLED


async def test_a_success_that_came_first_stays_a_success(platform):
    handle = await platform.running()
    await platform.say(handle, "succeeded", **platform.leave(handle))
    await platform.jobs.cancel(handle.job_id)
    await platform.settle()
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.message) == (JobState.SUCCEEDED, "finished before cancel took effect")


async def test_a_silent_trainer_loses_its_lease_and_is_killed(platform):
    handle = await platform.running()
    for _ in range(14):
        platform.clock.advance(5)
        await platform.settle(1)
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason) == (JobState.QUEUED, ErrorCode.WORKER_LOST)
    assert handle in [stopped for stopped, _ in platform.executor.stops]


@pytest.mark.parametrize("in_sight", [True, False], ids=["in sight", "the executor cannot tell"])
async def test_heartbeats_keep_a_quiet_trainer_alive(platform, in_sight):
    handle = await platform.running()
    if not in_sight:
        platform.executor.vanish(handle)
    for _ in range(60):
        platform.clock.advance(5)
        now_ms = platform.clock.now_ms()
        beat = Heartbeat(at_ms=now_ms, moved_at_ms=now_ms)
        await platform.ingest.beat(handle.job_id, 1, platform.token(handle), beat)
        await platform.settle(1)
    assert (await platform.jobs.get(handle.job_id)).state is JobState.RUNNING


class Foreign(FakeExecutor):
    """It knows nothing of its runs, and lives."""

    def __init__(self, platform) -> None:
        super().__init__(bound=False)
        self.platform = platform

    async def status(self, handle):
        alive = Heartbeat(at_ms=self.platform.clock.now_ms(), moved_at_ms=0)
        return Liveness(Vital.GONE) if handle in self.gone else Liveness(Vital.UNKNOWN, heartbeat=alive)

    @property
    def gone(self):
        return {handle for handle, _ in self.stops}


@pytest.fixture
def foreign(platform):
    platform.executor = Foreign(platform)
    platform.restart()
    return platform


@pytest.mark.parametrize("heard", [True, False], ids=["a quiet one", "one that has said nothing yet"])
async def test_while_a_foreign_service_lives_its_runs_are_only_hung_when_they_do_not_move(foreign, heard):
    handle = await (foreign.running() if heard else foreign.launched())
    for _ in range(170):
        foreign.clock.advance(10)
        await foreign.settle(1)
    assert (await foreign.jobs.get(handle.job_id)).state is (JobState.RUNNING if heard else JobState.STARTING)
    for _ in range(20):
        foreign.clock.advance(10)
        await foreign.settle(1)
    assert (await foreign.run(handle)).attempt.outcome == ErrorCode.HUNG


async def test_what_a_foreign_service_was_perhaps_not_told_is_told_again(foreign):
    view = await foreign.submit()
    await foreign.dispatch._claim("local", None, foreign.executor.slots())  # the process dies here
    foreign.clock.advance(3600)
    foreign.restart()
    await foreign.settle()
    assert await foreign.dispatch.tick() == 1
    run = await foreign.run(Handle(view.id, 2))
    assert (run.job.attempt, run.job.losses, run.job.failures) == (2, 0, 0)


async def test_a_cancelled_run_of_a_foreign_service_ends_though_it_is_never_seen_to_end(foreign):
    handle = await foreign.running()
    await foreign.jobs.cancel(handle.job_id)
    await foreign.settle()
    assert (await foreign.jobs.get(handle.job_id)).state is JobState.CANCELLED


async def test_a_trainer_that_neither_shows_nor_speaks_did_not_appear(platform):
    handle = await platform.launched()
    platform.executor.vanish(handle)
    for _ in range(13):
        platform.clock.advance(5)
        await platform.settle(1)
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason) == (JobState.QUEUED, ErrorCode.WORKER_LOST)
    assert "did not appear" in job.message


async def test_alive_but_not_moving_is_hung(platform):
    handle = await platform.running()
    still = platform.clock.now_ms()
    for _ in range(370):
        platform.clock.advance(5)
        beat = Heartbeat(at_ms=platform.clock.now_ms(), moved_at_ms=still)
        await platform.ingest.beat(handle.job_id, 1, platform.token(handle), beat)
        await platform.settle(1)
        if (await platform.jobs.get(handle.job_id)).state is JobState.QUEUED:
            break
    job = await platform.jobs.get(handle.job_id)
    assert job.reason is ErrorCode.HUNG
    assert re.search(r"alive, but \w+.* has not moved for 180\d s", job.message)


async def test_a_job_may_not_take_longer_than_it_was_allowed(platform):
    handle = await platform.running(max_duration_seconds=30)
    for _ in range(7):
        platform.clock.advance(5)
        await platform.settle(1)
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.MAX_DURATION_EXCEEDED)


async def test_a_day_without_the_control_plane_reaps_nothing_and_catches_up(platform):
    handle = await platform.running()
    await platform.sweep.tick()
    for epoch in range(1, 4):
        platform.event(handle, "progress", epoch=epoch, epochs=3)
    platform.clock.advance(86_400)
    now_ms = platform.clock.now_ms()
    platform.executor.beat(handle, Heartbeat(at_ms=now_ms, moved_at_ms=now_ms))
    platform.restart()
    await platform.settle()
    job = await platform.jobs.get(handle.job_id)
    assert job.state is JobState.RUNNING
    assert job.progress is not None
    assert job.progress.epoch == 3


async def test_a_run_that_ended_while_we_were_away_is_heard_from_its_spool(platform):
    handle = await platform.running()
    await platform.sweep.tick()
    platform.event(handle, "succeeded", **platform.leave(handle))
    platform.executor.exit(handle, 0)
    platform.clock.advance(86_400)
    platform.restart()
    await platform.settle()
    assert (await platform.jobs.get(handle.job_id)).state is JobState.SUCCEEDED


async def test_a_spool_that_cannot_be_stored_yet_is_no_reason_to_call_a_success_a_failure(platform, monkeypatch):
    """A long spool may find the disk full where the short verdict that it failed would still fit."""

    async def full(*_: object) -> None:
        raise StorageFull

    handle = await platform.running()
    platform.event(handle, "succeeded", **platform.leave(handle))
    platform.executor.exit(handle, 0)
    with monkeypatch.context() as patched:
        patched.setattr(platform.ingest, "replay", full)
        await platform.settle()
    assert (await platform.jobs.get(handle.job_id)).state is JobState.RUNNING
    await platform.settle()
    assert (await platform.jobs.get(handle.job_id)).state is JobState.SUCCEEDED


async def test_a_spool_that_is_refused_leaves_the_exit_status_to_judge_by(platform):
    handle = await platform.running()
    platform.executor.spools[handle].append(Event(seq=9, kind="stage", at_ms=1, data={"stage": "training"}))
    platform.executor.exit(handle, 64)
    await platform.settle()
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.CONFIG_INVALID)


async def test_a_long_spool_is_read_in_pieces_so_that_others_get_their_turn(platform, monkeypatch):
    folded, original = [], lifecycle.apply
    monkeypatch.setattr(
        lifecycle,
        "apply",
        lambda run, events, *rest, **kw: folded.append(len(events)) or original(run, events, *rest, **kw),
    )
    handle = await platform.running()
    for step in range(2500):
        platform.event(handle, "progress", epoch=1, epochs=3, step=step)
    folded.clear()
    platform.executor.exit(handle, 137)
    await platform.settle()
    assert folded == [1000, 1000, 500]
    assert (await platform.run(handle)).job.progress.step == 2499


async def test_a_laptop_that_falls_asleep_in_the_middle_of_a_look_reaps_nothing(platform, monkeypatch):
    """What was read before says nothing about the time after: neither of the run looked at nor of the next."""
    handles = [await platform.running() for _ in range(2)]
    await platform.sweep.tick()
    original, asleep = platform.executor.status, [86_400]

    async def slow(handle: Handle) -> Liveness:
        platform.clock.advance(asleep.pop() if asleep else 0)
        return await original(handle)

    monkeypatch.setattr(platform.executor, "status", slow)
    await platform.settle()
    assert not asleep
    for handle in handles:
        assert (await platform.jobs.get(handle.job_id)).state is JobState.RUNNING


async def test_an_outage_is_told_only_when_a_run_was_left_alone(platform):
    """An ordinary start, a day after the last one, is no reason to warn anybody."""
    await platform.settle()
    platform.clock.advance(86_400)
    with capture_logs() as said:
        await platform.settle()
    assert said == []
    await platform.launched()
    platform.clock.advance(86_400)
    with capture_logs() as said:
        await platform.settle()
    assert [line["attempts"] for line in said if "was away" in line["event"]] == [1]


async def test_a_full_disk_gives_the_claim_back_and_waits_for_room(platform):
    jobs = [await platform.submit(name=f"job-{number}") for number in range(3)]
    platform.executor.failure = StorageFull("the disk below runs is full")
    for _ in range(3):
        await platform.dispatch.tick()
        await platform.settle()
    seen = [await platform.jobs.get(job.id) for job in jobs]
    assert [job.state for job in seen] == [JobState.QUEUED] * 3
    tried = [job for job in seen if job.attempt]
    assert len(tried) == len(platform.executor.slots())  # the others need not try too
    assert {(job.reason, job.message) for job in tried} == {(ErrorCode.DISK_FULL, "the disk below runs is full")}
    platform.executor.failure = None
    platform.clock.advance(FULL_DISK_SECONDS)
    await platform.dispatch.tick()
    found = (await platform.database.jobs.get(tried[0].id)).job
    assert (found.state, found.attempt) == (JobState.STARTING, 2)
    assert (found.failures, found.losses, found.reason) == (0, 0, None)


async def test_settings_that_a_service_refuses_end_the_job_at_once(platform):
    view = await platform.submit()
    platform.executor.failure = ConfigInvalid("the service 'gpus' says: epochs?")
    await platform.dispatch.tick()
    job = await platform.jobs.get(view.id)
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.CONFIG_INVALID)
    assert job.message == "the service 'gpus' says: epochs?"


async def test_a_start_without_an_answer_that_was_heard_is_none_that_failed(platform, monkeypatch):
    view = await platform.submit()
    launch = platform.executor.launch

    async def silent(spec, environment):
        await launch(spec, environment)
        handle = Handle(view.id, 1)
        await platform.say(handle, "started", pid=1, host="there")
        raise ServiceUnavailable("it does not answer")

    monkeypatch.setattr(platform.executor, "launch", silent)
    await platform.dispatch.tick()
    job = await platform.jobs.get(view.id)
    assert (job.state, job.attempt) == (JobState.RUNNING, 1)


async def test_a_crash_between_claim_and_launch_costs_the_job_nothing(platform):
    view = await platform.submit()
    await platform.dispatch._claim("local", platform.home, platform.executor.slots())  # the process dies here
    platform.clock.advance(1)
    platform.restart()
    await platform.settle()
    assert await platform.dispatch.tick() == 1
    run = await platform.run(Handle(view.id, 2))
    assert (run.job.attempt, run.job.losses, run.job.failures) == (2, 0, 0)


async def test_claims_that_fail_do_not_take_those_of_another_executor_along(platform):
    await platform.submit()
    claim, claimed = platform.dispatch._claim, []
    platform.dispatch._executors = {"local": platform.executor, "ray": platform.executor}

    async def fails_second(name, *arguments):
        if claimed:
            raise Unavailable
        claimed.append(name)
        return await claim(name, *arguments)

    async def due(*_):
        return [None]

    platform.dispatch._claim, platform.database.jobs.due = fails_second, due
    with pytest.raises(Unavailable):
        await platform.dispatch.tick()
    assert [spec.attempt for spec in platform.executor.launches] == [1]
    assert not platform.dispatch.launching(Handle(platform.executor.launches[0].job_id, 1))


@pytest.mark.parametrize(
    "why", ["`python -m eyebright_toy describe` did not answer within 60 s", "trainer 'toy' is not installed: run …"]
)
async def test_a_job_waits_for_a_trainer_that_is_away_and_is_charged_nothing(platform, why):
    """It is being installed anew, or its lock is newer than its environment: no reason to fail everything that waits."""
    platform.executor.failure = TrainerUnavailable(why)
    handle = await platform.launched()
    for wait in (10, 20, 40, 80, 160, 300, 300, 300):
        job = await platform.jobs.get(handle.job_id)
        assert (job.state, job.reason) == (JobState.QUEUED, ErrorCode.NO_CAPACITY)
        assert job.message == f"{why}. The job waits for its trainer; the next look is in {wait} s"
        await platform.settle()
        platform.clock.advance(wait - 1)
        assert await platform.dispatch.tick() == 0
        assert (await platform.jobs.get(handle.job_id)).attempt == job.attempt
        platform.clock.advance(1)
        await platform.dispatch.tick()
    platform.executor.failure = None
    await platform.settle()
    platform.clock.advance(300)
    assert await platform.dispatch.tick() == 1
    job = (await platform.database.jobs.get(handle.job_id)).job
    assert (job.state, job.message, job.failures, job.losses, job.barren) == (JobState.STARTING, "", 0, 0, 0)


async def test_a_machine_that_starts_no_process_fails_the_job_in_the_end(platform):
    platform.executor.failure = Unavailable("this machine cannot start another process")
    handle = await platform.launched()
    for _ in range(RetryLimits().losses):
        await platform.settle()
        platform.clock.advance(301)
        await platform.sweep.tick()
        await platform.dispatch.tick()
    job = await platform.jobs.get(handle.job_id)
    assert (job.state, job.message.partition(";")[0]) == (JobState.FAILED, "this machine cannot start another process")


async def test_an_order_is_the_same_in_whatever_order_its_settings_come(platform):
    first = await platform.submit(key="once", labels={"a": "1", "b": "2"})
    assert (await platform.submit(key="once", labels={"b": "2", "a": "1"})).id == first.id
    with pytest.raises(KeyReused):
        await platform.submit(key="once", labels={"a": "2", "b": "1"})


async def test_slots_are_not_shared(platform):
    for _ in range(3):
        await platform.submit()
    assert await platform.dispatch.tick() == 2
    assert await platform.dispatch.tick() == 0
    waiting = [job for job in (await platform.jobs.list(query())).items if job.state is JobState.QUEUED]
    assert [job.queue_position for job in waiting] == [1]


async def test_lists_tell_places_at_the_front_of_a_queue_only(platform, monkeypatch):
    monkeypatch.setattr("eyebright.services.jobs.PLACES", 2)
    orders = [await platform.submit(priority=priority) for priority in (0, 5, 3, 1)]
    listed = {job.id: job.queue_position for job in (await platform.jobs.list(query())).items}
    assert [listed[order.id] for order in orders] == [None, 1, 2, None]
    assert [(await platform.jobs.get(order.id)).queue_position for order in orders] == [4, 1, 2, 3]


async def test_who_has_said_the_last_word_is_seen_off_and_frees_the_slot(platform):
    platform.executor._slots = platform.executor.slots()[:1]
    handle = await platform.running()
    await platform.say(handle, "succeeded", **platform.leave(handle))
    await platform.settle()
    await platform.submit()
    assert (platform.sweep.somebody_leaves, await platform.dispatch.tick()) == (True, 0)
    platform.executor.exit(handle, 0)
    await platform.sweep.see_off()
    await platform.sweep.settle()
    assert (platform.sweep.somebody_leaves, await platform.dispatch.tick()) == (False, 1)


async def test_seeing_off_looks_at_nobody_else(platform):
    handle = await platform.running()
    platform.executor.exit(handle, 1)
    await platform.sweep.see_off()
    assert (await platform.jobs.get(handle.job_id)).state is JobState.RUNNING


async def test_priority_goes_before_age(platform):
    first, urgent = await platform.submit(), await platform.submit(priority=10)
    assert (await platform.jobs.get(urgent.id)).queue_position == 1
    assert (await platform.jobs.get(first.id)).queue_position == 2
    platform.executor._slots = platform.executor.slots()[:1]
    await platform.dispatch.tick()
    assert [spec.job_id for spec in platform.executor.launches] == [urgent.id]


async def test_a_held_job_begins_once_it_is_released(platform):
    held = await platform.submit(key="once", held=True)
    assert (held.state, held.held, held.queue_position) == (JobState.QUEUED, True, None)
    assert await platform.dispatch.tick() == 0
    other = await platform.submit()
    assert other.queue_position == 1
    first, again = await platform.jobs.release(held.id), await platform.jobs.release(held.id)
    assert first == again
    assert (first.held, first.queue_position) == (False, 1)
    await platform.dispatch.tick()
    assert [spec.job_id for spec in platform.executor.launches] == [held.id, other.id]
    assert (await platform.jobs.release(held.id)).state is JobState.STARTING


async def test_a_held_job_can_be_cancelled_and_does_not_begin_then(platform):
    held = await platform.submit(held=True)
    assert (await platform.jobs.cancel(held.id)).state is JobState.CANCELLED
    with pytest.raises(Conflict, match="was cancelled"):
        await platform.jobs.release(held.id)
    with pytest.raises(NotFound):
        await platform.jobs.release("job_none")
    assert await platform.dispatch.tick() == 0


async def test_a_long_curve_is_told_in_fewer_points_from_first_to_last(platform):
    handle = await platform.running()
    for step in range(1, 11):
        await platform.say(handle, "progress", epoch=1, epochs=1, step=step, metrics={"loss": 1 / step})
    (whole,), (thin,) = [await platform.charts.metrics(handle.job_id, most) for most in (10, 4)]
    assert [point.step for point in whole.points] == list(range(1, 11))
    assert [point.step for point in thin.points] == [1, 2, 9, 10]


async def test_only_checkpoints_that_were_kept_are_listed(platform):
    handle = await platform.running()
    for step in (5, 10):
        path = f"checkpoints/step-{step}/manifest.json"
        (manifest,) = platform.leave(handle, path)["artifacts"]
        await platform.say(handle, "checkpoint", manifest=manifest | {"kind": "checkpoint"}, epoch=1, step=step)
    assert [found.step for found in await platform.history.checkpoints(handle.job_id)] == [10, 5]
    del platform.objects.bytes[f"jobs/{handle.job_id}/a1/checkpoints/step-5/manifest.json"]
    assert [found.step for found in await platform.history.checkpoints(handle.job_id)] == [10]


async def test_only_the_newest_of_the_checkpoints_that_were_best_is_the_best(platform):
    handle = await platform.running()
    for step, best in ((5, True), (10, True), (15, False)):
        path = f"checkpoints/step-{step}/manifest.json"
        (manifest,) = platform.leave(handle, path)["artifacts"]
        said = {"manifest": manifest | {"kind": "checkpoint"}, "epoch": 1, "step": step, "best": best}
        await platform.say(handle, "checkpoint", **said)
    found = await platform.history.checkpoints(handle.job_id)
    assert [(each.step, each.best) for each in found] == [(15, False), (10, True), (5, False)]


async def test_watching_ends_with_the_final_view(platform):
    handle = await platform.running()
    await platform.succeed(handle)
    seen = [item async for item in platform.watch.follow(handle.job_id)]
    assert [item.state if isinstance(item, JobView) else item.kind for item in seen] == [
        "started",
        "succeeded",
        JobState.SUCCEEDED,
    ]


async def told_everything(platform):
    while await platform.relay.tick():
        pass


class Ear:
    def __init__(self, deaf: bool = False) -> None:
        self.deaf = deaf
        self.heard: list[tuple[str, int]] = []

    async def notify(self, message) -> None:
        if self.deaf:
            raise ConnectionError
        self.heard.append((message.job_id, message.version))


async def test_a_subscriber_that_always_fails_holds_up_nobody_else(platform):
    deaf, ear = Ear(deaf=True), Ear()
    platform.subscribers.update(deaf=deaf, ear=ear)
    handle = await platform.running()
    await told_everything(platform)
    await platform.succeed(handle)  # more of the job, while the deaf one rests
    await told_everything(platform)
    last = (await platform.jobs.get(handle.job_id)).version
    in_order = [(handle.job_id, version) for version in range(1, last + 1)]
    assert (ear.heard, deaf.heard) == (in_order, [])
    platform.clock.advance(REST_SECONDS)
    await told_everything(platform)
    deaf.deaf = False
    platform.clock.advance(REST_SECONDS)
    await told_everything(platform)
    assert (ear.heard, deaf.heard) == (in_order, in_order)
    assert await platform.database.outbox.pending(9) == []


async def test_many_jobs_that_somebody_does_not_hear_of_leave_room_for_others(platform):
    deaf = Ear(deaf=True)
    platform.subscribers["deaf"] = deaf
    jobs = [(await platform.submit(labels={"of": str(number)})).id for number in range(6)]
    assert [await platform.relay.tick(2) for _ in range(4)] == [2, 2, 2, 0]
    deaf.deaf = False
    new = (await platform.submit()).id
    assert await platform.relay.tick(2) == 1
    assert deaf.heard == [(new, 1)]
    platform.clock.advance(REST_SECONDS)
    await told_everything(platform)
    assert sorted(deaf.heard) == sorted((job, 1) for job in [*jobs, new])


async def test_what_could_not_be_ticked_off_is_not_told_twice_by_the_same_process(platform, monkeypatch):
    ear = Ear()
    platform.subscribers["ear"] = ear
    job = await platform.submit()

    async def dies(_messages) -> None:
        raise ConnectionAbortedError

    with monkeypatch.context() as patched:
        patched.setattr(platform.database.outbox, "delivered", dies)
        with pytest.raises(ConnectionAbortedError):
            await platform.relay.tick()
    await told_everything(platform)
    assert ear.heard == [(job.id, 1)]
    assert await platform.database.outbox.pending(9) == []


async def test_subscribers_hear_every_version_in_order_and_again_after_a_failure(platform):
    heard = []

    class Flaky:
        fails = True

        async def notify(self, message):
            if self.fails:
                self.fails = False
                raise ConnectionError
            heard.append((message.job_id, message.version, message.topic))

    platform.subscribers["flaky"] = Flaky()
    handle = await platform.running()
    await platform.succeed(handle)
    await told_everything(platform)
    assert heard == []
    platform.clock.advance(REST_SECONDS)
    await told_everything(platform)
    assert [version for _, version, _ in heard] == list(range(1, len(heard) + 1))
    assert heard[-1][2] == "job.succeeded"


def query():
    from eyebright.ports.jobs import JobQuery

    return JobQuery()


async def stopped_after_a_checkpoint(platform, version="1.0"):
    handle = await platform.launched()
    await platform.say(handle, "started", pid=1, host="here", versions={"toy": version})
    manifest = {"path": "checkpoints/step-5/manifest.json", "size_bytes": 1, "sha256": "b" * 64, "kind": "checkpoint"}
    await platform.say(handle, "checkpoint", manifest=manifest, epoch=1, step=5)
    await platform.jobs.cancel(handle.job_id)
    await platform.say(handle, "cancelled", step=5)
    platform.executor.exit(handle, 0)
    await platform.settle()
    return handle.job_id


async def test_a_retry_of_a_cancelled_job_goes_on_from_its_checkpoint(platform):
    old = await stopped_after_a_checkpoint(platform)
    again = await platform.jobs.retry(old)
    assert (again.rerun_of, again.resume_from) == (old, old)
    await platform.dispatch.tick()
    spec = platform.executor.launches[-1]
    assert (spec.job_id, [(point.epoch, point.step) for point in spec.resume]) == (again.id, [(1, 5)])
    assert f"{old}/a1" in str(spec.resume[0].source)


async def test_a_retry_of_a_retry_that_saved_nothing_goes_on_from_where_that_would_have(platform):
    old = await stopped_after_a_checkpoint(platform)
    idle = await platform.jobs.retry(old)
    await platform.jobs.cancel(idle.id)
    assert (await platform.jobs.retry(idle.id)).resume_from == old


async def test_a_retry_that_is_to_be_fresh_begins_anew(platform):
    old = await stopped_after_a_checkpoint(platform)
    again = await platform.jobs.retry(old, fresh=True)
    assert (again.rerun_of, again.resume_from) == (old, None)
    await platform.dispatch.tick()
    assert platform.executor.launches[-1].resume == ()


async def test_a_retry_may_hand_the_model_over_otherwise_and_trains_no_other(platform):
    exports = {"type": "array", "items": {"type": "string"}}
    task = toy_manifest().tasks[0]
    schema = {**task.config_schema, "properties": {**task.config_schema["properties"], "exports": exports}}
    task = task.model_copy(update={"config_schema": schema, "recipe": {**task.recipe, "exports": ["csv"]}})
    platform.catalog.manifests["toy"] = toy_manifest(tasks=(task,))
    old = await stopped_after_a_checkpoint(platform)
    again = await platform.jobs.retry(old, config={"exports": []})
    assert (again.resume_from, again.config) == (old, {"exports": []})
    with pytest.raises(ConfigInvalid, match="takes export_tolerance and exports only, not epochs"):
        await platform.jobs.retry(old, config={"exports": [], "epochs": 9})


async def test_a_retry_by_another_version_of_the_trainer_begins_anew(platform):
    old = await stopped_after_a_checkpoint(platform, version="0.0.9")
    assert (await platform.jobs.retry(old)).resume_from is None


async def test_a_retry_of_a_job_that_succeeded_begins_anew(platform):
    handle = await platform.launched()
    await platform.say(handle, "started", pid=1, host="here", versions={"toy": "1.0"})
    manifest = {"path": "checkpoints/step-5/manifest.json", "size_bytes": 1, "sha256": "b" * 64, "kind": "checkpoint"}
    await platform.say(handle, "checkpoint", manifest=manifest, epoch=1, step=5)
    await platform.succeed(handle)
    assert (await platform.jobs.retry(handle.job_id)).resume_from is None
