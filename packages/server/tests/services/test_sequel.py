"""An import whose order says what to train on it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness.live import pets
from harness.site import API, Site
from harness.site import site as make_site

from eyebright.errors import StorageFull, TrainerMissing, TrainerUnavailable
from eyebright.ports.executor import Environment
from eyebright.services.datasets import IMPORTS
from eyebright.services.relay import REST_SECONDS
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState, PreflightRequest
from eyebright_wire.resources import DatasetImport, JobView, TrainerView


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path / "data") as site:
        yield site


async def bring(site: Site, folder: Path, **train: Any) -> str:
    """Import a folder to train on it; the version's id."""
    answer = await site.post(f"{API}/datasets:import", json={"path": str(folder), "train": train})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def trainings(site: Site) -> list[JobView]:
    answer = await site.get(f"{API}/jobs", params={"kind": "training"})
    return [JobView.model_validate(each) for each in answer.json()["items"]]


async def test_what_was_imported_is_trained_on_with_the_settings_of_the_order(site: Site, tmp_path: Path) -> None:
    version = await bring(site, pets(tmp_path / "photos"), config={"epochs": 4}, labels={"team": "a"})
    await site.context.services.relay.tick()
    (job,) = await trainings(site)
    assert (job.dataset_version, job.config, job.state) == (version, {"epochs": 4}, JobState.QUEUED)
    assert job.labels["team"] == "a"
    imported = await site.get(f"{API}/jobs/{job.labels['import']}")
    assert imported.json()["state"] == "succeeded"


async def test_however_often_the_import_is_told_of_there_is_one_training(site: Site, tmp_path: Path) -> None:
    await bring(site, pets(tmp_path / "photos"))
    pending = await site.parts.database.outbox.pending(100)
    await site.context.services.relay.tick()
    sequel = site.context.services.relay._subscribers["sequel"]
    for message in pending:
        await sequel.notify(message)
    assert len(await trainings(site)) == 1


async def test_a_training_that_an_older_server_placed_in_other_words_is_the_one(site: Site, tmp_path: Path) -> None:
    await bring(site, pets(tmp_path / "photos"))
    pending = await site.parts.database.outbox.pending(100)
    await site.context.services.relay.tick()
    inbox = site.parts.database.state.inbox
    inbox.update({key: replace(receipt, body_sha256="otherwise") for key, receipt in inbox.items()})
    sequel = site.context.services.relay._subscribers["sequel"]
    for message in pending:
        await sequel.notify(message)
    assert [job.state for job in await trainings(site)] == [JobState.QUEUED]


async def test_while_the_disk_is_full_the_training_waits(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any, **__: Any) -> None:
        raise StorageFull

    await bring(site, pets(tmp_path / "photos"))
    with monkeypatch.context() as patched:
        patched.setattr(site.context.services.jobs, "submit", full)
        await site.context.services.relay.tick()
    assert await trainings(site) == []
    site.clock.advance(REST_SECONDS)
    await site.context.services.relay.tick()
    assert [job.state for job in await trainings(site)] == [JobState.QUEUED]


async def test_an_import_that_had_succeeded_when_it_was_to_stop_is_followed_by_no_training(
    site: Site, tmp_path: Path
) -> None:
    services = site.context.services
    order = DatasetImport(path=str(pets(tmp_path / "photos")), train=PreflightRequest())
    job = await services.datasets.order(order)
    await services.dispatch.fill([IMPORTS])
    assert (await services.jobs.cancel(job.id)).cancel_requested
    for _ in range(3):
        await site.import_all()
    assert (await services.jobs.get(job.id)).state is JobState.SUCCEEDED
    await services.relay.tick()
    (training,) = await trainings(site)
    assert (training.state, training.message) == (JobState.CANCELLED, "cancelled by a user")


async def test_an_import_alone_is_followed_by_nothing(site: Site) -> None:
    await site.add_dataset()
    await site.context.services.relay.tick()
    assert await trainings(site) == []


async def test_data_that_were_deleted_meanwhile_leave_a_training_that_failed_and_why(
    site: Site, tmp_path: Path
) -> None:
    version = await bring(site, pets(tmp_path / "photos"))
    assert (await site.http.delete(f"{API}/datasets/photos")).status_code == 204
    await site.context.services.relay.tick()
    (job,) = await trainings(site)
    assert (job.state, job.dataset_version) == (JobState.FAILED, version)
    assert "was deleted on" in job.message


async def test_data_that_are_not_ready_leave_a_training_that_failed_and_why(site: Site, tmp_path: Path) -> None:
    await bring(site, pets(tmp_path / "photos", classes=("cat",)))
    await site.context.services.relay.tick()
    (job,) = await trainings(site)
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.DATASET_INVALID)
    assert "2 or more" in job.message


async def test_a_training_that_cannot_be_is_refused_before_anything_is_imported(site: Site, tmp_path: Path) -> None:
    order = {"path": str(pets(tmp_path / "photos")), "train": {"config": {"epoch": 3}}}
    refused = await site.post(f"{API}/datasets:import", json=order)
    assert refused.status_code == 422
    assert "Did you mean 'epochs'?" in refused.json()["detail"]
    assert (await site.get(f"{API}/jobs")).json()["items"] == []


async def test_a_training_on_an_import_names_no_data_set_of_its_own(site: Site, tmp_path: Path) -> None:
    order = {"path": str(tmp_path), "train": {"dataset": "pets"}}
    refused = await site.post(f"{API}/datasets:import", json=order)
    assert refused.status_code == 422
    assert "leave `dataset` out" in refused.json()["detail"]


@pytest.mark.parametrize("train", [{}, {"trainer": "toy"}], ids=["any", "named"])
async def test_a_trainer_that_was_removed_meanwhile_leaves_a_training_that_failed_and_the_way_to_install_it(
    site: Site, tmp_path: Path, train: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(site, pets(tmp_path / "photos"), **train)
    await uninstalled(site, monkeypatch, stale=False)
    await site.context.services.relay.tick()
    (job,) = await trainings(site)
    assert (job.state, job.reason) == (JobState.FAILED, ErrorCode.NO_CAPACITY)
    assert "run `eyebright trainers install toy`" in job.message


@pytest.mark.parametrize("train", [{}, {"trainer": "toy"}], ids=["any", "named"])
async def test_a_trainer_that_must_be_installed_anew_is_waited_for(
    site: Site, tmp_path: Path, train: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(site, pets(tmp_path / "photos"), **train)
    with monkeypatch.context() as patched:
        await uninstalled(site, patched, stale=True)
        await site.context.services.relay.tick()
    assert await trainings(site) == []
    site.clock.advance(REST_SECONDS)
    await site.context.services.relay.tick()
    assert [job.state for job in await trainings(site)] == [JobState.QUEUED]


async def uninstalled(site: Site, patched: pytest.MonkeyPatch, *, stale: bool) -> None:
    problem = "trainer 'toy' is not installed: run `eyebright trainers install toy`"
    told = {"installed": False, "problem": problem, "stale": stale}
    views = [view.model_copy(update=told) for view in await site.parts.catalog.list()]

    async def listed() -> list[TrainerView]:
        return views

    async def installed() -> list[Environment]:
        return []

    async def environment(name: str, executor: str | None = None) -> Environment:
        raise (TrainerUnavailable if stale else TrainerMissing)(problem)

    patched.setattr(site.parts.catalog, "list", listed)
    patched.setattr(site.parts.catalog, "installed", installed)
    patched.setattr(site.parts.catalog, "environment", environment)


async def test_while_no_trainer_can_be_asked_the_training_waits(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable() -> None:
        raise TrainerUnavailable("its environment is being made")

    await bring(site, pets(tmp_path / "photos"))
    with monkeypatch.context() as patched:
        patched.setattr(site.parts.catalog, "installed", unavailable)
        await site.context.services.relay.tick()
    assert await trainings(site) == []
    site.clock.advance(REST_SECONDS)
    await site.context.services.relay.tick()
    assert [job.state for job in await trainings(site)] == [JobState.QUEUED]
