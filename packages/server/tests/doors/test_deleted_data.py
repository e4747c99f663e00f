"""What is told of data sets that were deleted while something still came of them."""

from pathlib import Path
from typing import Any

import pytest
from harness.live import pets
from harness.site import API, Site

from eyebright.client import Client
from eyebright.core.records import Version
from eyebright.errors import NotFound
from eyebright.ports.jobs import JobQuery
from eyebright.services.datasets import find_version
from eyebright_wire.resources import DatasetView, JobView

ASYNC = {"Prefer": "respond-async"}


async def test_an_import_told_of_again_names_no_other_data_set_of_the_same_content(site: Site, tmp_path: Path):
    order = {"path": str(pets(tmp_path / "photos")), "name": "cats"}
    again = {"Idempotency-Key": "first"}
    await site.post(f"{API}/datasets:import", json={**order, "name": "dogs"})
    assert (await site.post(f"{API}/datasets:import", json=order, headers=again)).status_code == 201
    assert (await site.http.delete(f"{API}/datasets/cats/versions/1")).status_code == 204
    told = await site.post(f"{API}/datasets:import", json=order, headers=again)
    assert (told.status_code, "cats was deleted since" in told.json()["detail"]) == (404, True)


async def test_an_import_from_a_version_keeps_that_until_it_has_ended(site: Site, tmp_path: Path):
    order = {"path": str(pets(tmp_path / "photos")), "name": "cats"}
    version = (await site.post(f"{API}/datasets:import", json=order)).json()["id"]
    derive = {"version": version, "name": "kittens"}
    job = await site.http.post(f"{API}/datasets:import", json=derive, headers=ASYNC)  # and nobody begins it
    refused = await site.http.delete(f"{API}/datasets/cats")
    assert (refused.status_code, job.json()["id"] in refused.json()["detail"]) == (409, True)
    cancelled = await site.post(f"{API}/jobs/{job.json()['id']}:cancel")
    assert cancelled.json()["state"] == "cancelled"
    assert (await site.http.delete(f"{API}/datasets/cats")).status_code == 204
    again = await site.post(f"{API}/jobs/{job.json()['id']}:retry")
    assert (again.status_code, "was deleted on" in again.json()["detail"]) == (404, True)


@pytest.mark.parametrize(
    ("service", "path", "order"), [("orders", "jobs", "dataset"), ("datasets", "datasets:import", "version")]
)
async def test_with_data_that_are_deleted_between_a_look_and_the_order_nothing_begins(
    site: Site, monkeypatch: pytest.MonkeyPatch, service: str, path: str, order: str
):
    version = await site.add_dataset("lakes")
    before = await site.parts.database.jobs.find(JobQuery())

    async def then_deleted(store: Any, version_id: str) -> Version:
        found = await find_version(store, version_id)
        await store.delete("lakes", None, 1)
        return found

    monkeypatch.setattr(f"eyebright.services.{service}.find_version", then_deleted)
    refused = await site.http.post(f"{API}/{path}", json={order: version}, headers=ASYNC)
    assert (refused.status_code, "was deleted on" in refused.json()["detail"]) == (404, True)
    assert await site.parts.database.jobs.find(JobQuery()) == before


async def test_a_number_that_is_not_there_is_told(site: Site):
    await site.add_dataset("lakes")
    for name, number in (("laks", 1), ("lakes", 2)):
        refused = (await site.http.delete(f"{API}/datasets/{name}/versions/{number}")).json()
        assert f"no version {number} of a data set named {name}" in refused["detail"]


@pytest.mark.parametrize("others", [True, False])
def test_a_client_is_told_that_what_it_imported_was_deleted(monkeypatch: pytest.MonkeyPatch, others: bool):
    def found(self: Client, name: str) -> DatasetView:
        if not others:
            raise NotFound("there is no data set")
        return DatasetView(name=name, created_at_ms=1)

    client = object.__new__(Client)
    monkeypatch.setattr(Client, "dataset", found)
    monkeypatch.setattr(Client, "_succeeded", lambda self, job: job)
    job = JobView.model_construct(id="job_1", name="cats", imported_version="dsv_1")
    with pytest.raises(NotFound, match="what job job_1 brought to data set cats was deleted since"):
        client.imported(job)
