import asyncio
import inspect

import pytest
from databases import SQL
from sqlalchemy import func, select, text

from eyebright.errors import Conflict, Unavailable
from eyebright.stores.sql import ownership
from eyebright.stores.sql.database import Database

ENDED = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture(params=SQL)
async def kind(request):
    return request.param


@pytest.fixture
async def two(kind, fresh_url, monkeypatch):
    """Two servers that were given the same database."""
    monkeypatch.setattr(ownership, "PATIENCE_SECONDS", 0.4)
    url = fresh_url(kind)
    first, second = await Database.open(url), await Database.open(url)
    yield first, second
    await first.close()
    await second.close()


async def test_a_second_control_plane_is_refused(two):
    first, second = two
    async with first.owned():
        with pytest.raises(Conflict, match="another Eyebright server uses the database"):
            async with second.owned():
                pass


async def test_the_next_one_may_have_it(two, monkeypatch):
    monkeypatch.setattr(ownership, "PATIENCE_SECONDS", 60)  # a session ends some time after it was closed
    first, second = two
    async with first.owned():
        pass
    async with second.owned():
        pass


async def test_owning_it_hinders_nobody_who_reads_or_writes(two):
    first, second = two
    async with first.owned():
        await first.markers.write("here", 1)
        assert await second.markers.read("here") == 1


async def until(holds):
    for _ in range(6000):
        found = holds()
        if await found if inspect.isawaitable(found) else found:
            return
        await asyncio.sleep(0.01)
    raise AssertionError


async def free(connection):
    return not await connection.scalar(text(HELD))


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_hold_that_breaks_is_missed_at_once_and_taken_again(two):
    first, second = two
    async with first.owned():
        async with second.engine.reading() as connection:
            await connection.exec_driver_sql(ENDED)
        await until(lambda: first.engine.barred)
        await until(lambda: not first.engine.barred)
        await first.markers.write("here", 1)
        with pytest.raises(Conflict):
            async with second.owned():
                pass


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_who_lost_it_to_another_writes_nothing_until_that_one_has_gone(two):
    first, second = two
    async with first.owned():
        async with second.engine.reading() as other:
            waiting = asyncio.create_task(other.execute(select(func.pg_advisory_lock(ownership._LOCK))))
            async with second.engine.reading() as connection:
                await until(lambda: connection.scalar(text(WAITING)))
                await connection.exec_driver_sql(ENDED)
            await waiting
            await until(lambda: first.engine.barred)
            with pytest.raises(Unavailable, match="lost its hold on the database"):
                await first.markers.write("here", 1)
            await until(lambda: "another Eyebright server" in first.engine.barred)
            assert await first.markers.read("here") is None
            await other.invalidate()
        await until(lambda: not first.engine.barred)
        await first.markers.write("here", 1)


# Among several


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_servers_that_say_so_share_it(two):
    first, second = two
    async with first.owned("rep_1"), second.owned("rep_2"):
        await first.markers.write("here", 1)
        await second.markers.write("here", 2)
        assert await first.markers.read("here") == 2


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_who_works_alone_and_who_does_not_keep_each_other_away(two):
    first, second = two
    async with first.owned():
        with pytest.raises(Conflict, match="a server that works alone uses the database"):
            async with second.owned("rep_2"):
                pass
    async with second.engine.reading() as connection:  # a session ends some time after it was closed
        await until(lambda: free(connection))
    async with first.owned("rep_1"):
        with pytest.raises(Conflict, match="another Eyebright server uses the database"):
            async with second.owned():
                pass


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_copied_folder_is_no_second_server(two):
    first, second = two
    async with first.owned("rep_1"):
        with pytest.raises(Conflict, match="its data folder was copied"):
            async with second.owned("rep_1"):
                pass


async def test_a_file_has_one_server_whatever_it_says(two, kind):
    first, second = two
    if kind == "sqlite":
        async with first.owned("rep_1"):
            with pytest.raises(Conflict):
                async with second.owned("rep_2"):
                    pass
