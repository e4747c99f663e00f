"""What a project has used up is refused to it, and to nobody else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from harness.site import API, Site, pets
from harness.site import site as make_site
from harness.teams import guest

GIB = 2**30
OTHERS = {"Eyebright-Project": "birds"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path, local={"many_projects": True}) as site:
        assert (await site.post(f"{API}/projects", json={"id": "birds"})).status_code == 201
        yield site


async def limited(site: Site, project: str = "default", **limits: int | None) -> dict[str, int | None]:
    answer = await site.http.put(f"{API}/projects/{project}/quota", json=limits)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_is_left_out_stays_and_null_takes_a_limit_away(site: Site):
    assert (await site.get(f"{API}/projects/default/quota")).json()["running_jobs"] is None
    await limited(site, running_jobs=3, storage_bytes=GIB)
    assert (await limited(site, requests_per_minute=9))["running_jobs"] == 3
    after = await limited(site, running_jobs=None)
    assert (after["running_jobs"], after["storage_bytes"], after["requests_per_minute"]) == (None, GIB, 9)


async def test_what_is_kept_counts_and_what_would_be_too_much_is_refused(site: Site):
    await site.add_dataset()
    (version,) = (await site.get(f"{API}/datasets/pets")).json()["versions"]
    used = (await site.get(f"{API}/projects/default/quota")).json()["used_storage_bytes"]
    assert used >= version["report"]["size_bytes"] > 0
    await limited(site, storage_bytes=used)
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "9"}
    asked = {
        "an upload": await site.post(f"{API}/datasets", content=pets(5)),
        "an upload in pieces": await site.http.post(f"{API}/uploads", headers=tus),
        "a training": await site.post(f"{API}/jobs", json={"dataset": "pets"}),
    }
    for what, answer in asked.items():
        assert (answer.status_code, answer.json()["code"]) == (403, "quota_exceeded"), (what, answer.text)
    assert "project default keeps" in asked["a training"].json()["detail"]
    assert (await site.get(f"{API}/jobs")).status_code == 200
    other = await site.http.post(f"{API}/uploads", headers={**tus, **OTHERS})
    assert other.status_code == 201, "it is not the other project's"
    await limited(site, storage_bytes=None)
    assert (await site.post(f"{API}/jobs", json={"dataset": "pets"})).status_code == 201


async def test_a_job_that_waits_for_the_quota_says_so(site: Site):
    await site.add_dataset()
    await limited(site, running_jobs=1)
    first, second = [(await site.post(f"{API}/jobs", json={"dataset": "pets"})).json() for _ in range(2)]
    assert first["message"] == second["message"] == "", "there is room for one"
    await site.context.services.dispatch.tick()
    waits = (await site.get(f"{API}/jobs/{second['id']}")).json()
    assert (waits["state"], "quota of project default: 1 of its jobs run, and 1 may at once" in waits["message"]) == (
        "queued",
        True,
    ), waits
    assert (await site.get(f"{API}/jobs/{first['id']}")).json()["message"] == ""
    await limited(site, running_jobs=2)
    assert (await site.get(f"{API}/jobs/{second['id']}")).json()["message"] == ""


async def test_an_upload_that_would_be_too_much_is_refused_before_it_comes(site: Site):
    await limited(site, storage_bytes=100)
    tus = {"Tus-Resumable": "1.0.0"}
    assert (await site.http.post(f"{API}/uploads", headers={**tus, "Upload-Length": "101"})).status_code == 403
    assert (await site.http.post(f"{API}/uploads", headers={**tus, "Upload-Length": "100"})).status_code == 201


async def test_uploads_that_were_announced_count(site: Site):
    await limited(site, storage_bytes=1000)
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "600"}
    first = await site.http.post(f"{API}/uploads", headers=tus)
    assert (await site.http.post(f"{API}/uploads", headers=tus)).status_code == 403
    await site.http.delete(first.headers["location"], headers={"Tus-Resumable": "1.0.0"})
    assert (await site.http.post(f"{API}/uploads", headers=tus)).status_code == 201


async def test_an_import_waits_for_no_place_among_the_jobs(site: Site):
    await limited(site, running_jobs=0)
    assert (await site.post(f"{API}/datasets", content=pets(5))).status_code == 201


async def test_what_was_ordered_before_is_answered_as_before(site: Site):
    await site.add_dataset()
    key, order = {"Idempotency-Key": "one"}, {"dataset": "pets"}
    first = await site.post(f"{API}/jobs", json=order, headers=key)
    await limited(site, storage_bytes=1)
    again = await site.post(f"{API}/jobs", json=order, headers=key)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


async def test_tokens_of_a_project_may_ask_so_often_and_the_operator_as_often_as_they_like(site: Site):
    await limited(site, requests_per_minute=3)
    theirs = await guest(site, "viewer")
    answers = [await site.get(f"{API}/jobs", headers=theirs) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert "project default has sent more than the 3 requests" in answers[-1].json()["detail"]
    assert (await site.get(f"{API}/jobs")).status_code == 200


async def test_what_is_refused_counts_too_and_refusals_for_it_fill_no_log(site: Site):
    await limited(site, requests_per_minute=2)
    theirs = await guest(site, "viewer")
    before = len((await site.get(f"{API}/audit", params={"limit": 200})).json()["items"])
    answers = [await site.post(f"{API}/users", json={"name": "Eve"}, headers=theirs) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [403, 403, *[429] * 7]
    after = (await site.get(f"{API}/audit", params={"limit": 200})).json()["items"]
    assert len(after) - before == 2


async def test_a_member_sees_the_quota_of_their_project_and_sets_none(site: Site):
    theirs = await guest(site, "admin")
    assert (await site.get(f"{API}/projects/default/quota", headers=theirs)).status_code == 200
    assert (await site.get(f"{API}/projects/birds/quota", headers=theirs)).status_code == 404
    refused = await site.http.put(f"{API}/projects/default/quota", json={"running_jobs": 9}, headers=theirs)
    assert refused.status_code == 403


async def test_a_project_that_is_not_there_has_none(site: Site):
    assert (await site.get(f"{API}/projects/nowhere/quota")).status_code == 404
    assert (await site.http.put(f"{API}/projects/nowhere/quota", json={"running_jobs": 1})).status_code == 404


@pytest.mark.parametrize(
    "limits", [{"running_jobs": -1}, {"requests_per_minute": 0}, {"storage_bytes": 10**30}, {"x": 1}]
)
async def test_limits_that_cannot_be_are_refused(site: Site, limits: dict[str, int]):
    assert (await site.http.put(f"{API}/projects/default/quota", json=limits)).status_code == 422
