"""All loops of one server together."""

import asyncio
from pathlib import Path

import pytest
from harness.site import API
from harness.site import site as make_site

from eyebright.loops.running import NAMES, Loops
from eyebright.services.announce import Announcer
from eyebright.stores.memory_leases import MemoryLeases
from eyebright.telemetry import Instruments
from eyebright.testing import ManualClock


class Service:
    somebody_leaves = False

    def __init__(self) -> None:
        self.rounds = 0

    async def expire(self) -> int:
        return await self.tick()

    async def clear(self) -> int:
        return await self.tick()

    async def keep_up(self) -> None:
        await self.tick()

    async def fold(self) -> bool:
        return bool(await self.tick())

    async def flush(self) -> None:
        pass

    def next_ms(self) -> None:
        pass

    async def rest(self, _until_ms: object) -> None:
        await asyncio.Event().wait()

    async def tick(self, *_: object) -> int:
        self.rounds += 1
        return 0


class Services:
    def __init__(self) -> None:
        self.dispatch, self.sweep, self.relay = Service(), Service(), Service()
        self.uploads, self.models, self.charts = Service(), Service(), Service()
        self.collection, self.storage, self.compaction = Service(), Service(), Service()
        self.deliverer, self.deliveries, self.telling = Service(), Service(), Service()


class Database:
    """Whose health can be spoilt."""

    def __init__(self) -> None:
        self.markers, self.leases = Markers(), MemoryLeases()


class Markers:
    problem: Exception | None = None

    async def read(self, name: str) -> int | None:
        if self.problem:
            raise self.problem
        return None


@pytest.fixture
async def turning():
    clock, database, instruments = ManualClock(), Database(), Instruments.make()
    loops = Loops(Services(), Announcer(), clock, database, instruments, "rep_1")
    loops.start()
    await asyncio.sleep(0)
    yield loops, clock, database.markers, instruments
    await loops.stop()


async def test_ready_when_the_database_answers_and_every_loop_goes_round(turning):
    loops, *_ = turning
    view = await loops.health()
    assert view.status == "ok"
    assert view.checks == {"database": "ok", **dict.fromkeys(NAMES, "ok")}


async def test_it_is_told_which_server_brings_the_news(turning):
    loops, clock, *_ = turning
    assert (await loops.health()).leases == dict.fromkeys(("curves", "news"), "this server")
    clock.advance(60)
    await loops._database.leases.take("news", "rep_2", clock.now_ms(), 15_000)
    assert (await loops.health()).leases == {"news": "rep_2"}


@pytest.mark.parametrize("name", NAMES)
async def test_a_dead_loop_makes_the_server_unready(turning, name):
    loops, *_ = turning
    loops._tasks[name].cancel()
    await asyncio.gather(loops._tasks[name], return_exceptions=True)
    view = await loops.health()
    assert (view.status, view.checks[name]) == ("unavailable", "has stopped; restart the server")


async def test_an_unreachable_database_makes_the_server_unready(turning):
    loops, _, markers, _ = turning
    markers.problem = RuntimeError("connection refused")
    view = await loops.health()
    assert (view.status, view.checks["database"]) == ("unavailable", "cannot be read: connection refused")


async def test_the_age_of_a_loop_is_measured(turning):
    loops, clock, _, instruments = turning
    clock.advance(7)
    clock.step(-3600)
    loops.measure()
    assert b'eyebright_loop_age_seconds{loop="sweeper"} 7.0' in instruments.exposition()


async def test_the_route_says_503_when_it_is_not_ready(tmp_path: Path):
    async with make_site(tmp_path) as site:
        assert (await site.get("/ready")).status_code == 200

        async def away(name):
            raise RuntimeError("away")

        site.parts.database.markers.read = away
        answer = await site.get("/ready")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert (await site.get("/health")).status_code == 200


async def test_the_gauges_tell_how_much_waits_and_runs(tmp_path: Path):
    async with make_site(tmp_path) as site:
        await site.add_dataset()
        handle = await site.launch()
        await site.order()
        await site.say(handle, site.event(1, "started", pid=1, host="here"))
        text = (await site.get("/metrics")).text
        assert "eyebright_jobs_queued 1.0" in text
        assert "eyebright_jobs_live 1.0" in text
        assert "eyebright_events_ingested_total 1.0" in text
        assert f'route="{API}/jobs/{{job_id}}/attempts/{{attempt}}/events",status="200"' in text
