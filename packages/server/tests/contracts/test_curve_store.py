from samples import claim, job, post, progress, started, submit

from eyebright.core.curves import Curve, Curves, Point
from eyebright.ports.curves import STRIDE

ID = "job_0001"
LOSS = (Point(1, 1, 1_763_690_123_457, 0.1), Point(2**53, 9, 1_763_690_123_458, -1e300))
KEPT = Curves(7, 2, {"loss": Curve(LOSS, 4), 'ä"\ud800\0': Curve((Point(0, 0, 0, 0.0),), 1)})


async def test_curves_come_back_as_they_were_kept(database):
    await submit(database, job())
    assert await database.curves.get(ID) == Curves()
    assert await database.curves.keep(ID, KEPT, 0)
    assert await database.curves.get(ID) == KEPT
    assert await database.curves.get("job_9999") == Curves()


async def test_of_two_who_went_on_from_the_same_curves_one_keeps_what_it_made(database):
    await submit(database, job())
    first, second, third = Curves(7, 1, KEPT.curves), Curves(9, 1), Curves(11, 2)
    assert await database.curves.keep(ID, first, 0)
    assert not await database.curves.keep(ID, second, 0)
    assert await database.curves.get(ID) == first
    assert await database.curves.keep(ID, second, 7)
    assert not await database.curves.keep(ID, third, 7)
    assert await database.curves.get(ID) == second


async def test_a_job_is_behind_once_a_chart_would_read_many_events(database):
    await submit(database, job(1), job(2))
    await claim(database)
    await claim(database, "job_0002")
    await post(database, started(), *(progress(seq) for seq in range(2, STRIDE)))
    await post(database, started(), progress(2), job_id="job_0002")
    assert list(await database.curves.behind(9)) == []
    await post(database, progress(STRIDE))
    assert list(await database.curves.behind(9)) == [ID]
    assert list(await database.curves.behind(0)) == []
    await database.curves.keep(ID, Curves(STRIDE - 1), 0)
    assert list(await database.curves.behind(9)) == [ID]
    await database.curves.keep(ID, Curves(STRIDE), STRIDE - 1)
    assert list(await database.curves.behind(9)) == []
