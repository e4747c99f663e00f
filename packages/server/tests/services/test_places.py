"""Two servers over one database, each with a folder of its own: who looks after which run, and what becomes of the dead one's."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from harness.platform import LEASE_MS, Platform

from eyebright.testing import FakeExecutor
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Heartbeat
from eyebright_wire.jobs import JobState
from eyebright_wire.runs import Handle, Vital

LEASE_SECONDS = LEASE_MS // 1000
Two = tuple[Platform, Platform]


@pytest.fixture
async def two(database: Any) -> AsyncIterator[Two]:
    """The first one holds the lease for what is nobody's own."""
    here = Platform(database, shared=True)
    there = Platform(database, home="rep_1", shared=True, beside=here)
    await here.add_dataset()
    for each in (here, there):
        await each.sweep.tick()
    yield here, there
    for each in (here, there):
        await each.sweep.close()


async def pass_time(seconds: int, *platforms: Platform) -> None:
    """These look every five seconds."""
    for _ in range(seconds // 5):
        platforms[0].clock.advance(5)
        for each in platforms:
            await each.settle(1)


async def beat(handle: Handle, speaker: Platform, listener: Platform) -> None:
    now_ms = listener.clock.now_ms()
    beating = Heartbeat(at_ms=now_ms, moved_at_ms=now_ms)
    await listener.ingest.beat(handle.job_id, handle.attempt, speaker.token(handle), beating)


def alive(platform: Platform) -> list[Handle]:
    return [handle for handle, each in platform.executor.runs.items() if each.vital is Vital.ALIVE]


async def test_a_run_of_another_place_is_left_alone(two: Two) -> None:
    here, there = two
    for runs, looks in ((here, there), (there, here)):
        handle = await runs.running()
        await pass_time(30, there, here)
        found = await here.run(handle)
        assert found.attempt is not None
        assert (found.job.state, found.job.attempt, found.attempt.place) == (JobState.RUNNING, 1, runs.home)
        assert looks.executor.stops == []
        await beat(handle, runs, looks)


async def test_each_place_fills_its_own_slots(two: Two) -> None:
    here, there = two
    for _ in range(5):
        await here.submit()
    assert (await here.dispatch.tick(), await there.dispatch.tick()) == (2, 2)
    assert {spec.job_id for spec in here.executor.launches}.isdisjoint(spec.job_id for spec in there.executor.launches)


async def test_a_cancel_reaches_the_place_of_the_run_alone(two: Two) -> None:
    here, there = two
    handle = await there.running()
    await here.jobs.cancel(handle.job_id)
    await here.settle()
    await there.settle()
    assert here.executor.stops == []
    assert {stopped for stopped, _ in there.executor.stops} == {handle}
    assert (await here.run(handle)).job.state is JobState.CANCELLED


async def test_what_a_dead_place_ran_goes_on_elsewhere(two: Two) -> None:
    here, there = two
    handle = await there.running()
    await pass_time(LEASE_SECONDS, here)
    assert (await here.run(handle)).job.state is JobState.RUNNING
    await pass_time(20, here)
    lost = await here.run(handle)
    assert (lost.job.state, lost.job.reason) == (JobState.QUEUED, ErrorCode.WORKER_LOST)
    assert lost.attempt is not None
    assert lost.attempt.gone_at_ms is None
    here.clock.advance(5)
    await here.sweep.tick()
    assert await here.dispatch.tick() == 0, "it may still run"
    await pass_time(400, here)
    assert await here.dispatch.tick() == 1
    assert here.executor.stops == []


async def test_what_is_heard_of_a_dead_place_lives_and_ends_well(two: Two) -> None:
    here, there = two
    handle = await there.running()
    for _ in range(20):
        await beat(handle, there, here)
        await pass_time(15, here)
    assert (await here.run(handle)).job.state is JobState.RUNNING
    done = there.event(handle, "succeeded", **there.leave(handle))
    await here.ingest.accept(handle.job_id, handle.attempt, there.token(handle), [done])
    await here.settle()
    assert (await here.run(handle)).job.state is JobState.SUCCEEDED


async def test_after_an_outage_nobody_is_taken_for_dead_before_he_could_look(two: Two) -> None:
    here, there = two
    handle = await there.running()
    here.clock.advance(3600)
    await pass_time(LEASE_SECONDS - 10, here)
    assert (await here.run(handle)).job.state is JobState.RUNNING
    await there.settle()
    await pass_time(LEASE_SECONDS - 10, here, there)
    assert (await here.run(handle)).job.state is JobState.RUNNING


async def test_an_outage_counts_for_nobodys_death(two: Two) -> None:
    here, there = two
    handle = await there.running()
    await pass_time(30, here)  # its place has been empty for a while
    here.clock.advance(3600)
    await pass_time(10, here)
    assert (await here.run(handle)).job.state is JobState.RUNNING
    await there.settle()
    assert (await here.run(handle)).job.state is JobState.RUNNING


async def test_who_comes_back_ends_what_was_given_up_before_anything_begins(two: Two) -> None:
    here, there = two
    handle = await there.running()
    await pass_time(400, here)
    assert await here.dispatch.tick() == 1
    assert alive(there) == [handle]
    await here.submit()
    there.restart()
    launch = there.executor.launch

    async def alone(*order: Any) -> Handle:
        assert alive(there) == []
        return await launch(*order)

    there.executor.launch = alone
    assert await there.dispatch.tick() == 1
    assert [stopped for stopped, _ in there.executor.stops] == [handle]


async def test_who_was_frozen_ends_what_was_given_up_meanwhile(two: Two) -> None:
    here, there = two
    handle = await there.running()
    await pass_time(2 * LEASE_SECONDS, here)
    await there.sweep.tick()
    assert alive(there) == []
    assert [stopped for stopped, _ in there.executor.stops] == [handle]


async def test_what_is_launched_after_it_was_given_up_is_ended_at_once(two: Two) -> None:
    here, there = two
    view = await here.submit()
    launch = there.executor.launch

    async def frozen(*order: Any) -> Handle:
        await pass_time(2 * LEASE_SECONDS, here)
        return await launch(*order)

    there.executor.launch = frozen
    await there.dispatch.tick()
    assert (await here.run(Handle(view.id, 1))).job.state is JobState.QUEUED
    assert alive(there) == []


async def test_a_run_that_the_database_does_not_know_is_left_alone(two: Two) -> None:
    _, there = two
    there.executor.runs[Handle("job_of_another_database", 1)] = await there.executor.status(Handle("x", 1))
    there.executor.beat(Handle("job_of_another_database", 1), Heartbeat(at_ms=1, moved_at_ms=1))
    there.restart()
    await there.sweep.tick()
    assert there.executor.stops == []


@pytest.fixture
async def service(two: Two) -> Two:
    """Both give work to one service."""
    here, there = two
    here.executor = there.executor = FakeExecutor(bound=False)
    for each in two:
        each.restart()
        await each.sweep.tick()
    return two


async def test_what_anybody_can_see_is_looked_after_by_one(service: Two) -> None:
    here, there = service
    handle = await there.running()
    run = await here.run(handle)
    assert run.attempt is not None
    assert run.attempt.place is None
    here.executor.exit(handle, 83)
    await there.settle()
    assert (await here.run(handle)).job.state is JobState.RUNNING
    await here.settle()
    assert (await here.run(handle)).job.state is JobState.QUEUED


async def test_when_that_one_dies_the_next_one_does(service: Two) -> None:
    here, there = service
    handle = await here.running()
    here.executor.exit(handle, 83)
    await pass_time(20, there)
    assert (await here.run(handle)).job.state is JobState.QUEUED


async def test_a_launch_under_way_elsewhere_is_not_taken_for_a_crash(service: Two) -> None:
    here, there = service
    view = await there.submit()
    await there.dispatch._claim("local", None, [None])
    here.clock.advance(1)
    here.restart()
    await pass_time(55, here)
    assert (await here.run(Handle(view.id, 1))).job.attempt == 1
    assert (await here.run(Handle(view.id, 1))).job.state is JobState.STARTING
    await pass_time(10, here)
    assert (await here.run(Handle(view.id, 1))).job.state is JobState.QUEUED


async def test_what_was_printed_at_another_place_is_shown_everywhere_once_it_has_ended(two: Two) -> None:
    here, there = two
    handle = await there.running()
    there.executor.outputs[handle] = "Grüße\n".encode()
    assert (await there.history.logs(handle.job_id)).text == "Grüße\n"
    runs = await here.history.logs(handle.job_id)
    assert (runs.text, runs.complete) == ("", False)
    assert runs.elsewhere == "attempt 1 runs at the server rep_1: ask that one, or any once it has ended"
    there.executor.exit(handle, 83)
    await there.settle()
    for each in two:
        told = await each.history.logs(handle.job_id, offset=2)
        assert (told.text, told.complete, told.elsewhere) == ("üße\n", True, None)
    assert (await here.history.lines(handle.job_id, 0, 0, 9)).lines == ("Grüße",)


async def test_what_a_lost_place_had_printed_is_missed_in_words(two: Two) -> None:
    here, there = two
    handle = await there.running()
    await pass_time(400, here)
    told = await here.history.logs(handle.job_id, attempt=1)
    assert (told.text, told.complete) == ("", True)
    assert told.elsewhere == "attempt 1 ran at the server rep_1, which was lost before it handed over its output"


async def test_a_run_of_an_executor_that_is_not_here_is_told_of_too(two: Two) -> None:
    here, there = two
    handle = await there.running()
    here.restart()
    here.history._output._executors = {}
    assert (await here.history.logs(handle.job_id)).elsewhere is not None
