"""How long an order takes is learned from jobs that really went through the control plane, on real databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from databases import SQL
from harness.platform import READY, Platform
from sqlalchemy import event
from sqlalchemy.engine import Engine

from eyebright.services.durations import RECENT_MS
from eyebright.testing import FakeExecutor, toy_manifest
from eyebright_wire.jobs import PreflightRequest, RehearsalRequest, Resources
from eyebright_wire.resources import JobView, TimeForecast
from eyebright_wire.runs import Slot

pytestmark = pytest.mark.parametrize("kind", SQL)
RECIPE = {"epochs": 2, "batch": 8, "imgsz": 64, "device": "auto", "layers": [1, 2]}


@pytest.fixture
async def shaped(database):
    """Its toy has images of a size, and batches; `pets` has 8 images to train on."""
    platform = Platform(database)
    task = toy_manifest().tasks[0]
    properties = {name: {"type": "integer"} for name in RECIPE} | {
        "device": {"type": "string"},
        "layers": {"type": "array"},
    }
    schema = {"type": "object", "properties": properties}
    task = task.model_copy(update={"recipe": RECIPE, "config_schema": schema})
    platform.catalog.manifests["toy"] = toy_manifest(tasks=(task,))
    await platform.add_dataset()
    yield platform
    await platform.sweep.close()


async def trained(
    platform: Platform, *, epochs: int = 2, epoch_seconds: float = 10, dataset: str = "pets", **fields: Any
) -> JobView:
    """2 s before the first epoch, 4 s after the last; the newest forecasts are known to the next order."""
    platform.clock.advance(RECENT_MS / 1000)
    handle = await platform.launched(dataset=dataset, config={"epochs": epochs, **fields})
    given = platform.executor.launches[-1].resources.model_dump()
    await platform.say(handle, "started", pid=1, host="here", resources=given)
    platform.clock.advance(2)
    await platform.say(handle, "stage", stage="training")
    platform.clock.advance(epoch_seconds * epochs)
    await platform.say(handle, "progress", epoch=epochs, epochs=epochs, epoch_finished=True)
    await platform.say(handle, "stage", stage="exporting")
    platform.clock.advance(4)
    await platform.succeed(handle)
    job = await platform.jobs.get(handle.job_id)
    assert job.state == "succeeded"
    return job


async def foretold(platform: Platform, executor: str = "local", **config: Any) -> TimeForecast:
    order = PreflightRequest(dataset="pets", trainer="toy", executor=executor, config=config)
    found = (await platform.preflights.preflight(order)).time
    assert found is not None
    return found


async def test_nothing_is_known_of_the_first_one(shaped):
    found = await foretold(shaped)
    assert (found.basis, found.seconds, found.tested) == ("unknown", None, 0)
    assert (await shaped.submit()).forecast is None


async def test_without_data_there_is_nothing_to_say(shaped):
    assert (await shaped.preflights.preflight(PreflightRequest())).time is None


async def test_the_next_one_is_foretold_and_its_order_keeps_that(shaped):
    await trained(shaped)
    found = await foretold(shaped, epochs=5)
    assert (found.basis, found.seconds, found.fixed_seconds) == ("measured", 2 + 5 * 10 + 4, 6)
    job = await trained(shaped, epochs=3, epoch_seconds=15)
    assert job.forecast.seconds == 2 + 3 * 10 + 4
    assert (job.finished_at_ms - job.started_at_ms) / 1000 == 2 + 3 * 15 + 4
    shaped.restart()
    assert (await shaped.jobs.get(job.id)).forecast == job.forecast


async def test_how_wrong_it_was_is_told_with_the_next_one(shaped):
    await trained(shaped, epoch_seconds=10)  # 26 s, not foretold
    await trained(shaped, epoch_seconds=10)  # 26 s, as foretold
    await trained(shaped, epoch_seconds=17)  # 40 s in place of 26
    found = await foretold(shaped)
    assert (found.tested, found.runs) == (2, 3)
    assert found.error == pytest.approx((0 + 14 / 40) / 2)
    assert found.seconds == 26


async def test_what_an_earlier_one_said_is_read_once(shaped, monkeypatch):
    await trained(shaped)
    first = await foretold(shaped)

    async def again(*_):
        raise AssertionError

    monkeypatch.setattr(type(shaped.preflights._durations._history), "told", again)
    assert await foretold(shaped) == first


async def test_after_a_restart_many_runs_are_read_in_as_few_statements_as_one(shaped):
    await shaped.add_dataset("more")
    counts: list[int] = []
    for dataset in ("pets", "more", "more"):
        await trained(shaped, dataset=dataset)
        shaped.restart()
        with statements() as seen:
            assert (await foretold(shaped)).runs == len(counts) + 1
        counts.append(len(seen))
    assert counts == [counts[0]] * 3


@contextmanager
def statements() -> Iterator[list[str]]:
    """Those that any database is sent."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_three_runs_with_every_setting_the_same_go_before_others(shaped):
    for _ in range(3):
        await trained(shaped, epoch_seconds=10)
    for _ in range(4):
        await trained(shaped, epoch_seconds=20, layers=[3])
    assert (await foretold(shaped)).seconds == 6 + 20
    assert (await foretold(shaped, layers=[3])).seconds == 6 + 40
    assert (await foretold(shaped, layers=[4])).seconds == 6 + 40  # the middle of all seven


async def test_other_images_are_scaled_and_far_ones_are_not_compared(shaped):
    await trained(shaped)
    assert (await foretold(shaped, imgsz=128)).seconds == 6 + 4 * 20
    far = await foretold(shaped, imgsz=512)
    assert (far.basis, far.seconds) == ("unknown", None)
    assert "the one earlier training of this model had another" in far.how


async def test_validation_takes_its_share(shaped):
    await trained(shaped)  # 8 images to train on, 2 to validate on: as 8 2/3
    await shaped.add_dataset("checked", READY.model_copy(update={"images": {"train": 8, "val": 28}}))
    found = (await shaped.preflights.preflight(PreflightRequest(dataset="checked"))).time
    assert found.seconds == pytest.approx(6 + 2 * 20)
    shaped.clock.advance(RECENT_MS / 1000)
    assert (await shaped.submit(dataset="checked")).forecast == found


async def test_other_devices_and_places_tell_nothing(shaped):
    await trained(shaped)
    assert (await foretold(shaped, device="cpu")).basis == "unknown"
    shaped.preflights._executors["elsewhere"] = FakeExecutor()
    shaped.orders._executors += ("elsewhere",)
    assert (await foretold(shaped, "elsewhere")).how.startswith("nothing known yet: no training")
    shaped.executor._slots = [Slot(0, Resources(devices=(0,)))]
    assert (await foretold(shaped)).basis == "unknown"


async def test_a_place_with_another_share_of_the_machine_tells_nothing(shaped):
    await trained(shaped)  # with one thread
    assert (await foretold(shaped)).basis == "measured"
    shaped.executor._slots = [Slot(0, Resources(threads=2))]
    assert (await foretold(shaped)).basis == "unknown"


async def test_a_run_that_was_cut_short_tells_nothing(shaped):
    handle = await shaped.running()
    await shaped.say(handle, "failed", code="trainer_error", message="it broke", retryable=False)
    assert (await foretold(shaped)).how.startswith("nothing known yet: no training")


async def test_orders_in_a_row_go_by_what_was_found_for_the_first(shaped):
    assert (await shaped.submit()).forecast is None
    handle = await shaped.running()
    await shaped.say(handle, "stage", stage="training")
    shaped.clock.advance(1)
    await shaped.say(handle, "progress", epoch=2, epochs=2, epoch_finished=True)
    await shaped.succeed(handle)
    assert (await shaped.submit()).forecast is None
    shaped.clock.advance(RECENT_MS / 1000)
    shaped.clock.step(-3600)
    assert (await shaped.submit()).forecast.seconds == 1


async def test_only_whole_trainings_are_foretold(shaped):
    await trained(shaped)
    shaped.clock.advance(RECENT_MS / 1000)
    rehearsal = (await shaped.jobs.rehearse(RehearsalRequest(dataset="pets"))).view
    assert rehearsal.forecast is None
    old = await shaped.submit()
    assert old.forecast is not None
    await shaped.jobs.cancel(old.id)
    assert (await shaped.jobs.retry(old.id)).forecast == old.forecast


async def test_what_goes_on_from_a_checkpoint_is_not_foretold_as_a_whole(shaped):
    await trained(shaped)
    shaped.clock.advance(RECENT_MS / 1000)
    handle = await shaped.launched()
    await shaped.say(handle, "started", pid=1, host="here", versions={"toy": toy_manifest().version})
    manifest = {"path": "checkpoints/step-5/manifest.json", "size_bytes": 1, "sha256": "b" * 64, "kind": "checkpoint"}
    await shaped.say(handle, "checkpoint", manifest=manifest, epoch=1, step=5)
    await shaped.jobs.cancel(handle.job_id)
    await shaped.say(handle, "cancelled", step=5)
    shaped.executor.exit(handle, 0)
    await shaped.settle()
    again = await shaped.jobs.retry(handle.job_id)
    assert (again.resume_from, again.forecast) == (handle.job_id, None)
    fresh = await shaped.jobs.retry(handle.job_id, fresh=True)
    assert (fresh.resume_from, fresh.forecast.seconds) == (None, 26)
