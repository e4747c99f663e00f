"""A job may run for so long, however many attempts that takes."""

from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState
from eyebright_wire.runs import Handle


async def run_for(platform, handle: Handle, seconds: int) -> None:
    """The trainer works and tells so."""
    for _ in range(seconds):
        platform.clock.advance(1)
        await platform.say(handle, "note")
        await platform.settle(1)


async def preempted(platform, handle: Handle) -> Handle:
    await platform.say(handle, "preempted")
    platform.executor.exit(handle, 83)
    await platform.settle()
    platform.clock.advance(600)  # in the queue
    assert await platform.dispatch.tick() == 1
    again = Handle(handle.job_id, handle.attempt + 1)
    await platform.say(again, "started", pid=2, host="here")
    return again


async def test_the_attempts_of_a_job_share_what_it_was_allowed(platform):
    first = await platform.running(max_duration_seconds=30)
    await run_for(platform, first, 20)
    second = await preempted(platform, first)
    await run_for(platform, second, 8)
    assert (await platform.jobs.get(first.job_id)).state is JobState.RUNNING
    await platform.settle()
    platform.clock.advance(5)
    await platform.settle()
    job = await platform.jobs.get(first.job_id)
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.MAX_DURATION_EXCEEDED)
    assert "max_duration_seconds=30" in job.message


async def test_waiting_is_no_running(platform):
    handle = await platform.running(max_duration_seconds=30)
    for _ in range(4):  # each waits for ten minutes
        handle = await preempted(platform, handle)
    await run_for(platform, handle, 20)
    assert (await platform.jobs.get(handle.job_id)).state is JobState.RUNNING
