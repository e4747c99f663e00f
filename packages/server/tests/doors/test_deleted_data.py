"""What is told of data sets that were deleted while something still came of them."""

from pathlib import Path

import pytest
from harness.live import pets
from harness.site import API, Site

from eyebright.client import Client
from eyebright.errors import NotFound
from eyebright_wire.resources import JobView

ASYNC = {"Prefer": "respond-async"}


async def test_an_import_told_of_again_names_no_other_data_set_of_the_same_content(site: Site, tmp_path: Path):
    order = {"path": str(pets(tmp_path / "photos")), "name": "cats"}
    again = {"Idempotency-Key": "first"}
    await site.post(f"{API}/datasets:import", json={**order, "name": "dogs"})
    assert (await site.post(f"{API}/datasets:import", json=order, headers=again)).status_code == 201
    await site.http.delete(f"{API}/datasets/cats/versions/1")
    told = await site.post(f"{API}/datasets:import", json=order, headers=again)
    assert (told.status_code, "cats was deleted since" in told.json()["detail"]) == (404, True)


async def test_an_import_from_a_version_keeps_that_until_it_has_ended(site: Site, tmp_path: Path):
    order = {"path": str(pets(tmp_path / "photos")), "name": "cats"}
    version = (await site.post(f"{API}/datasets:import", json=order)).json()["id"]
    derive = {"version": version, "name": "kittens"}
    job = await site.post(f"{API}/datasets:import", json=derive, headers=ASYNC)
    refused = await site.http.delete(f"{API}/datasets/cats")
    assert (refused.status_code, job.json()["id"] in refused.json()["detail"]) == (409, True)
    await site.post(f"{API}/jobs/{job.json()['id']}:cancel")
    assert (await site.http.delete(f"{API}/datasets/cats")).status_code == 204
    again = await site.post(f"{API}/jobs/{job.json()['id']}:retry")
    assert (again.status_code, "was deleted on" in again.json()["detail"]) == (404, True)


async def test_a_number_of_a_data_set_that_is_not_there_tells_which_there_are(site: Site):
    await site.add_dataset("lakes")
    refused = await site.http.delete(f"{API}/datasets/laks/versions/1")
    assert "Did you mean 'lakes'?" in refused.json()["detail"]
    assert "no version 2" in (await site.http.delete(f"{API}/datasets/lakes/versions/2")).json()["detail"]


def test_a_client_is_told_that_what_it_imported_was_deleted(monkeypatch: pytest.MonkeyPatch):
    def gone(self: Client, name: str) -> None:
        raise NotFound("there is no data set")

    client = object.__new__(Client)
    monkeypatch.setattr(Client, "dataset", gone)
    monkeypatch.setattr(Client, "_succeeded", lambda self, job: job)
    job = JobView.model_construct(id="job_1", name="cats", imported_version="dsv_1")
    with pytest.raises(NotFound, match="what job job_1 brought to data set cats was deleted since"):
        client.imported(job)
