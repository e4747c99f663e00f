"""Doing something again and again, so that one failure never ends it and a standstill is seen."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from eyebright.errors import EyebrightError, is_full
from eyebright.ports.clock import Clock

log = structlog.stdlib.get_logger(__name__)

BACKOFF_CAP_SECONDS = 30.0
#: A round that takes longer than this counts as a standstill.
STANDSTILL_SECONDS = 90.0
ASK_SECONDS = 2.0


@dataclass(slots=True)
class Pulse:
    """When a loop last finished a round, on a clock that nobody sets, and how many in a row have failed since."""

    name: str
    beat_at_ms: int
    failing: int = 0
    failures: int = 0
    problem: str = ""

    def age_seconds(self, now_ms: int) -> float:
        return (now_ms - self.beat_at_ms) / 1000

    def condition(self, now_ms: int) -> str:
        """`ok`, or what is wrong."""
        age = self.age_seconds(now_ms)
        if self.failing:
            return f"failed {self.failing} times in a row: {self.problem}"
        return "ok" if age < STANDSTILL_SECONDS else f"has not finished a round for {age:.0f} s"


async def freely() -> bool:
    return True


async def keep(
    pulse: Pulse,
    clock: Clock,
    tick: Callable[[], Awaitable[object]],
    rest: Callable[[], Awaitable[object]],
    may: Callable[[], Awaitable[bool]] = freely,
) -> None:
    """For ever: a round, a rest. When either fails, a pause follows that grows from 1 s up to 30 s. While it `may` not, that is
    asked every `ASK_SECONDS`, and nothing else is done."""
    allowed = False

    async def turn() -> None:
        nonlocal allowed
        allowed = await may()
        if allowed:
            await tick()

    async def pause() -> None:
        await (rest() if allowed else clock.sleep(ASK_SECONDS))

    while True:
        if not (await _done(pulse, clock, turn) and await _done(pulse, clock, pause)):
            await clock.sleep(_pause_seconds(pulse.failing))


async def _done(pulse: Pulse, clock: Clock, work: Callable[[], Awaitable[object]]) -> bool:
    """A rest may look at the database too, so it may fail like a round."""
    try:
        await work()
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        pulse.failing += 1
        pulse.failures += 1
        if not _explains_itself(error):
            log.exception("a round failed; trying again", loop=pulse.name, failing=pulse.failing)
        elif problem != pulse.problem:
            log.warning("rounds fail; trying again until this is mended", loop=pulse.name, problem=problem)
        pulse.problem = problem
        return False
    if pulse.failing:
        log.info("rounds succeed again", loop=pulse.name, failed=pulse.failing)
    pulse.failing, pulse.problem, pulse.beat_at_ms = 0, "", clock.monotonic_ms()
    return True


def _pause_seconds(failing: int) -> float:
    """The exponent has its own limit: after eight hours of failures the power would no longer be a number."""
    return min(BACKOFF_CAP_SECONDS, 2.0 ** min(failing - 1, 10))


def _explains_itself(error: Exception) -> bool:
    """One whose sentence says all there is to know, such as a full disk: the same again, or where it came from, is noise."""
    return isinstance(error, EyebrightError) or (isinstance(error, OSError) and is_full(error))
