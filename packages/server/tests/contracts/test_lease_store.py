import asyncio

from samples import NOW_MS

TTL_MS = 15_000


async def test_who_asks_first_has_it_until_it_runs_out(database):
    leases = database.leases
    assert await leases.take("news", "a", NOW_MS, TTL_MS) == 1
    assert await leases.take("news", "b", NOW_MS + TTL_MS - 1, TTL_MS) is None
    assert await leases.take("news", "b", NOW_MS + TTL_MS, TTL_MS) == 2
    assert await leases.take("news", "a", NOW_MS + TTL_MS, TTL_MS) is None


async def test_a_term_lasts_while_it_is_taken_again_in_time(database):
    leases = database.leases
    assert await leases.take("news", "a", NOW_MS, TTL_MS) == 1
    assert await leases.take("news", "a", NOW_MS + TTL_MS - 1, TTL_MS) == 1
    assert await leases.take("news", "b", NOW_MS + 2 * TTL_MS - 2, TTL_MS) is None
    assert await leases.take("news", "a", NOW_MS + 9 * TTL_MS, TTL_MS) == 2, "somebody may have had it meanwhile"


async def test_what_is_given_back_can_be_taken_at_once(database):
    leases = database.leases
    await leases.take("news", "a", NOW_MS, TTL_MS)
    await leases.release("news", "b")
    assert await leases.take("news", "b", NOW_MS, TTL_MS) is None
    await leases.release("news", "a")
    assert await leases.take("news", "b", NOW_MS, TTL_MS) == 2
    await leases.release("nothing", "a")


async def test_who_holds_what_is_told(database):
    leases = database.leases
    await leases.take("news", "a", NOW_MS, TTL_MS)
    await leases.take("curves", "b", NOW_MS, 2 * TTL_MS)
    assert await leases.holders(NOW_MS) == {"curves": "b", "news": "a"}
    assert await leases.holders(NOW_MS + TTL_MS) == {"curves": "b"}


async def test_of_many_who_ask_at_once_one_has_it(database):
    terms = await asyncio.gather(*(database.leases.take("news", f"r{number}", NOW_MS, TTL_MS) for number in range(20)))
    assert sorted(term for term in terms if term is not None) == [1]
