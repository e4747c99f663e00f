"""A task that goes by another name too: whoever names it so is answered with its own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness.live import pets
from harness.platform import READY, Platform
from harness.site import API, Site
from harness.site import site as make_site

from eyebright.errors import ConfigInvalid, DatasetInvalid, NotFound, TrainerUnavailable
from eyebright.services.recipes import Recipes
from eyebright.testing import toy_manifest
from eyebright_wire.datasets import DatasetReport, Readiness
from eyebright_wire.jobs import JobRequest, JobState, PreflightRequest, RehearsalRequest
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.resources import JobView, ResolutionRequest, TrainerView

CAPTIONED = DatasetReport(
    format="captions",
    classes=(),
    images={"train": 8},
    images_per_class={},
    readiness=(Readiness(task="text_to_image", ready=True),),
)


def painter() -> TrainerManifest:
    """A trainer whose only task is called text_to_image, or lora."""
    task = toy_manifest().tasks[0].model_copy(update={"name": "text_to_image", "aliases": ("lora",)})
    return toy_manifest(name="painter", tasks=(task,))


@pytest.fixture
async def studio(platform: Platform) -> Platform:
    platform.catalog.manifests["painter"] = painter()
    await platform.add_dataset("flowers", CAPTIONED)
    return platform


async def test_a_job_has_the_name_of_its_task_however_it_was_ordered(studio: Platform):
    job = await studio.submit(dataset="flowers", task="lora")
    assert (job.trainer, job.task) == ("painter", "text_to_image")
    named = await studio.submit(dataset="flowers", task="lora", trainer="painter", model="median")
    assert (named.task, named.model) == ("text_to_image", "median")
    rehearsed = await studio.jobs.rehearse(RehearsalRequest(dataset="flowers", task="lora"))
    assert rehearsed.view.task == "text_to_image"


async def test_the_data_are_asked_whether_they_are_ready_for_the_task_by_its_name(studio: Platform):
    with pytest.raises(DatasetInvalid, match="cannot serve text_to_image"):
        await studio.submit(dataset="pets", task="lora")
    found = await studio.preflights.preflight(PreflightRequest(dataset="pets", task="lora"))
    assert found.task == "text_to_image"
    (error,) = found.errors
    assert "imagefolder data cannot serve text_to_image: it tells classes" in error.message


async def test_among_the_versions_of_a_set_that_which_is_ready_is_taken(studio: Platform):
    ready = await studio.add_dataset("both", CAPTIONED)
    newer = replace(ready, id="dsv_newer", manifest_sha256="b" * 64, report=READY.model_dump(mode="json"))
    await studio.database.datasets.add_version(newer)
    found = await studio.preflights.preflight(PreflightRequest(dataset="both", task="lora"))
    assert (found.dataset_version, found.ok) == (ready.id, True)


async def test_a_model_is_gone_on_from_under_either_name(studio: Platform):
    handle = await studio.running(dataset="flowers", task="lora")
    await studio.succeed(handle)
    (model,) = await studio.database.models.list()
    assert model.task == "text_to_image"
    again = await studio.submit(dataset="flowers", task="lora", parent=model.id)
    assert (again.task, again.parent) == ("text_to_image", model.id)


async def test_what_is_nearly_an_alias_is_told_which_one(studio: Platform):
    for trainer in (None, "painter"):
        with pytest.raises(ConfigInvalid, match="Did you mean 'lora'"):
            await studio.submit(dataset="flowers", task="lorra", trainer=trainer)


async def test_an_order_that_is_kept_as_refused_has_the_name_too(studio: Platform):
    request = JobRequest(dataset="flowers", task="lora", config={"epochs": -1})
    job = (await studio.jobs.refuse(request, ConfigInvalid("no"), source="test", key="1")).view
    assert (job.state, job.task) == (JobState.FAILED, "text_to_image")


async def test_what_was_refused_may_be_tried_again_once_it_is_right(studio: Platform):
    request = JobRequest(dataset="flowers", task="lora")
    refused = (await studio.jobs.refuse(request, ConfigInvalid("no"), source="test", key="2")).view
    again = await studio.jobs.retry(refused.id)
    assert (again.state, again.executor) == (JobState.QUEUED, "local")


async def test_a_trainer_that_is_not_installed_is_named_for_its_alias(studio: Platform):
    async def views() -> list[TrainerView]:
        tasks, aliases = {"text_to_image": ()}, {"text_to_image": ("lora",)}
        return [TrainerView(name="painter", installed=False, tasks=tasks, aliases=aliases, problem="install painter")]

    del studio.catalog.manifests["painter"]
    studio.catalog.list = views
    with pytest.raises(TrainerUnavailable, match="no installed trainer has a task 'lora': install painter"):
        await studio.submit(dataset="flowers", task="lora")
    found = await studio.preflights.preflight(PreflightRequest(dataset="flowers", task="lora"))
    assert found.task == "text_to_image"
    assert [finding.code for finding in found.errors] == ["trainer_missing"]


async def test_a_recipe_is_found_by_the_alias_and_answers_with_its_name(studio: Platform):
    recipes = Recipes(studio.catalog)
    found = await recipes.get("painter/lora")
    assert (found.name, found.aliases) == ("painter/text_to_image", ("lora",))
    assert set(await recipes.settings("painter/lora")) == set(found.config)
    resolution = await recipes.resolve("painter/lora", ResolutionRequest())
    assert resolution.recipe == "painter/text_to_image"
    assert "--task text_to_image" in resolution.command
    with pytest.raises(NotFound, match="Did you mean 'painter/lora'"):
        await recipes.get("painter/lorra")


# An import whose order says what to train on it


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path / "data") as site:
        catalog: Any = site.parts.catalog
        catalog.manifests["painter"] = painter()
        yield site


async def test_what_follows_an_import_has_the_name_of_its_task(site: Site, tmp_path: Path):
    photos = pets(tmp_path / "photos", images=2)
    for photo in photos.rglob("*.png"):
        photo.with_suffix(".txt").write_text("a pet")
    order = {"path": str(photos), "train": {"task": "lora"}}
    answer = await site.post(f"{API}/datasets:import", json=order, headers={"Prefer": "respond-async"})
    assert answer.json()["config"]["train"] == {"task": "text_to_image"}
    while not JobView.model_validate((await site.get(f"{API}/jobs/{answer.json()['id']}")).json()).state.final:
        await site.import_all()
    await site.context.services.relay.tick()
    (job,) = (await site.get(f"{API}/jobs", params={"kind": "training"})).json()["items"]
    assert (job["task"], job["trainer"], job["state"]) == ("text_to_image", "painter", "queued")
