"""Rows about what lies in the object store."""

import asyncio

from samples import NOW_MS

from eyebright.ports.stored import ALL, Due, Held, Look

LATER_MS = NOW_MS + 1000


async def put(stored, key, size):
    turns = await stored.open([key], NOW_MS, LATER_MS)
    assert not await stored.settle({key: Look(turns[key], size)})


async def test_what_is_settled_is_held(database):
    stored = database.stored
    for key, size in (("blobs/sha256/aa/1", 2**40), ("blobs/sha256/aa/2", 0), ("jobs/j/a1/model", 7)):
        await put(stored, key, size)
    assert await stored.held() == [Held("blobs", 2, 2**40, 0), Held("jobs", 1, 7, 0)]
    assert await stored.known("blobs/sha256/aa/") == {"blobs/sha256/aa/1": 2**40, "blobs/sha256/aa/2": 0}
    assert await stored.due(1 << 53, "", 10) == []


async def test_a_prefix_is_a_folder_and_nothing_beside_it(database):
    for key in ("jobs/j/a1.log", "jobs/j/a1/x", "jobs/j/a10/x", "jobs/j/a1/y/z", "jobs/j/a1-x/y"):
        await put(database.stored, key, 1)
    assert sorted(await database.stored.known("jobs/j/a1/")) == ["jobs/j/a1/x", "jobs/j/a1/y/z"]


async def test_an_open_row_is_due_once_its_time_is_over(database):
    stored = database.stored
    turns = await stored.open(["b", "a", "c", "b"], NOW_MS, LATER_MS)
    await stored.open(["c"], NOW_MS, LATER_MS + 1)
    assert await stored.held() == [Held("a", 0, 0, 1), Held("b", 0, 0, 1), Held("c", 0, 0, 1)]
    assert await stored.due(LATER_MS - 1, "", 10) == []
    assert await stored.due(LATER_MS, "", 10) == [Due("a", turns["a"], LATER_MS), Due("b", turns["b"], LATER_MS)]
    assert [row.key for row in await stored.due(LATER_MS + 1, "a", 1)] == ["b"]
    assert [row.key for row in await stored.due(LATER_MS + 1, "b", 9)] == ["c"]


async def test_a_time_is_never_shortened(database):
    await database.stored.open(["a"], NOW_MS, LATER_MS)
    await database.stored.open(["a"], NOW_MS, NOW_MS)
    assert await database.stored.due(LATER_MS - 1, "", 10) == []


async def test_who_looked_before_anothers_turn_settles_nothing(database):
    stored = database.stored
    mine = (await stored.open(["a", "b"], NOW_MS, LATER_MS))["a"]
    theirs = (await stored.open(["a"], NOW_MS, LATER_MS))["a"]
    assert await stored.settle({"a": Look(mine, 1), "b": Look(mine, 2), "none": Look(mine, 3)}) == {"a", "none"}
    assert await stored.turns(["a", "none"]) == {"a": theirs}
    assert not await stored.settle({"a": Look(theirs, 5)})
    assert await stored.settle({"a": Look(theirs, 6)}) == {"a"}, "it has been settled since"
    assert await stored.known("a/") == {}
    assert {each.kind: (each.size_bytes, each.open) for each in await stored.held()} == {"a": (5, 1), "b": (2, 0)}


async def test_the_row_of_what_is_gone_goes_once_nobody_has_it_open(database):
    stored = database.stored
    await put(stored, "a", 3)
    await stored.open(["a"], NOW_MS, LATER_MS)
    turn = (await stored.open(["a"], NOW_MS, LATER_MS))["a"]
    assert not await stored.settle({"a": Look(turn, None)})
    turn = (await stored.turns(["a"]))["a"]
    assert not await stored.settle({"a": Look(turn, None)})
    assert await stored.turns(["a"]) == {}


async def test_a_row_is_closed_for_all_or_for_none(database):
    stored = database.stored
    await stored.open(["a", "b"], NOW_MS, LATER_MS)
    turns = await stored.open(["a", "b"], NOW_MS, LATER_MS)
    await stored.settle({"a": Look(turns["a"], 1)}, ALL)
    await stored.settle({"b": Look(turns["b"], 2)}, 0)
    assert await stored.held() == [Held("a", 1, 1, 0), Held("b", 1, 2, 1)]


async def test_of_many_who_open_at_once_each_has_a_turn_of_its_own(database):
    keys = [f"k{number:03}" for number in range(50)]
    turns = await asyncio.gather(*(database.stored.open(keys[:: (-1) ** n], NOW_MS, LATER_MS) for n in range(10)))
    for key in keys:
        assert sorted(each[key] for each in turns) == list(range(NOW_MS, NOW_MS + 10))
    looks = {key: Look(NOW_MS + 9, 1) for key in keys}
    left = await asyncio.gather(*(database.stored.settle(looks) for _ in range(5)))
    assert sorted(map(len, left)) == [0, 50, 50, 50, 50]
