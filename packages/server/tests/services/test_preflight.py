"""An order is checked before there are data for it, by the same rules as when it is placed."""

from dataclasses import replace
from pathlib import Path

import pytest

from eyebright.errors import (
    ConfigInvalid,
    DatasetInvalid,
    EyebrightError,
    InvalidRequest,
    LicenceDenied,
    NotFound,
    TrainerMissing,
    TrainerUnavailable,
)
from eyebright.ports.executor import Environment, Room
from eyebright.ports.jobs import JobQuery
from eyebright.services.durations import RECENT_MS
from eyebright.testing import FakeCatalog, toy_manifest
from eyebright_wire.datasets import DatasetReport, Readiness
from eyebright_wire.jobs import JobKind, JobRequest, PreflightRequest, RehearsalRequest
from eyebright_wire.manifest import ModelInfo, TrainerManifest
from eyebright_wire.resources import TrainerView
from eyebright_wire.runs import Handle

BARE = DatasetReport(
    format="imagefolder",
    classes=("cat",),
    images={"train": 8},
    images_per_class={},
    readiness=(Readiness(task="classification", ready=False, missing=("1 class, needs 2",)),),
)


async def test_it_tells_what_would_run_and_keeps_nothing(platform):
    found = await platform.preflights.preflight(PreflightRequest(config={"epochs": 2}))
    assert (found.trainer, found.task) == ("toy", "classification")
    assert found.config["epochs"] == 2
    assert len(found.config) > 1
    assert (await platform.jobs.list(JobQuery())).items == ()


@pytest.mark.parametrize(
    ("fields", "refusal", "said"),
    [
        ({"config": {"epocs": 2}}, ConfigInvalid, "'epochs'"),
        ({"model": "maen"}, ConfigInvalid, "'mean'"),
        ({"task": "classificaton"}, ConfigInvalid, "Did you mean 'classification'"),
        ({"executor": "locale"}, InvalidRequest, "'local'"),
        ({"dataset": "petz"}, NotFound, "Did you mean 'pets'"),
        ({"dataset": "bare"}, DatasetInvalid, "1 class, needs 2"),
    ],
    ids=["setting", "model", "task", "executor", "no such data set", "data set that is not ready"],
)
async def test_what_is_refused_is_refused_as_an_order_would_be(
    platform, fields: dict[str, object], refusal: type[EyebrightError], said: str
):
    await platform.add_dataset("bare", BARE)
    with pytest.raises(refusal, match=said) as checked:
        await platform.orders.check(PreflightRequest(**fields))
    with pytest.raises(refusal) as placed:
        await platform.submit(**fields)
    assert placed.value.message == checked.value.message


@pytest.mark.parametrize(("stale", "kind"), [(False, TrainerMissing), (True, TrainerUnavailable)])
async def test_without_any_trainer_the_way_to_one_is_told(platform, stale: bool, kind: type[TrainerUnavailable]):
    async def none() -> list[object]:
        return []

    async def views() -> list[TrainerView]:
        names = {"best": "there is no trainer project in /empty/best", "toy": "not installed"}
        return [TrainerView(name=name, installed=False, problem=told, stale=stale) for name, told in names.items()]

    platform.catalog.installed, platform.catalog.list = none, views
    with pytest.raises(
        TrainerUnavailable, match="no trainer can be used: there is no trainer project in /empty/best"
    ) as told:
        await platform.orders.check(PreflightRequest())
    assert type(told.value) is kind


async def test_a_task_that_no_installed_trainer_has_names_those_that_would(platform):
    async def views() -> list[TrainerView]:
        told = {
            "toy": ("MIT", "classification"),
            "boxes": ("AGPL-3.0-only", "detection"),
            "frames": ("MIT", "detection"),
        }
        return [
            TrainerView(
                name=name, installed=name == "toy", licence=licence, tasks={task: ()}, problem=f"install {name}"
            )
            for name, (licence, task) in told.items()
        ]

    platform.catalog.list = views
    with pytest.raises(TrainerUnavailable) as refused:
        await platform.submit(task="detection")
    assert refused.value.message == (
        "no installed trainer has a task 'detection': install boxes. Others that have it: frames (MIT)"
    )


async def test_everything_that_is_wrong_is_told_at_once(platform):
    wrong = {"model": "maen", "executor": "locale", "dataset": "petz", "config": {"epocs": 2, "lr0": -1}}
    found = await platform.preflights.preflight(PreflightRequest(**wrong))
    assert not found.ok
    assert sorted((finding.code, finding.field) for finding in found.findings) == [
        ("config_invalid", ""),
        ("config_invalid", "epocs"),
        ("config_invalid", "lr0"),
        ("invalid_request", ""),
        ("not_found", ""),
    ]


async def test_the_data_and_its_readiness_are_told(platform):
    await platform.add_dataset("bare", BARE)
    ready = await platform.preflights.preflight(PreflightRequest(dataset="pets", config={"epochs": 3}))
    assert (ready.dataset_version, ready.classes, ready.images) == ("dsv_pets", ("cat", "dog"), {"train": 8, "val": 2})
    assert [(finding.severity, finding.code) for finding in ready.findings] == [("warning", "idle_setting")]
    assert ready.ok
    bare = await platform.preflights.preflight(PreflightRequest(dataset="bare"))
    assert [(finding.code, finding.message) for finding in bare.errors] == [("dataset_invalid", "1 class, needs 2")]


def _shaped(parameters: int) -> TrainerManifest:
    """A trainer whose runs have a batch and an image size."""
    manifest = toy_manifest()
    task = manifest.tasks[0]
    recipe = {"epochs": 3, "batch": 4, "imgsz": 64}
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in recipe}}
    models = (ModelInfo(name="mean", parameters=parameters),)
    return manifest.model_copy(
        update={"tasks": (task.model_copy(update={"recipe": recipe, "config_schema": schema, "models": models}),)}
    )


async def test_a_disk_that_is_too_small_is_an_error_and_memory_that_may_not_suffice_a_warning(platform, tmp_path: Path):
    platform.catalog.manifests["toy"] = _shaped(parameters=10**13)
    platform.executor.has_room = Room(tmp_path / "not" / "yet", memory_bytes=2**20)
    found = await platform.preflights.preflight(PreflightRequest(dataset="pets"))
    assert [(finding.severity, finding.code) for finding in found.findings] == [
        ("error", "disk_full"),
        ("warning", "out_of_memory"),
    ]
    (disk,) = found.disk
    assert disk.checkpoint_bytes == 10**13 * 4 * 5 * 4
    assert disk.free_bytes > 0


async def test_memory_is_learned_from_what_earlier_trainings_held(platform):
    platform.catalog.manifests["toy"] = _shaped(parameters=1000)
    platform.executor.has_room = Room(memory_bytes=2**40)
    handle = await platform.running(config={"batch": 8})
    body = platform.leave(handle)
    await platform.say(handle, "succeeded", **body, peak_memory_bytes=12345)
    await platform.settle()
    assert (await platform.jobs.get(handle.job_id)).state == "succeeded"
    found = (await platform.preflights.preflight(PreflightRequest(config={"batch": 8}))).memory
    assert found is not None
    assert (found.basis, found.needed_bytes, found.free_bytes) == ("measured", 12345, 2**40)
    assert handle.job_id in found.how
    other = (await platform.preflights.preflight(PreflightRequest(config={"batch": 16}))).memory
    assert other is not None
    assert other.basis == "scaled"


async def test_disk_is_learned_from_what_earlier_trainings_wrote(platform, tmp_path: Path):
    platform.catalog.manifests["toy"] = _shaped(parameters=1000)
    platform.executor.has_room = Room(tmp_path)
    for checkpoint_bytes in (500, None, 700):
        platform.clock.advance(RECENT_MS / 1000)
        handle = await platform.running()
        await platform.say(
            handle, "succeeded", **platform.leave(handle, content=b"x" * 50), checkpoint_bytes=checkpoint_bytes
        )
        platform.executor.exit(handle, 0)
        await platform.settle()
        assert (await platform.jobs.get(handle.job_id)).state == "succeeded"
    (found,) = (await platform.preflights.preflight(PreflightRequest())).disk
    assert (found.basis, found.checkpoint_bytes, found.result_bytes) == ("measured", 700 * 4, 50)
    by_rule = 1000 * 4 * 5 * 4 + 1000 * 4
    errors = (1 - 2050 / 2850, by_rule / 2050 - 1)
    assert (found.error, found.tested) == (pytest.approx(sum(errors) / 2), 2)


async def test_disk_is_learned_from_a_rehearsal_as_far_as_it_goes(platform, tmp_path: Path):
    platform.catalog.manifests["toy"] = _shaped(parameters=1000)
    platform.executor.has_room = Room(tmp_path)
    view = (await platform.jobs.rehearse(RehearsalRequest(dataset="pets"))).view
    await platform.dispatch.tick()
    handle = Handle(view.id, 1)
    await platform.say(handle, "started", pid=1, host="here")
    report = platform.leave(handle, "rehearsal.json", b"{}")
    report["artifacts"][0]["kind"] = "metrics"
    await platform.say(handle, "succeeded", **report, checkpoint_bytes=600)
    await platform.settle()
    (found,) = (await platform.preflights.preflight(PreflightRequest())).disk
    assert (found.basis, found.checkpoint_bytes, found.result_bytes) == ("measured", 600 * 4, 4000)
    assert found.tested == 0


async def test_what_a_run_on_a_gpu_held_tells_nothing_of_one_without(platform):
    platform.catalog.manifests["toy"] = _shaped(parameters=1000)
    platform.executor.has_room = Room(memory_bytes=2**40)
    handle = await platform.running()
    held = {"peak_memory_bytes": 12345, "peak_device_bytes": 67890}
    await platform.say(handle, "succeeded", **platform.leave(handle), **held)
    await platform.settle()
    found = (await platform.preflights.preflight(PreflightRequest())).memory
    assert found is not None
    assert found.basis == "rule"


async def test_a_trainer_that_is_denied_is_passed_over_where_another_can(platform):
    copyleft = toy_manifest(name="copyleft", licence="AGPL-3.0")
    platform.catalog.manifests = {"copyleft": copyleft, "toy": toy_manifest()}
    assert (await platform.preflights.preflight(PreflightRequest())).trainer == "copyleft"
    platform.licence_deny = {"AGPL-3.0"}
    platform.restart()
    assert (await platform.preflights.preflight(PreflightRequest())).trainer == "toy"
    del platform.catalog.manifests["toy"]
    assert [finding.code for finding in (await platform.preflights.preflight(PreflightRequest())).errors] == [
        "licence_denied"
    ]


async def test_a_rehearsal_is_sealed_for_the_trainer_that_was_ordered(platform):
    view = (
        await platform.jobs.rehearse(RehearsalRequest(dataset="pets", config={"epochs": 2}, webhook="https://x/"))
    ).view
    assert (view.kind, view.config, view.trainer) == (JobKind.REHEARSAL, {"epochs": 2}, "rehearser")
    await platform.dispatch.tick()
    (spec,) = platform.executor.launches
    assert (spec.trainer, spec.config["epochs"], spec.dataset.version_id) == ("toy", 2, "dsv_pets")
    assert spec.rehearsal.webhook == "https://x/"


async def test_a_rehearsal_that_succeeds_registers_no_model_and_can_be_repeated(platform):
    view = (await platform.jobs.rehearse(RehearsalRequest(dataset="pets"))).view
    await platform.dispatch.tick()
    handle = Handle(view.id, 1)
    await platform.say(handle, "started", pid=1, host="here")
    await platform.say(handle, "succeeded", **platform.leave(handle, "rehearsal.json", b"{}"))
    await platform.settle()
    done = await platform.jobs.get(view.id)
    assert (done.state, done.model_id) == ("succeeded", None)
    again = await platform.jobs.retry(view.id)
    assert (again.kind, again.rerun_of) == (JobKind.REHEARSAL, view.id)


async def test_a_rehearsal_is_checked_anew_when_it_is_repeated(platform):
    await platform.add_dataset()
    old = (await platform.jobs.rehearse(RehearsalRequest(dataset="pets", webhook="https://x/", labels={"a": "b"}))).view
    await platform.jobs.cancel(old.id)
    again = await platform.jobs.retry(old.id)
    assert (again.config, again.labels) == (old.config, {"a": "b"})
    platform.licence_deny = {"Apache-2.0"}
    platform.restart()
    with pytest.raises(LicenceDenied):
        await platform.jobs.retry(old.id)


async def test_a_rehearsal_is_refused_as_an_order_would_be(platform):
    with pytest.raises(ConfigInvalid, match="'epochs'"):
        await platform.jobs.rehearse(RehearsalRequest(dataset="pets", config={"epocs": 2}))


async def test_an_order_under_a_name_of_former_days_can_be_run_again(platform):
    await platform.add_dataset()
    order = JobRequest(dataset="pets").model_copy(update={"name": "my cats@home"})
    old = (await platform.jobs.submit(order)).view
    await platform.jobs.cancel(old.id)
    assert (await platform.jobs.retry(old.id)).name == "my cats@home"


def _called(captions: int, trigger: str = "") -> tuple[TrainerManifest, DatasetReport, dict[str, str]]:
    """A trainer that needs a word for images without a caption, a set of eight and two, and an order."""
    task = toy_manifest().tasks[0]
    schema = {"type": "object", "properties": {"trigger": {"type": "string", "x-needed-without": "captions"}}}
    task = task.model_copy(update={"recipe": {"trigger": ""}, "config_schema": schema})
    ready = (Readiness(task="classification", ready=True),)
    report = BARE.model_copy(update={"images": {"train": 8, "val": 2}, "captions": captions, "readiness": ready})
    return toy_manifest(tasks=(task,)), report, {"trigger": trigger} if trigger else {}


@pytest.mark.parametrize(
    ("captions", "trigger", "fits"), [(7, "", False), (7, " ", False), (8, "", True), (0, "sks", True), (0, "", False)]
)
async def test_images_without_captions_need_what_they_are_to_be_called_by(platform, captions, trigger, fits):
    platform.catalog.manifests["toy"], report, config = _called(captions, trigger)
    await platform.add_dataset("pictures", report)
    found = await platform.preflights.preflight(PreflightRequest(dataset="pictures", config=config))
    assert [finding.field for finding in found.errors] == ([] if fits else ["trigger"])
    if fits:
        await platform.submit(dataset="pictures", config=config)
    else:
        with pytest.raises(ConfigInvalid, match=f"trigger is needed, as {10 - captions} of 10 images have no caption"):
            await platform.submit(dataset="pictures", config=config)


class TwoPlaces(FakeCatalog):
    """The same trainer, which knows a task more at the second place."""

    async def environment(self, name: str, executor: str | None = None) -> Environment:
        found = replace(await self.here(name), executors=("local", "far"))
        if executor != "far":
            return found
        more = toy_manifest().tasks[0].model_copy(update={"name": "shades"})
        manifest = found.manifest.model_copy(update={"tasks": (*found.manifest.tasks, more)})
        return replace(found, manifest=manifest)


async def test_what_the_named_place_can_do_counts(platform):
    platform.catalog = TwoPlaces()
    platform.restart()
    orders = platform.orders
    orders._executors = ("local", "far")
    far = await orders.environment(JobRequest(dataset="pets", task="shades", executor="far"))
    assert [task.name for task in far.manifest.tasks] == ["classification", "shades"]
    with pytest.raises(ConfigInvalid, match="no trainer has a task 'shades'"):
        await orders.environment(JobRequest(dataset="pets", task="shades", executor="local"))
