from samples import NOW_MS


async def test_a_marker_that_was_never_written_is_none(database):
    assert await database.markers.read("swept_at_ms") is None


async def test_a_marker_is_what_was_written_last(database):
    await database.markers.write("swept_at_ms", NOW_MS)
    await database.markers.write("other", -1)
    await database.markers.write("swept_at_ms", NOW_MS + 1)
    assert await database.markers.read("swept_at_ms") == NOW_MS + 1
    assert await database.markers.read("other") == -1
