"""What one server calls out, the others hear at once; a call that is lost costs nothing but time."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from eyebright.services.announce import Announcer
from eyebright.services.calls import MOST
from eyebright.stores.sql import notify
from eyebright.stores.sql.database import Database

LISTENERS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND (query LIKE '%LISTEN%' OR query LIKE '%pg_notify%')"
)
#: Nothing else than a call wakes anybody here, so that this only keeps a failure from hanging.
SOON = 60

Server = tuple[Database, Announcer]


async def serving(url: str) -> tuple[Server, asyncio.Task[None]]:
    database, announcer = await Database.open(url), Announcer()
    carrying = asyncio.create_task(database.bus.carry(announcer.calls.taken, announcer.heard))
    assert await announcer.sweeper.wait(SOON)  # it listens now
    return (database, announcer), carrying


@pytest.fixture
async def two(fresh_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, Server]]:
    monkeypatch.setattr(notify, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(notify, "LOOK_SECONDS", 60)
    url = fresh_url("postgresql")
    started = [await serving(url) for _ in range(2)]
    await asyncio.sleep(0.1)
    yield started[0][0], started[1][0]
    for (database, _), carrying in started:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        await database.close()


async def test_who_watches_a_job_at_another_server_hears_of_it_at_once(two: tuple[Server, Server]) -> None:
    (_, here), (_, there) = two
    with there.jobs.subscribed("job_1") as news, there.jobs.subscribed("job_2") as others:
        here.submitted("job_1")
        async with asyncio.timeout(SOON):
            await news.wait()
        assert not others.is_set()
    assert await there.dispatcher.wait(SOON)
    assert not await there.sweeper.wait(0.01)


async def test_what_comes_together_is_called_together(two: tuple[Server, Server]) -> None:
    (_, here), (_, there) = two
    calls: list[set[str]] = []
    there.jobs.publish = lambda topic: calls.append({topic})  # pyright: ignore[reportAttributeAccessIssue]
    for number in range(50):
        here.submitted(f"job_{number}")
    async with asyncio.timeout(SOON):
        while len(set().union(*calls)) < 50:  # noqa: ASYNC110  nobody tells of it
            await asyncio.sleep(0.01)
    assert set().union(*calls) == {f"job_{number}" for number in range(50)}


async def test_more_than_a_call_can_say_wakes_everybody(two: tuple[Server, Server]) -> None:
    (_, here), (_, there) = two
    with there.jobs.subscribed("job_of_somebody") as news:
        for number in range(MOST):
            here.submitted(f"job_{number}")
        async with asyncio.timeout(SOON):
            await news.wait()
    with there.jobs.subscribed("job_of_somebody") as news:
        here.submitted("x" * 9000)
        async with asyncio.timeout(SOON):
            await news.wait()


async def test_a_session_that_is_ended_is_taken_up_again(two: tuple[Server, Server]) -> None:
    (database, here), (_, there) = two
    with there.jobs.subscribed("job_1") as news:
        async with database.engine.reading() as connection:
            await connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM ({LISTENERS}) AS listening")
        assert await here.sweeper.wait(SOON)  # both listen again
        assert await there.sweeper.wait(SOON)
        assert news.is_set(), "whatever was called meanwhile"
        news.clear()
        here.submitted("job_1")
        async with asyncio.timeout(SOON):
            await news.wait()


async def test_a_server_alone_keeps_nothing_for_others(fresh_url: Callable[[str], str]) -> None:
    database, announcer = await Database.open(fresh_url("sqlite")), Announcer()
    async with asyncio.timeout(5):
        await database.bus.carry(announcer.calls.taken, announcer.heard)
    announcer.submitted("job_1")
    assert announcer.calls._calls == set()
    await database.close()
