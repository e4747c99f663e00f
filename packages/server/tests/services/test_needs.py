"""What an order was foretold to take of memory and disk stays with it, and is compared with what it took, on real databases."""

from pathlib import Path
from typing import Any

import pytest
from databases import SQL
from harness.platform import Platform

from eyebright.ports.executor import Room
from eyebright.ports.jobs import JobQuery
from eyebright.services.durations import RECENT_MS
from eyebright.testing import toy_manifest
from eyebright_wire.jobs import PreflightRequest, RehearsalRequest
from eyebright_wire.manifest import ModelInfo
from eyebright_wire.resources import JobView, Needs, Preflight
from eyebright_wire.runs import Handle

pytestmark = pytest.mark.parametrize("kind", SQL)
MIB, PARAMETERS = 2**20, 1000
RECIPE = {"epochs": 3, "batch": 4, "imgsz": 64, "device": "auto"}
#: By the rules of thumb: the program, five numbers for each weight and 400 for each pixel of a batch; and four checkpoints of
#: five numbers for each weight, and the weights.
BY_RULE = Needs(
    memory_bytes=500 * MIB + PARAMETERS * 4 * 5 + 4 * 64 * 64 * 400 * 4,
    disk_bytes=4 * PARAMETERS * 4 * 5 + PARAMETERS * 4,
)
WEIGHTS = b"x" * 50


@pytest.fixture
async def shaped(database, tmp_path: Path):
    """Its toy has images of a size, batches, and 1,000 weights."""
    platform = Platform(database)
    schema = {"type": "object", "properties": {name: {} for name in RECIPE}}
    models = (ModelInfo(name="mean", parameters=PARAMETERS),)
    task = toy_manifest().tasks[0].model_copy(update={"recipe": RECIPE, "config_schema": schema, "models": models})
    platform.catalog.manifests["toy"] = toy_manifest(tasks=(task,))
    platform.executor.has_room = Room(tmp_path, memory_bytes=2**40)
    await platform.add_dataset()
    yield platform
    await platform.sweep.close()


async def ordered(platform: Platform, **fields: Any) -> Handle:
    """The newest runs are known to it."""
    platform.clock.advance(RECENT_MS / 1000)
    return await platform.running(**fields)


async def ended(platform: Platform, handle: Handle, **said: Any) -> JobView:
    await platform.say(handle, "succeeded", **platform.leave(handle, content=WEIGHTS), **said)
    platform.executor.exit(handle, 0)
    await platform.settle()
    job = await platform.jobs.get(handle.job_id)
    assert job.state == "succeeded"
    return job


async def foretold(platform: Platform) -> Preflight:
    return await platform.preflights.preflight(PreflightRequest(dataset="pets"))


async def test_the_first_order_keeps_what_the_rules_say(shaped):
    job = await shaped.submit()
    assert job.needs == BY_RULE
    shaped.restart()
    assert (await shaped.jobs.get(job.id)).needs == BY_RULE


async def test_what_is_not_known_is_not_kept(shaped):
    shaped.catalog.manifests["toy"] = toy_manifest()
    assert (await shaped.submit()).needs is None


async def test_at_the_end_it_is_compared_with_what_was_taken(shaped):
    job = await ended(shaped, await ordered(shaped), peak_memory_bytes=700 * MIB, checkpoint_bytes=600)
    taken = {"held_bytes": 700 * MIB, "written_bytes": 600 * 4 + 50}
    assert job.needs == BY_RULE.model_copy(update=taken)
    shaped.restart()
    assert (await shaped.jobs.get(job.id)).needs == job.needs
    (listed,) = (await shaped.jobs.list(JobQuery())).items
    assert listed.needs == BY_RULE


async def test_the_next_order_keeps_what_was_learned(shaped):
    await ended(shaped, await ordered(shaped), peak_memory_bytes=700 * MIB, checkpoint_bytes=600)
    shaped.clock.advance(RECENT_MS / 1000)
    assert (await shaped.submit()).needs == Needs(memory_bytes=700 * MIB, disk_bytes=600 * 4 + 50)


async def test_how_wrong_it_was_is_told_of_what_the_orders_kept(shaped):
    """Two that ran at once were both foretold by rule, though the second could have been foretold from the first."""
    first, second = await ordered(shaped), await ordered(shaped)
    for handle in (first, second):
        await ended(shaped, handle, peak_memory_bytes=700 * MIB, checkpoint_bytes=600)
    found = await foretold(shaped)
    (disk,) = found.disk
    assert (found.memory.error, found.memory.tested) == (pytest.approx(1 - BY_RULE.memory_bytes / (700 * MIB)), 2)
    assert (disk.error, disk.tested) == (pytest.approx(BY_RULE.disk_bytes / 2450 - 1), 2)
    third = await ended(shaped, await ordered(shaped), peak_memory_bytes=700 * MIB, checkpoint_bytes=600)
    assert third.needs.memory_bytes == third.needs.held_bytes
    fourth = await ended(shaped, await ordered(shaped), peak_memory_bytes=700 * MIB, checkpoint_bytes=600)
    assert fourth.needs.disk_bytes == fourth.needs.written_bytes
    assert (await foretold(shaped)).memory.error == pytest.approx((1 - BY_RULE.memory_bytes / (700 * MIB)) / 2)


async def test_what_was_foretold_of_a_gpu_is_compared_with_what_was_held_there(shaped):
    shaped.executor.has_room = Room(memory_bytes=2**40, device_bytes=2**40)
    job = await ended(shaped, await ordered(shaped), peak_memory_bytes=9 * MIB, peak_device_bytes=80 * MIB)
    assert (job.needs.place, job.needs.held_bytes) == ("gpu", 80 * MIB)
    without = await ordered(shaped, config={"device": "cpu"})
    assert (await shaped.jobs.get(without.job_id)).needs.place == "main"


async def test_a_rehearsal_keeps_none_and_a_repeated_order_its_own(shaped):
    assert (await shaped.jobs.rehearse(RehearsalRequest(dataset="pets"))).view.needs is None
    old = await shaped.submit()
    await shaped.jobs.cancel(old.id)
    assert (await shaped.jobs.retry(old.id)).needs == old.needs
