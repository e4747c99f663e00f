"""Models as versions of a name: how they are named, compared and deleted."""

import pytest
from harness.platform import Platform

from eyebright.errors import Conflict, InvalidRequest, NotFound, Unavailable
from eyebright.ports.objects import attempt_prefix
from eyebright.testing import FakePredictor, toy_manifest
from eyebright_wire.resources import ModelView
from eyebright_wire.runs import Handle, Liveness, Vital


async def trained(platform: Platform, name: str = "cats", **order) -> ModelView:
    handle = await platform.running(name=name, **order)
    await platform.succeed(handle)
    return await model_of(platform, handle)


async def model_of(platform: Platform, handle: Handle) -> ModelView:
    model_id = (await platform.jobs.get(handle.job_id)).model_id
    assert model_id is not None
    return await platform.models.get(model_id)


def files(platform: Platform, model: ModelView) -> list[str]:
    prefix = attempt_prefix(model.job_id, model.attempt)
    return [key.removeprefix(prefix) for key in sorted(platform.objects.bytes) if key.startswith(prefix)]


async def test_a_model_is_named_by_id_alias_number_or_name(platform):
    first, second = [await trained(platform) for _ in range(2)]
    await platform.models.point(first.id, "production")
    for reference, meant in ((first.id, first), ("cats@production", first), ("cats@1", first), ("cats", second)):
        assert (await platform.models.get(reference)).id == meant.id, reference


async def test_of_several_readings_the_first_that_fits_is_meant(platform):
    first, second = [await trained(platform) for _ in range(2)]
    oddly_named = await trained(platform, first.id)
    assert (await platform.models.get(first.id)).id == first.id
    assert (await platform.models.get(f"{first.id}@1")).id == oddly_named.id
    assert (await platform.models.get("cats@1")).id == first.id
    await platform.models.point(second.id, "production")
    assert (await platform.models.get("cats@production")).id == second.id


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("catz", "Did you mean 'cats'?"),
        ("cats@prodction", "Did you mean 'cats@production'?"),
        ("cats@0", "Did you mean 'cats@1'?"),
        ("zzz", "Known: cats, dogs."),
        ("cats@" + "9" * 30, "Known: cats@1, cats@production."),
    ],
)
async def test_an_unknown_model_is_answered_with_the_nearest(platform, asked, told):
    await platform.models.point((await trained(platform)).id, "production")
    await trained(platform, "dogs")
    with pytest.raises(NotFound) as refusal:
        await platform.models.get(asked)
    assert refusal.value.message.startswith(f"there is no model {asked}. {told} `eyebright models list`")


async def test_no_id_is_proposed_for_another(platform):
    await trained(platform)
    with pytest.raises(NotFound, match=r"shows which there are$"):
        await platform.models.get("mdl_00000000000000000000000")


async def test_an_alias_is_not_taken_from_a_model_that_has_it_not(platform):
    first, _ = [await trained(platform) for _ in range(2)]
    await platform.models.point(first.id, "production")
    with pytest.raises(NotFound, match="cats@2 has no alias production; it points to cats@1"):
        await platform.models.unpoint("cats", "production")
    assert (await platform.models.unpoint("cats@production", "production")).aliases == ()
    with pytest.raises(NotFound, match="nothing named cats has it"):
        await platform.models.unpoint("cats", "production")


async def test_a_deleted_model_takes_its_files_along_and_says_so(platform):
    gone, kept = [await trained(platform) for _ in range(2)]
    platform.objects.bytes["blobs/sha256/ab/ab"] = b"an image"
    platform.objects.bytes[attempt_prefix(gone.job_id, 1) + "checkpoints/1/state"] = b"state"
    await platform.models.delete("cats@1")
    assert files(platform, gone) == []
    assert files(platform, kept) == ["model.json"]
    assert "blobs/sha256/ab/ab" in platform.objects.bytes
    assert await platform.history.artifacts(gone.job_id) == ()
    for reference in (gone.id, "cats@1"):
        with pytest.raises(NotFound, match=rf"model {gone.id} \(cats@1\) was deleted on 2023-11-14 at 22:13 UTC"):
            await platform.models.get(reference)
    with pytest.raises(NotFound, match="was deleted on"):
        await platform.history.artifact(gone.job_id, "model.json")
    assert (await platform.jobs.get(gone.job_id)).model_id == gone.id
    assert (await trained(platform)).number == 3


async def test_a_model_with_an_alias_is_not_deleted(platform):
    model = await trained(platform)
    await platform.models.point(model.id, "production")
    with pytest.raises(Conflict, match=r"cats@1 is what production stands for"):
        await platform.models.delete("cats")
    assert files(platform, model) == ["model.json"]


async def test_what_could_not_be_removed_is_removed_later(platform, monkeypatch):
    model = await trained(platform)

    async def broken(keys):
        raise Unavailable("the disk is away")

    with monkeypatch.context() as away:
        away.setattr(platform.objects, "remove", broken)
        await platform.models.delete(model.id)
        assert files(platform, model) == ["model.json"]
        with pytest.raises(Unavailable):
            await platform.models.clear()
    assert await platform.models.clear() == 1
    assert files(platform, model) == []
    assert await platform.models.clear() == 0


async def test_one_whose_files_stay_does_not_keep_the_others(platform, monkeypatch):
    stubborn, other = await trained(platform), await trained(platform)

    async def jammed(keys):
        if any(stubborn.job_id in key for key in keys):
            raise Unavailable("somebody has taken the right to write there")
        await honest(keys)

    honest = platform.objects.remove
    monkeypatch.setattr(platform.objects, "remove", jammed)
    await platform.models.delete(stubborn.id)
    await platform.models.delete(other.id)
    assert (files(platform, stubborn), files(platform, other)) == (["model.json"], [])
    with pytest.raises(Unavailable, match="the right to write"):
        await platform.models.clear()


async def test_a_control_plane_that_was_killed_while_it_deleted_finishes_after_its_restart(platform, monkeypatch):
    model = await trained(platform)

    async def killed(keys):
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(platform.objects, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            await platform.models.delete(model.id)
    platform.restart()
    with pytest.raises(NotFound, match="was deleted on"):
        await platform.models.get(model.id)
    assert await platform.models.clear() == 1
    assert files(platform, model) == []


async def test_files_stay_until_the_process_that_may_write_more_is_gone(platform):
    handle = await platform.running(name="cats")
    await platform.say(handle, "succeeded", **platform.leave(handle))
    platform.executor.runs[handle] = Liveness(Vital.ALIVE)
    platform.executor.obeys = False
    await platform.settle()
    model = await model_of(platform, handle)
    await platform.models.delete(model.id)
    assert files(platform, model) == ["model.json"]
    platform.executor.exit(handle, 0)
    await platform.settle()
    assert await platform.models.clear() == 1
    assert files(platform, model) == []


async def test_two_models_are_compared(platform):
    left = await trained(platform, config={"epochs": 2})
    handle = await platform.running(name="cats", config={"epochs": 7})
    said = platform.leave(handle) | {"metrics": {"top1": 0.95, "loss": 0.1}, "classes": ["cat", "owl"]}
    await platform.say(handle, "succeeded", **said)
    platform.executor.exit(handle, 0)
    await platform.settle()
    found = await platform.models.compare(left.id, "cats")
    assert (found.left.number, found.right.number) == (1, 2)
    top1, loss = found.metrics
    assert (top1.name, top1.left, top1.right, top1.difference) == ("top1", 0.9, 0.95, pytest.approx(0.05))
    assert (loss.name, loss.left, loss.right, loss.difference) == ("loss", None, 0.1, None)
    assert [(each.name, each.left, each.right, each.only) for each in found.settings] == [("epochs", 2, 7, None)]
    assert (found.classes_only_left, found.classes_only_right) == ((), ("cat", "owl"))
    assert (await platform.models.compare("cats@1", left.id)).settings == ()


async def test_a_model_that_answers_nothing_about_images_is_not_asked(platform):
    task = toy_manifest().tasks[0].model_copy(update={"predicts": False})
    platform.catalog.manifests["toy"] = toy_manifest(tasks=(task,))
    model = await trained(platform)
    with pytest.raises(
        InvalidRequest, match=r"cats@1 is of classification and answers nothing.*models download cats@1"
    ):
        await platform.models.predict(model.id, b"picture")


async def test_only_what_is_registered_is_fetched_for_a_prediction(platform, monkeypatch):
    handle = await platform.running(name="cats")
    prefix = attempt_prefix(handle.job_id, handle.attempt)
    platform.objects.bytes[f"{prefix}checkpoints/7/weights"] = b"much larger"
    await platform.say(handle, "succeeded", **platform.leave(handle, "weights/model.json"))
    platform.executor.exit(handle, 0)
    await platform.settle()
    fetched, local, predictor = [], platform.objects.local, FakePredictor()
    monkeypatch.setattr(platform.models, "_predictor", predictor)
    monkeypatch.setattr(platform.objects, "local", lambda key: fetched.append(key) or local(key))
    await platform.models.predict("cats", b"picture")
    assert fetched == [f"{prefix}weights/model.json"]
    assert predictor.asked[0][1] == await local(prefix)
