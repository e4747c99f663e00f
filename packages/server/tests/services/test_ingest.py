"""Many reporters, few commits."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from eyebright.errors import Unavailable
from eyebright.services import ingest


@pytest.fixture
def commits(platform, monkeypatch):
    """One entry for each transaction of the job store."""
    counted, original = [], platform.database.jobs.transaction

    @asynccontextmanager
    async def transaction():
        counted.append(1)
        async with original() as opened:
            yield opened

    monkeypatch.setattr(platform.database.jobs, "transaction", transaction)
    return counted


async def test_what_is_posted_at_the_same_moment_shares_a_commit(platform, commits):
    handles = [await platform.launched() for _ in range(2)]
    commits.clear()
    acks = await asyncio.gather(*(platform.say(handle, "started", pid=1, host="here") for handle in handles))
    assert [ack.acked for ack in acks] == [1, 1]
    assert len(commits) == 1


async def test_one_reporter_alone_is_never_kept_waiting(platform, monkeypatch):
    monkeypatch.setattr(ingest, "GATHER_SECONDS", 3600)
    handle = await platform.launched()
    async with asyncio.timeout(10):
        for _ in range(5):
            await platform.say(handle, "stage", stage="training")


async def test_who_posts_while_others_are_written_comes_next(platform, monkeypatch):
    monkeypatch.setattr(ingest, "GATHER_SECONDS", 0)
    first, second = [await platform.launched() for _ in range(2)]
    posts = [platform.event(handle, "stage", stage="training") for handle in (first, second, first, second)]
    tasks = [
        asyncio.create_task(platform.post(handle, event))
        for handle, event in zip((first, second, first, second), posts, strict=True)
    ]
    assert [ack.acked for ack in await asyncio.gather(*tasks)] == [1, 1, 2, 2]


async def test_a_reporter_that_hangs_up_costs_the_others_nothing(platform):
    first, second = [await platform.launched() for _ in range(2)]
    hanging = asyncio.create_task(platform.say(first, "started", pid=1, host="here"))
    staying = asyncio.create_task(platform.say(second, "started", pid=2, host="here"))
    await asyncio.sleep(0)
    hanging.cancel()
    assert (await staying).acked == 1
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert (await platform.run(first)).attempt.last_seq == 1  # it was being written; the reporter will hear of it


async def test_when_the_store_is_away_nobody_waits_for_the_others_tries(platform, monkeypatch):
    handles = [await platform.launched() for _ in range(2)]
    tries = []

    @asynccontextmanager
    async def away():
        tries.append(1)
        raise Unavailable
        yield

    monkeypatch.setattr(platform.database.jobs, "transaction", away)
    posts = (platform.say(handle, "started", pid=1, host="here") for handle in handles)
    answers = await asyncio.gather(*posts, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    assert len(tries) == 1
