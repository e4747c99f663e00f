"""One failure never ends a loop, and a standstill is seen."""

import asyncio
import errno

import pytest
from structlog.testing import capture_logs

from eyebright.errors import StorageFull
from eyebright.loops import idle, outbox
from eyebright.loops.pulse import BACKOFF_CAP_SECONDS, STANDSTILL_SECONDS, Pulse, keep
from eyebright.services.signal import Signal
from eyebright.testing import ManualClock


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Flaky:
    """Fails as often as it is told, then works."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.rounds = 0

    async def tick(self) -> None:
        self.rounds += 1
        if self.rounds <= self.failures:
            raise RuntimeError("no luck")


@pytest.fixture
async def going():
    tasks: list[asyncio.Task[None]] = []
    yield lambda loop: tasks.append(asyncio.create_task(loop))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_round_follows_another_after_a_rest(going):
    clock, work = ManualClock(), Flaky(0)
    pulse = Pulse("x", clock.monotonic_ms())
    going(keep(pulse, clock, work.tick, lambda: clock.sleep(1)))
    for rounds in (1, 2, 3):
        await settle()
        assert work.rounds == rounds
        assert pulse.condition(clock.monotonic_ms()) == "ok"
        clock.advance(1)


async def test_after_failures_the_rest_grows_and_then_all_is_well(going):
    clock, work = ManualClock(), Flaky(7)
    pulse = Pulse("x", clock.monotonic_ms())
    going(keep(pulse, clock, work.tick, lambda: clock.sleep(1)))
    for failing, rest in enumerate((1, 2, 4, 8, 16, BACKOFF_CAP_SECONDS, BACKOFF_CAP_SECONDS), 1):
        await settle()
        assert pulse.failing == work.rounds == failing
        assert pulse.condition(clock.monotonic_ms()) == f"failed {failing} times in a row: RuntimeError: no luck"
        clock.advance(rest - 0.1)
        await settle()
        assert work.rounds == failing  # not yet
        clock.advance(0.1)
    await settle()
    assert (pulse.failing, pulse.failures, pulse.condition(clock.monotonic_ms())) == (0, 7, "ok")


async def test_a_rest_that_fails_ends_the_loop_no_more_than_a_round_does(going):
    clock, work, looks = ManualClock(), Flaky(0), Flaky(1)

    async def rest() -> None:
        await looks.tick()
        await clock.sleep(1)

    pulse = Pulse("x", clock.monotonic_ms())
    going(keep(pulse, clock, work.tick, rest))
    await settle()
    assert pulse.condition(clock.monotonic_ms()) == "failed 1 times in a row: RuntimeError: no luck"
    clock.advance(1)
    await settle()
    assert (work.rounds, pulse.condition(clock.monotonic_ms())) == (2, "ok")


async def test_an_outage_of_days_does_not_end_the_loop(going):
    clock, work = ManualClock(), Flaky(2)
    pulse = Pulse("x", clock.monotonic_ms(), failing=10_000)
    going(keep(pulse, clock, work.tick, lambda: clock.sleep(1)))
    for _ in range(2):
        await settle()
        clock.advance(BACKOFF_CAP_SECONDS)
    await settle()
    assert (work.rounds, pulse.failing) == (3, 0)


class Outage:
    """A disk that is full until it is mended."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error

    async def tick(self) -> None:
        if self.error:
            raise self.error


@pytest.mark.parametrize("error", [StorageFull(), OSError(errno.ENOSPC, "No space left")], ids=["ours", "the system's"])
async def test_a_full_disk_is_logged_once_when_it_begins_and_once_when_it_ends(going, error):
    clock, work = ManualClock(), Outage(error)
    with capture_logs() as said:
        going(keep(Pulse("sweeper", clock.monotonic_ms()), clock, work.tick, lambda: clock.sleep(1)))
        for _ in range(6):
            await settle()
            clock.advance(BACKOFF_CAP_SECONDS)
        assert [(line["log_level"], line.get("exc_info")) for line in said] == [("warning", None)]
        work.error = None
        for _ in range(3):
            await settle()
            clock.advance(BACKOFF_CAP_SECONDS)
    assert [line["event"] for line in said[1:]] == ["rounds succeed again"]


async def test_a_mistake_of_ours_is_logged_with_where_it_came_from_each_time(going):
    clock, work = ManualClock(), Flaky(2)
    with capture_logs() as said:
        going(keep(Pulse("sweeper", clock.monotonic_ms()), clock, work.tick, lambda: clock.sleep(1)))
        for _ in range(2):
            await settle()
            clock.advance(BACKOFF_CAP_SECONDS)
    assert [line.get("exc_info") for line in said[:2]] == [True, True]


async def test_a_standstill_is_seen(going):
    clock = ManualClock()
    pulse = Pulse("x", clock.monotonic_ms())
    going(keep(pulse, clock, asyncio.Event().wait, lambda: clock.sleep(1)))
    clock.advance(STANDSTILL_SECONDS - 1)
    assert pulse.condition(clock.monotonic_ms()) == "ok"
    clock.advance(1)
    assert pulse.condition(clock.monotonic_ms()) == "has not finished a round for 90 s"


async def test_the_outbox_is_emptied_before_it_rests(going):
    class Relay:
        left = 2500

        async def tick(self, limit: int) -> int:
            taken = min(limit, self.left)
            self.left -= taken
            return taken

    relay, clock = Relay(), ManualClock()
    going(outbox.run(relay, Pulse("outbox", clock.monotonic_ms()), clock, Signal()))
    await settle()
    assert relay.left == 0


async def test_news_that_comes_while_the_outbox_rests_goes_out_together(going):
    class Relay:
        rounds = 0

        async def tick(self, limit: int) -> int:
            self.rounds += 1
            return 1

    relay, clock, news = Relay(), ManualClock(), Signal()
    going(outbox.run(relay, Pulse("outbox", clock.monotonic_ms()), clock, news))
    await settle()
    for _ in range(3):
        news.set()
        await settle()
    assert relay.rounds == 1
    clock.advance(outbox.PAUSE_SECONDS)
    await settle()
    assert relay.rounds == 2


async def test_an_embedded_server_leaves_only_when_it_is_quiet_and_nothing_is_unfinished():
    clock = ManualClock()
    quiet, unfinished, left = 0.0, True, []

    async def busy() -> bool:
        return unfinished

    watching = asyncio.create_task(
        idle.run(lambda: quiet, busy, lambda: left.append(clock.monotonic_ms()), clock, patience_seconds=30)
    )

    async def look() -> None:
        await settle()
        clock.advance(1)
        await settle()

    await look()
    quiet = 30.0
    await look()
    assert not left  # a job is unfinished
    unfinished, quiet = False, 29.0
    await look()
    assert not left  # somebody called
    quiet = 30.0
    await look()
    await watching
    assert len(left) == 1


async def test_who_cannot_tell_whether_jobs_are_unfinished_stays():
    clock, left = ManualClock(), []

    async def unreachable() -> bool:
        raise RuntimeError("the database is away")

    watching = asyncio.create_task(
        idle.run(lambda: 99.0, unreachable, lambda: left.append(1), clock, patience_seconds=30)
    )
    for _ in range(3):
        await settle()
        clock.advance(1)
    await settle()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert left == []
