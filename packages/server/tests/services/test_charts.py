import pytest
from harness.platform import Platform

from eyebright.core.curves import Curves
from eyebright.errors import NotFound
from eyebright.ports.curves import STRIDE
from eyebright.services import charts
from eyebright_wire.runs import Handle


async def report(platform: Platform, handle: Handle, first: int, last: int, **more: float) -> None:
    steps = range(first, last + 1)
    for start in steps[::500]:
        some = range(start, min(start + 500, last + 1))
        events = [
            platform.event(handle, "progress", epoch=1, epochs=1, step=step, metrics={"loss": 1 / step, **more})
            for step in some
        ]
        await platform.post(handle, *events)


async def test_a_chart_is_the_same_before_and_after_its_job_was_taken_into_the_curves(platform):
    handle = await platform.running()
    await report(platform, handle, 1, STRIDE, top1=0.5)
    before = await platform.charts.metrics(handle.job_id)
    assert [(series.name, len(series.points)) for series in before] == [("loss", STRIDE), ("top1", STRIDE)]
    assert await platform.charts.fold()
    assert not await platform.charts.fold()
    assert (await platform.database.curves.get(handle.job_id)).position == STRIDE + 1
    assert await platform.charts.metrics(handle.job_id) == before


async def test_what_was_said_since_is_in_the_chart(platform):
    handle = await platform.running()
    await report(platform, handle, 1, STRIDE)
    await platform.charts.fold()
    await report(platform, handle, STRIDE + 1, STRIDE + 3)
    (loss,) = await platform.charts.metrics(handle.job_id)
    assert [point.step for point in loss.points] == list(range(1, STRIDE + 4))


async def test_many_events_are_taken_in_portions(platform, monkeypatch):
    monkeypatch.setattr(charts, "_PAGE", 100)
    monkeypatch.setattr(charts, "_PORTION", 1000)
    handle = await platform.running()
    await report(platform, handle, 1, STRIDE + 500)
    whole = await platform.charts.metrics(handle.job_id)
    positions = []
    while await platform.charts.fold():
        positions.append((await platform.database.curves.get(handle.job_id)).position)
    assert positions == [1001, 2001, 2549]
    assert await platform.charts.metrics(handle.job_id) == whole


async def test_events_without_metrics_are_behind_a_job_too(platform):
    handle = await platform.running()
    for _ in range(5):
        await platform.post(handle, *(platform.event(handle, "stage", stage="training") for _ in range(500)))
    assert await platform.charts.fold()
    assert await platform.database.curves.get(handle.job_id) == Curves(position=2501)
    assert not await platform.charts.fold()
    assert await platform.charts.metrics(handle.job_id) == ()


async def test_a_long_chart_keeps_a_spike_however_few_points_are_asked_for(platform):
    handle = await platform.running()
    await report(platform, handle, 1, 300)
    await platform.say(handle, "progress", epoch=1, epochs=1, step=301, metrics={"loss": 99.0})
    await report(platform, handle, 302, 600)
    (loss,) = await platform.charts.metrics(handle.job_id, 10)
    assert len(loss.points) == 10
    assert 301 in {point.step for point in loss.points}


async def test_a_chart_of_no_job_is_refused(platform):
    with pytest.raises(NotFound):
        await platform.charts.metrics("job_none")
