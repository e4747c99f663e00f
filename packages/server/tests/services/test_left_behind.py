"""A run that nobody hears and whose place cannot be asked: it is followed by what was left of it in the store."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from harness.platform import LEASE_MS, Platform

from eyebright.errors import ServiceUnavailable
from eyebright.ports.objects import attempt_prefix
from eyebright.services.left_behind import LOOK_SECONDS, REST_SECONDS
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Heartbeat
from eyebright_wire.jobs import JobState
from eyebright_wire.left_spool import copy_of
from eyebright_wire.run_directory import SPOOL
from eyebright_wire.runs import Handle, Liveness, Vital
from eyebright_wire.services import RunReport


@pytest.fixture
async def cut_off(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Handle:
    """A run whose place went out of reach after `started`."""
    await platform.add_dataset()
    handle = await platform.running()
    platform.executor.vanish(handle)

    async def nobody(*_: Any) -> Any:
        raise ServiceUnavailable("nobody answers")

    monkeypatch.setattr(platform.executor, "spooled", nobody)
    return handle


def leave(platform: Platform, handle: Handle, liveness: Liveness) -> None:
    lines = [event.model_dump_json().encode() + b"\n" for event in platform.executor.spools[handle]]
    key = attempt_prefix(handle.job_id, handle.attempt) + SPOOL
    platform.objects.bytes[key] = copy_of(b"".join(lines), RunReport.of(handle, liveness))


def alive(platform: Platform) -> Liveness:
    now_ms = platform.clock.now_ms()
    return Liveness(Vital.ALIVE, heartbeat=Heartbeat(at_ms=now_ms, moved_at_ms=now_ms))


async def passing(platform: Platform, seconds: int) -> None:
    """The sweeper looks all the while: no lease is extended for want of that."""
    for _ in range(0, seconds, 5):
        platform.clock.advance(5)
        await platform.settle(rounds=1)


async def test_it_keeps_its_lease_and_ends_with_all_that_it_said(platform: Platform, cut_off: Handle) -> None:
    for epoch in range(1, 11):
        platform.event(cut_off, "progress", epoch=epoch, epochs=10)
        leave(platform, cut_off, alive(platform))
        await passing(platform, 15)
    run = await platform.run(cut_off)
    assert (run.job.state, run.attempt and run.attempt.number) == (JobState.RUNNING, 1)
    assert run.job.progress is not None
    assert run.job.progress.epoch >= 9
    platform.event(cut_off, "succeeded", **platform.leave(cut_off))
    leave(platform, cut_off, Liveness(Vital.GONE, exit_code=0))
    await passing(platform, 50)
    await platform.settle()
    assert (await platform.run(cut_off)).job.state is JobState.SUCCEEDED
    told = await platform.history.events(cut_off.job_id, 0, 100)
    assert [event.seq for event in told.items] == list(range(1, 13))


async def test_how_it_died_is_known(platform: Platform, cut_off: Handle) -> None:
    leave(platform, cut_off, Liveness(Vital.GONE, exit_code=-9, out_of_memory=True))
    await passing(platform, 40)
    run = await platform.run(cut_off)
    assert run.job.reason == ErrorCode.OUT_OF_MEMORY


async def test_of_a_copy_that_is_too_long_the_beginning_is_heard_and_the_end_is_not_made_up(
    platform: Platform, cut_off: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epoch in range(1, 11):
        platform.event(cut_off, "progress", epoch=epoch, epochs=10)
    platform.event(cut_off, "succeeded", **platform.leave(cut_off))
    leave(platform, cut_off, Liveness(Vital.GONE, exit_code=0))
    monkeypatch.setattr("eyebright.services.left_behind.MOST_BYTES", 1000)
    monkeypatch.setattr(platform.objects, "open", pieces(platform.objects.open, 1100))
    await passing(platform, 45)
    run = await platform.run(cut_off)
    assert run.job.state is JobState.RUNNING
    monkeypatch.setattr("eyebright.services.left_behind.MOST_BYTES", 1 << 20)
    await passing(platform, 15)
    await platform.settle()
    assert (await platform.run(cut_off)).job.state is JobState.SUCCEEDED


def pieces(opened: Any, size: int) -> Any:
    async def some(key: str) -> AsyncIterator[bytes]:
        async for chunk in opened(key):
            for first in range(0, len(chunk), size):
                yield chunk[first : first + size]

    return some


async def test_a_copy_whose_heartbeat_is_old_renews_nothing(platform: Platform, cut_off: Handle) -> None:
    leave(platform, cut_off, alive(platform))
    await passing(platform, LEASE_MS // 1000 + 5)
    run = await platform.run(cut_off)
    assert (run.job.state, run.job.reason) == (JobState.QUEUED, ErrorCode.WORKER_LOST)


async def test_one_that_is_heard_is_not_looked_for(platform: Platform, cut_off: Handle) -> None:
    leave(platform, cut_off, Liveness(Vital.GONE, exit_code=-9))
    await platform.settle()
    assert (await platform.run(cut_off)).job.state is JobState.RUNNING


async def test_it_is_looked_for_now_and_then_only(
    platform: Platform, cut_off: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    opened = platform.objects.open
    monkeypatch.setattr(platform.objects, "open", lambda key: (asked.append(key), opened(key))[1])
    platform.clock.advance(40)
    await platform.settle(rounds=5)
    assert len(asked) == 1
    platform.clock.advance(LOOK_SECONDS)
    await platform.settle()
    assert len(asked) == 2


async def test_a_store_that_does_not_answer_holds_nobody_up_and_is_left_alone_for_a_while(
    platform: Platform, cut_off: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def never(key: str) -> AsyncIterator[bytes]:
        asked.append(key)
        await asyncio.sleep(3600)
        yield b""

    monkeypatch.setattr("eyebright.services.left_behind.WAIT_SECONDS", 0.01)
    monkeypatch.setattr(platform.objects, "open", never)
    platform.clock.advance(40)
    await platform.settle()
    platform.clock.advance(LOOK_SECONDS)
    await platform.settle()
    assert len(asked) == 1
    platform.clock.advance(REST_SECONDS)
    await platform.settle()
    assert len(asked) == 2
