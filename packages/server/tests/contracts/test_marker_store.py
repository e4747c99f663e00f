import asyncio

from samples import NOW_MS, job


async def test_a_marker_that_was_never_written_is_none(database):
    assert await database.markers.read("swept_at_ms") is None


async def test_a_marker_is_moved_only_from_where_it_is(database):
    assert not await database.markers.move("removals", 1, 2)
    assert await database.markers.move("removals", None, 1)
    assert not await database.markers.move("removals", None, 7)
    assert await database.markers.move("removals", 1, 2)
    assert await database.markers.read("removals") == 2


async def test_whoever_moves_a_marker_waits_for_who_has_read_it(database):
    async with database.jobs.transaction() as transaction:
        assert await transaction.marker("removals") is None
        moving = asyncio.create_task(database.markers.move("removals", None, 1))
        await asyncio.wait([moving], timeout=0.2)
        assert not moving.done()
        await transaction.insert(job())
    assert await moving
    async with database.jobs.transaction() as transaction:
        assert await transaction.marker("removals") == 1


async def test_a_marker_is_what_was_written_last(database):
    await database.markers.write("swept_at_ms", NOW_MS)
    await database.markers.write("other", -1)
    await database.markers.write("swept_at_ms", NOW_MS + 1)
    assert await database.markers.read("swept_at_ms") == NOW_MS + 1
    assert await database.markers.read("other") == -1
