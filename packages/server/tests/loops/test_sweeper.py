"""The rhythm of the sweeper."""

import asyncio
from contextlib import suppress

from eyebright.loops import sweeper
from eyebright.loops.pulse import Pulse
from eyebright.testing import ManualClock


class Sweep:
    """Somebody leaves for the first so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.done: list[str] = []

    @property
    def somebody_leaves(self) -> bool:
        return len(self.done) < self.looks

    async def tick(self) -> None:
        self.done.append("tick")

    async def see_off(self) -> None:
        self.done.append("see off")


class Signal:
    """Nobody calls; notes how long each wait was to be, and stops the loop in the end."""

    def __init__(self, waits: int) -> None:
        self.waits = waits
        self.seconds: list[float] = []

    async def wait(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        if len(self.seconds) == self.waits:
            raise asyncio.CancelledError
        return False


async def rhythm(looks: int, waits: int) -> tuple[list[str], list[float]]:
    sweep, signal = Sweep(looks), Signal(waits)
    with suppress(asyncio.CancelledError):
        await sweeper.run(sweep, Pulse("sweeper", 0), ManualClock(), signal)
    return sweep.done, signal.seconds


async def test_without_anybody_leaving_it_rests_a_second():
    assert await rhythm(looks=0, waits=2) == (["tick", "tick"], [1.0, 1.0])


async def test_whoever_leaves_is_looked_at_ten_times_a_second():
    assert await rhythm(looks=3, waits=3) == (["tick", "see off", "see off"], [0.1, 0.1, 1.0])


async def test_somebody_who_does_not_leave_never_keeps_the_others_from_their_round():
    done, _ = await rhythm(looks=99, waits=12)
    assert done == ["tick", *["see off"] * 10, "tick", "see off"]
