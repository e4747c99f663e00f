"""A wake-up call, and what else may happen to whoever waits for it."""

import asyncio

import pytest

from eyebright.services.signal import Signal


async def test_a_call_wakes_whoever_waits() -> None:
    signal = Signal()
    waiting = asyncio.create_task(signal.wait(60))
    await asyncio.sleep(0)
    signal.set()
    assert await waiting is True


async def test_a_call_before_the_wait_is_not_lost() -> None:
    signal = Signal()
    signal.set()
    assert await signal.wait(60) is True


async def test_without_a_call_the_time_runs_out() -> None:
    assert await Signal().wait(0) is False


async def test_a_cancel_that_meets_a_call_is_not_lost() -> None:
    """Else a loop of the server would go on for ever while the server waits for it to stop."""
    signal = Signal()
    waiting = asyncio.create_task(signal.wait(60))
    await asyncio.sleep(0)
    signal.set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
