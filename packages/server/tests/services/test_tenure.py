"""What one of several servers does at a time: who was frozen does nothing more once another one has taken over."""

import asyncio

import pytest

from eyebright.loops.pulse import ASK_SECONDS, Pulse, keep
from eyebright.services.tenure import SURE_SECONDS, TTL_SECONDS, Tenure
from eyebright.stores.memory_leases import MemoryLeases
from eyebright.testing import ManualClock


@pytest.fixture
def two():
    clock, leases = ManualClock(), MemoryLeases()
    return clock, leases, Tenure(leases, clock, "news", "a"), Tenure(leases, clock, "news", "b")


async def test_one_of_two_has_it_and_keeps_it(two):
    clock, _, first, second = two
    for _ in range(20):
        assert (await first.held(), await second.held()) == (True, False)
        clock.advance(SURE_SECONDS - 1)


async def test_who_was_frozen_asks_before_anything_else(two):
    clock, _, first, second = two
    assert await first.held()
    clock.advance(TTL_SECONDS)
    assert await second.held()
    assert not await first.held()


async def test_the_database_is_not_asked_each_time(two):
    clock, leases, first, _ = two
    asked: list[str] = []
    take = leases.take
    leases.take = lambda name, *rest: asked.append(name) or take(name, *rest)
    for _ in range(100):
        assert await first.held()
    assert asked == ["news"]
    clock.advance(SURE_SECONDS)
    assert await first.held()
    assert asked == ["news", "news"]


async def test_who_cannot_ask_does_not_believe(two):
    clock, leases, first, _ = two
    assert await first.held()
    clock.advance(SURE_SECONDS)
    leases.take = None
    for _ in range(2):
        with pytest.raises(TypeError):
            await first.held()


async def test_at_the_end_the_next_one_has_it_at_once(two):
    _, _, first, second = two
    assert await first.held()
    await first.release()
    assert await second.held()


async def test_a_loop_that_may_not_only_asks_again(two):
    clock, _, first, second = two
    rounds: list[str] = []

    async def settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def rest() -> None:
        await clock.sleep(1)

    def loop(name, tenure):
        async def tick() -> None:
            rounds.append(name)

        return asyncio.create_task(keep(Pulse(name, clock.monotonic_ms()), clock, tick, rest, tenure.held))

    frozen, other = loop("a", first), loop("b", second)
    await settle()
    assert rounds == ["a"]
    frozen.cancel()  # as one that is stopped where it stands
    rounds.clear()
    for _ in range(int(TTL_SECONDS / ASK_SECONDS) + 2):
        clock.advance(ASK_SECONDS)
        await settle()
    assert set(rounds) == {"b"}
    rounds.clear()
    frozen = loop("a", first)  # it wakes, and believes what it knew
    for _ in range(5):
        clock.advance(1)
        await settle()
    assert set(rounds) == {"b"}
    for task in (frozen, other):
        task.cancel()
    await asyncio.gather(frozen, other, return_exceptions=True)
