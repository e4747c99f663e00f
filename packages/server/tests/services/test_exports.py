"""A form of a registered model that its training did not make: ordered once, kept with the model, gone with it."""

from collections.abc import Awaitable
from typing import Any

import pytest
from harness.objects import artifact
from harness.platform import Platform

from eyebright.app.rules import fetcher
from eyebright.core.records import Model, Version
from eyebright.errors import ConfigInvalid, Conflict, LicenceDenied, NotFound
from eyebright.ports.jobs import JobQuery
from eyebright.ports.objects import attempt_prefix
from eyebright.services.adoption import Adoption
from eyebright.services.datasets import find_version
from eyebright.services.export_files import ExportFiles
from eyebright.services.finalise import Finaliser
from eyebright.services.registering import Registering
from eyebright.services.staging import Staging
from eyebright.testing import toy_manifest
from eyebright_wire.artifacts import ArtifactKind, ExportRef, ParityCertificate
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import JobView, ModelExport, ModelView
from eyebright_wire.runs import Handle

PARITY = ParityCertificate(
    runtime="csv", samples=2, max_abs_difference=0, tolerance=0, agreement=1, metric="top1", native=1, exported=1
)
EXPORT = ExportRef(format="csv", path="model.csv", parity=PARITY)


@pytest.fixture
async def model(platform: Platform) -> ModelView:
    (task,) = toy_manifest().tasks
    able = task.model_copy(update={"exports": ("csv", "onnx"), "exports_later": True})
    platform.catalog.manifests["toy"] = toy_manifest(tasks=(able,))
    handle = await platform.running(name="cats", config={"epochs": 7})
    await platform.succeed(handle)
    return await platform.models.get("cats@1")


async def ordered(platform: Platform, reference: str = "cats", form: str = "csv") -> JobView:
    found = await platform.exports.order(reference, form)
    assert found.job is not None
    return found.job


async def begun(platform: Platform) -> Handle:
    job = await ordered(platform)
    await platform.dispatch.tick()
    handle = Handle(job.id, 1)
    await platform.say(handle, "started", pid=1, host="here")
    return handle


def told(platform: Platform, handle: Handle, path: str = "model.csv") -> dict[str, Any]:
    platform.objects.bytes[attempt_prefix(handle.job_id, handle.attempt) + path] = b"1,2"
    ref = artifact(path, b"1,2").model_copy(update={"kind": ArtifactKind.EXPORT})
    return {
        "artifacts": [ref.model_dump(mode="json")],
        "metrics": {},
        "exports": [EXPORT.model_copy(update={"path": path}).model_dump(mode="json")],
    }


async def ended(platform: Platform, handle: Handle, **changes: Any) -> JobView:
    await platform.say(handle, "succeeded", **told(platform, handle, **changes))
    platform.executor.exit(handle, 0)
    await platform.settle()
    return await platform.jobs.get(handle.job_id)


class Overtaken:
    """The models, and what somebody else does once these were asked for one."""

    def __init__(self, models: Any, meanwhile: Awaitable[None]) -> None:
        self._models = models
        self._meanwhile: Awaitable[None] | None = meanwhile

    async def get(self, model_id: str) -> Model:
        found = await self._models.get(model_id)
        if meanwhile := self._meanwhile:
            self._meanwhile = None
            await meanwhile
        return found


def late(platform: Platform, meanwhile: Awaitable[None]) -> Finaliser:
    """Of another control plane, which is overtaken on its way."""
    database, objects, clock, announcer = platform.database, platform.objects, platform.clock, platform.announcer
    registering = Registering(objects, Staging(database.jobs, database.datasets, objects, platform.removal), clock)
    files = ExportFiles(Overtaken(database.models, meanwhile), objects)  # pyright: ignore[reportArgumentType]
    adoption = Adoption(objects, fetcher(platform.settings))
    return Finaliser(database.jobs, objects, registering, files, adoption, clock, announcer, limits=platform.limits)


def lying(platform: Platform, job_id: str) -> list[str]:
    return sorted(key.rpartition("/")[2] for key in platform.objects.bytes if key.startswith(f"jobs/{job_id}/"))


async def test_the_models_own_trainer_is_told_what_to_make_of_it(platform: Platform, model: ModelView) -> None:
    job = await ordered(platform)
    assert (job.kind, job.parent, job.config, job.name) == (JobKind.EXPORT, model.id, {"format": "csv"}, "cats")
    await platform.dispatch.tick()
    spec = platform.executor.launches[-1]
    assert spec.export is not None
    assert (spec.trainer, spec.model, spec.config["epochs"], spec.export.format) == (
        "toy",
        model.architecture,
        7,
        "csv",
    )
    assert spec.parent is not None
    assert (spec.parent.id, spec.dataset and spec.dataset.version_id) == (model.id, model.dataset_version)


async def test_nothing_more_is_made_of_a_model_whose_data_were_deleted(platform: Platform, model: ModelView) -> None:
    found = await platform.database.datasets.version(model.dataset_version)
    await platform.database.datasets.delete(found.dataset, None, 1)
    for ask in (platform.exports.check, platform.exports.order):
        with pytest.raises(NotFound, match="was deleted on"):
            await ask("cats", "csv")
    assert (await platform.models.get("cats@1")).exports == model.exports


async def test_with_data_that_are_deleted_between_a_look_and_the_order_no_export_begins(
    platform: Platform, model: ModelView, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def then_deleted(store: Any, version_id: str) -> Version:
        found = await find_version(store, version_id)
        await store.delete(found.dataset, None, 1)
        return found

    monkeypatch.setattr("eyebright.services.exports.find_version", then_deleted)
    with pytest.raises(NotFound, match="was deleted on"):
        await platform.exports.order("cats", "csv")
    assert await platform.database.jobs.find(JobQuery(kinds=frozenset({JobKind.EXPORT}))) == []


async def test_what_it_made_is_the_models_from_then_on(platform: Platform, model: ModelView) -> None:
    handle = await begun(platform)
    job = await ended(platform, handle)
    assert (job.state, job.model_id) == (JobState.SUCCEEDED, None)
    found = await platform.models.get(model.id)
    assert found.exports == (*model.exports, EXPORT)
    assert [ref.path for ref in found.artifacts] == ["model.json", "model.csv"]
    assert lying(platform, model.job_id) == ["model.csv", "model.json"]
    assert lying(platform, handle.job_id) == []
    assert [each.id for each in (await platform.models.list()).items] == [model.id]


async def test_a_finaliser_that_comes_late_takes_nothing_away(platform: Platform, model: ModelView) -> None:
    handle = await begun(platform)
    await platform.say(handle, "succeeded", **told(platform, handle))
    run = await platform.run(handle)
    await late(platform, platform.finaliser.finalise(run)).finalise(run)
    assert (await platform.jobs.get(handle.job_id)).state is JobState.SUCCEEDED
    assert lying(platform, model.job_id) == ["model.csv", "model.json"]


async def test_a_finaliser_that_comes_late_leaves_what_a_model_has_by_now(platform: Platform, model: ModelView) -> None:
    handle, other = await begun(platform), Handle((await ordered(platform, form="onnx")).id, 1)
    await platform.say(handle, "succeeded", **told(platform, handle))
    await platform.dispatch.tick()
    await platform.say(other, "started", pid=2, host="here")
    body = told(platform, other)
    platform.objects.bytes[attempt_prefix(other.job_id, 1) + "model.csv"] = b"others"
    refs = [artifact("model.csv", b"others", ArtifactKind.EXPORT).model_dump(mode="json")]
    await platform.say(other, "succeeded", **{**body, "artifacts": refs})
    await late(platform, platform.finaliser.finalise(await platform.run(other))).finalise(await platform.run(handle))
    assert (await platform.jobs.get(handle.job_id)).state is JobState.FAILED
    assert platform.objects.bytes[attempt_prefix(model.job_id, 1) + "model.csv"] == b"others"


async def test_what_a_crash_left_of_other_bytes_is_replaced(platform: Platform, model: ModelView) -> None:
    handle = await begun(platform)
    platform.objects.bytes[attempt_prefix(model.job_id, 1) + "model.csv"] = b"half"
    assert (await ended(platform, handle)).state is JobState.SUCCEEDED
    assert platform.objects.bytes[attempt_prefix(model.job_id, 1) + "model.csv"] == b"1,2"


async def test_asked_twice_it_is_made_once(platform: Platform, model: ModelView) -> None:
    first, second = await ordered(platform), await ordered(platform, "cats@1")
    assert first.id == second.id
    assert (await ordered(platform, form="onnx")).id != first.id
    await platform.dispatch.tick()
    await platform.say(Handle(first.id, 1), "started", pid=1, host="here")
    await ended(platform, Handle(first.id, 1))
    again: ModelExport = await platform.exports.order("cats", "csv")
    assert (again.job, again.export) == (None, EXPORT)


async def test_after_a_failure_it_can_be_ordered_again(platform: Platform, model: ModelView) -> None:
    handle = await begun(platform)
    await platform.say(handle, "failed", code="export_failed", message="it answers differently")
    assert (await platform.jobs.get(handle.job_id)).state is JobState.FAILED
    assert (await ordered(platform)).id != handle.job_id
    assert (await platform.models.get(model.id)).exports == model.exports


async def test_one_that_failed_is_repeated_once_however_often_it_is_asked_for(
    platform: Platform, model: ModelView
) -> None:
    handle = await begun(platform)
    await platform.say(handle, "failed", code="export_failed", message="it answers differently")
    first, second = await platform.jobs.retry(handle.job_id), await platform.jobs.retry(handle.job_id)
    assert (first.id, first.rerun_of, first.parent) == (second.id, handle.job_id, model.id)
    platform.executor.exit(handle, 1)
    await platform.settle()
    await platform.dispatch.tick()
    again = Handle(first.id, 1)
    await platform.say(again, "started", pid=1, host="here")
    assert (await ended(platform, again)).state is JobState.SUCCEEDED
    with pytest.raises(Conflict, match="cats@1 has csv by now"):
        await platform.jobs.retry(handle.job_id)


async def test_one_whose_trainer_is_denied_meanwhile_is_not_repeated(platform: Platform, model: ModelView) -> None:
    job = await ordered(platform)
    await platform.jobs.cancel(job.id)
    platform.licence_deny = {"Apache-2.0"}
    platform.restart()
    with pytest.raises(LicenceDenied):
        await platform.jobs.retry(job.id)


async def test_a_model_that_is_deleted_meanwhile_takes_everything_along(platform: Platform, model: ModelView) -> None:
    handle = await begun(platform)
    await platform.models.delete(model.id)
    job = await ended(platform, handle)
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.EXPORT_FAILED)
    assert "deleted" in job.message
    await platform.models.clear()
    assert lying(platform, model.job_id) == lying(platform, handle.job_id) == []


async def test_an_export_never_replaces_a_file_of_the_model(platform: Platform, model: ModelView) -> None:
    job = await ended(platform, await begun(platform), path="model.json")
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.EXPORT_FAILED)
    assert "has model.json already" in job.message
    assert platform.objects.bytes[attempt_prefix(model.job_id, 1) + "model.json"] == b"weights"


async def test_a_form_that_cannot_be_made_is_refused(platform: Platform, model: ModelView) -> None:
    with pytest.raises(ConfigInvalid, match="cannot export classification as 'coreml'; it makes csv, onnx"):
        await platform.exports.order("cats", "coreml")
    (task,) = platform.catalog.manifests["toy"].tasks
    platform.catalog.manifests["toy"] = toy_manifest(tasks=(task.model_copy(update={"exports_later": False}),))
    with pytest.raises(ConfigInvalid, match=r"train once more with exports=\[csv\]"):
        await platform.exports.order("cats", "csv")
    with pytest.raises(NotFound, match="Did you mean 'cats'"):
        await platform.exports.order("catz", "csv")
