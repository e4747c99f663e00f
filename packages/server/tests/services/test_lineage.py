"""Models that begin from models: what an order takes over, what is refused, and what a deleted parent leaves."""

from typing import Any

import pytest
from harness.platform import Platform

from eyebright.errors import ConfigInvalid, NotFound
from eyebright.ports.objects import attempt_prefix
from eyebright.testing import toy_manifest
from eyebright_wire.jobs import JobRequest, PreflightRequest
from eyebright_wire.resources import ModelView
from eyebright_wire.runs import Handle


@pytest.fixture
async def parent(platform: Platform) -> ModelView:
    return await trained(platform, name="cats", model="median")


async def trained(platform: Platform, **order: Any) -> ModelView:
    handle = await platform.running(**order)
    await platform.succeed(handle)
    return await platform.models.get((await platform.jobs.get(handle.job_id)).model_id or "")


def stored(platform: Platform, model: ModelView) -> list[str]:
    return [key for key in platform.objects.bytes if key.startswith(attempt_prefix(model.job_id, model.attempt))]


async def test_what_the_order_leaves_open_is_as_it_was_with_the_parent(platform: Platform, parent: ModelView) -> None:
    view = await platform.submit(parent="cats@1")
    assert (view.parent, view.trainer, view.model) == (parent.id, "toy", "median")


async def test_the_trainer_is_granted_the_files_of_its_weights(platform: Platform, parent: ModelView) -> None:
    await platform.launched(parent=parent.id)
    grant = platform.executor.launches[-1].parent
    assert grant is not None
    assert (grant.id, grant.title, grant.architecture, grant.classes) == (parent.id, "cats@1", "median", ())
    assert [file.path for file in grant.files] == ["model.json"]
    assert grant.source.uri.endswith(attempt_prefix(parent.job_id, parent.attempt))
    await platform.launched(name="alone")
    assert platform.executor.launches[-1].parent is None


async def test_a_model_knows_what_it_comes_from(platform: Platform, parent: ModelView) -> None:
    child = await trained(platform, name="cats", parent=parent.id)
    grandchild = await trained(platform, name="dogs", parent="cats")
    assert (grandchild.parent, [each.id for each in grandchild.lineage]) == (child.id, [child.id, parent.id])
    assert (await platform.models.compare(parent.id, child.id)).right.lineage == child.lineage
    assert parent.lineage == ()


async def test_a_deleted_parent_is_still_told_of(platform: Platform, parent: ModelView) -> None:
    child = await trained(platform, name="cats", parent=parent.id)
    await platform.models.delete(parent.id)
    (ancestor,) = (await platform.models.get(child.id)).lineage
    assert (ancestor.id, ancestor.number, ancestor.deleted_at_ms) == (parent.id, 1, platform.clock.now_ms())
    assert stored(platform, parent) == []
    assert stored(platform, child)


async def test_files_stay_until_no_job_is_to_begin_from_them(platform: Platform, parent: ModelView) -> None:
    handle = await platform.running(parent=parent.id)
    await platform.models.delete(parent.id)
    assert stored(platform, parent)
    await platform.succeed(handle)
    assert await platform.models.clear() == 1
    assert stored(platform, parent) == []


async def test_a_retry_begins_from_the_same_model_and_says_when_that_is_gone(
    platform: Platform, parent: ModelView
) -> None:
    handle: Handle = await platform.running(parent=parent.id)
    await platform.succeed(handle)
    assert (await platform.jobs.retry(handle.job_id)).parent == parent.id
    await platform.models.delete(parent.id)
    with pytest.raises(NotFound, match="deleted"):
        await platform.jobs.retry(handle.job_id)


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"model": "mean"}, "made with model=median, and the order says model=mean"),
        ({"trainer": "other"}, "made with trainer=toy, and the order says trainer=other"),
        ({"trainer": "proud"}, "trainer proud cannot begin classification from a model"),
        ({"config": {"epochs": 0}}, "expected at least 1"),
    ],
)
async def test_what_cannot_begin_from_it_is_refused(
    platform: Platform, parent: ModelView, order: dict[str, Any], told: str
) -> None:
    (task,) = toy_manifest().tasks
    platform.catalog.manifests |= {
        "other": toy_manifest(name="other"),
        "proud": toy_manifest(name="proud", tasks=(task.model_copy(update={"takes_parent": False}),)),
    }
    with pytest.raises(ConfigInvalid, match=told):
        await platform.orders.check(PreflightRequest(parent=parent.id, **order))


async def test_two_things_to_begin_from_are_one_too_many(platform: Platform, parent: ModelView) -> None:
    (task,) = toy_manifest().tasks
    schema = {
        **task.config_schema,
        "properties": {**task.config_schema["properties"], "pretrained": {"type": "boolean"}},
    }
    recipe = {**task.recipe, "pretrained": False}
    changed = task.model_copy(update={"config_schema": schema, "recipe": recipe})
    platform.catalog.manifests["toy"] = toy_manifest(tasks=(changed,))
    with pytest.raises(ConfigInvalid, match="two things to begin from"):
        await platform.jobs.submit(JobRequest(dataset="pets", parent=parent.id, config={"pretrained": True}))


async def test_an_unknown_parent_is_answered_with_the_nearest(platform: Platform, parent: ModelView) -> None:
    with pytest.raises(NotFound, match="Did you mean 'cats'"):
        await platform.submit(parent="catz")
