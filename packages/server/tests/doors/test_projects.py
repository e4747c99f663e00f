"""Through the native API another project's things are as if they were not there; everybody else acts in `default`."""

import re
from contextvars import Context

import httpx
import pytest
from fastapi.routing import APIRoute
from harness.site import API, bearer, pets
from harness.site import site as make_site

from eyebright.core.scope import EVERYTHING, within
from eyebright.doors.roles import HEADER as PROJECT_HEADER
from eyebright.errors import NoScope
from eyebright_wire.projects import ProjectView

BIRDS = {PROJECT_HEADER: "birds"}
#: Of the routes below the API: those that carry a job's own token, and those whose names are of no project's things.
NOBODYS = ("/attempts/", "/recipes/", "/trainers/", "/users/", "/tokens/", "/projects/")
#: What a request must bring before it is looked whose thing it is about.
BODIES = {
    "PATCH /webhooks/{webhook_id}": {"json": {"description": "theirs"}},
    "POST /models/{model}:export": {"json": {"format": "onnx"}},
    "POST /models/{model}:predict": {"content": b"no image"},
    "PATCH /uploads/{upload_id}": {
        "headers": {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    },
    "POST /webhooks/{webhook_id}:replay": {"json": {}},
    "POST /jobs/{job_id}:retry": {"json": {}},
}


@pytest.fixture
async def shared(tmp_path):
    """A server whose projects trust each other, with one more."""
    async with make_site(tmp_path, local={"many_projects": True}) as site:
        answer = await site.post(f"{API}/projects", json={"id": "birds"})
        assert answer.status_code == 201, answer.text
        yield site


async def made(site) -> dict[str, str]:
    """One of everything in `default`, by the names of the routes' parameters."""
    version = await site.add_dataset()
    handle = await site.launch()
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    await site.succeed(handle)
    job = (await site.get(f"{API}/jobs/{handle.job_id}")).json()
    assert job["state"] == "succeeded", job
    webhook = (await site.post(f"{API}/webhooks", json={"url": "https://example.org/hook"})).json()
    tried = (await site.post(f"{API}/webhooks/{webhook['id']}:test")).json()
    parked = (await site.post(f"{API}/queue/messages", content=b"no json")).json()
    begun = await site.post(f"{API}/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "9"})
    return {
        "job_id": handle.job_id,
        "name": "pets",
        "version_id": version,
        "model": job["model_id"],
        "webhook_id": webhook["id"],
        "delivery_id": tried["id"],
        "parked_id": parked["parked_id"],
        "upload_id": begun.headers["location"].rpartition("/")[2],
        "path": "model.onnx",
        "alias": "best",
        "number": "0",
    }


def unknown(known: str) -> str:
    """Of the same form, and nobody's."""
    return known if known in {"model.onnx", "best", "0"} else f"{known[:-4]}0000"


def routes(site) -> list[tuple[str, str]]:
    found = [each for each in site.app.routes if isinstance(each, APIRoute) and each.path.startswith(API)]
    found = [each for each in found if "{" in each.path and not each.path.startswith(f"{API}/training/")]
    asked = [each for each in found if not any(part in each.path for part in NOBODYS)]
    return sorted((method, each.path) for each in asked for method in each.methods)


def address(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda match: ids[match[1]], path)


async def asked(site, method: str, path: str, ids: dict[str, str]) -> httpx.Response:
    plain = re.sub(r":path|:int", "", path.removeprefix(API))
    request = BODIES.get(f"{method} {plain}", {})
    tus = {"Tus-Resumable": "1.0.0"} if "/uploads" in path else {}
    headers = {**BIRDS, **tus, **request.get("headers", {})}
    return await site.http.request(method, address(path, ids), **{**request, "headers": headers})


async def test_what_is_of_another_project_is_not_found_by_any_route(shared):
    ids = await made(shared)
    nobodys = {name: unknown(known) for name, known in ids.items()}
    assert len(routes(shared)) > 25
    for method, path in routes(shared):
        theirs = await asked(shared, method, path, ids)
        none = await asked(shared, method, path, nobodys)
        assert theirs.status_code == none.status_code == 404, (method, path, theirs.text, none.text)
        for name, known in ids.items():
            if known != nobodys[name]:
                assert known not in none.text
        told = theirs.text
        for name in ("delivery_id", "upload_id", "parked_id", "webhook_id", "version_id", "model", "job_id", "name"):
            told = told.replace(ids[name], nobodys[name])
        assert told.replace(address(path, ids), "") == none.text.replace(address(path, nobodys), ""), (method, path)
    for path in ("jobs", "models", "datasets", "webhooks", "queue/parked"):
        found = (await shared.get(f"{API}/{path}", headers=BIRDS)).json()
        assert (found if isinstance(found, list) else found["items"]) == [], path
        mine = (await shared.get(f"{API}/{path}")).json()
        assert len(mine if isinstance(mine, list) else mine["items"]) >= 1, path


async def test_both_may_have_the_same_names_keys_and_contents(shared):
    ids = await made(shared)
    version = await shared.post(f"{API}/datasets", params={"name": "pets"}, content=pets(), headers=BIRDS)
    assert version.status_code == 201, version.text
    assert version.json()["id"] == ids["version_id"]
    assert version.json()["number"] == 1
    key = {"Idempotency-Key": "same"}
    ours = await shared.post(f"{API}/jobs", json={"dataset": "pets"}, headers=key)
    theirs = await shared.post(f"{API}/jobs", json={"dataset": "pets"}, headers={**key, **BIRDS})
    assert (ours.status_code, theirs.status_code) == (201, 201)
    assert ours.json()["id"] != theirs.json()["id"]


async def test_a_job_of_another_project_runs_reports_and_is_registered_there(shared):
    await shared.post(f"{API}/datasets", params={"name": "pets"}, content=pets(), headers=BIRDS)
    await shared.post(f"{API}/webhooks", json={"url": "https://default.example"})
    theirs = (await shared.post(f"{API}/webhooks", json={"url": "https://birds.example"}, headers=BIRDS)).json()
    order = (await shared.post(f"{API}/jobs", json={"dataset": "pets"}, headers=BIRDS)).json()
    services = shared.context.services
    with within(EVERYTHING):  # as the loops do
        await services.dispatch.tick()
        (spec,) = [spec for spec in shared.executor.launches if spec.job_id == order["id"]]
        assert spec.dataset.name == "pets"
        from eyebright_wire.runs import Handle

        handle = Handle(order["id"], 1)
        await shared.say(handle, shared.event(1, "started", pid=1, host="here"))
        await shared.succeed(handle)
        await services.relay.tick()
        await services.deliverer.tick()
        await services.deliverer.settle()
    job = (await shared.get(f"{API}/jobs/{order['id']}", headers=BIRDS)).json()
    assert job["state"] == "succeeded"
    assert (await shared.get(f"{API}/models/{job['model_id']}", headers=BIRDS)).status_code == 200
    assert (await shared.get(f"{API}/models/{job['model_id']}")).status_code == 404
    told = await shared.get(f"{API}/webhooks/{theirs['id']}/deliveries", headers=BIRDS)
    assert {each["event"] for each in told.json()["items"]} >= {"job.succeeded", "model.registered"}
    (default,) = (await shared.get(f"{API}/webhooks")).json()
    assert (await shared.get(f"{API}/webhooks/{default['id']}/deliveries")).json()["items"] == []


async def test_the_project_must_be_one_and_its_name_one_that_can_be(shared):
    nowhere = await shared.get(f"{API}/jobs", headers={PROJECT_HEADER: "nowhere"})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    assert "there is no project 'nowhere'" in nowhere.json()["detail"]
    assert (await shared.get(f"{API}/jobs", headers={PROJECT_HEADER: "../x"})).status_code == 422
    assert (await shared.get(f"{API}/jobs", headers={PROJECT_HEADER: "default"})).status_code == 200
    stranger = await shared.get(f"{API}/jobs", headers={PROJECT_HEADER: "nowhere", **bearer("wrong")})
    assert stranger.status_code == 401


@pytest.mark.parametrize("path", ["/training/jobs", "/api/v1/training/x", "/mcp"])
async def test_the_other_doors_are_for_default_alone(shared, path):
    answer = await shared.get(path, headers=BIRDS)
    assert answer.status_code == 422
    assert "for the project default alone" in answer.json()["detail"]
    assert (await shared.get(path, headers={PROJECT_HEADER: "default"})).status_code != 422


async def test_projects_are_made_once_and_listed(shared):
    again = await shared.post(f"{API}/projects", json={"id": "birds"})
    assert again.status_code == 409
    for name in ("Birds", "", "a_b", "x" * 64, "default\n", 7, None):
        assert (await shared.post(f"{API}/projects", json={"id": name})).status_code == 422, name
    found = [ProjectView.model_validate(each) for each in (await shared.get(f"{API}/projects")).json()]
    assert [each.id for each in found] == ["birds", "default"]


async def test_a_project_whose_trainers_would_run_among_those_of_others_is_refused(site):
    answer = await site.post(f"{API}/projects", json={"id": "birds"})
    assert answer.status_code == 403
    assert "EYEBRIGHT_LOCAL__MANY_PROJECTS=true" in answer.json()["detail"]
    assert [each["id"] for each in (await site.get(f"{API}/projects")).json()] == ["default"]


async def test_nor_do_orders_exports_and_predictions_run_there(site):
    from eyebright.core.project import Project

    await site.parts.database.projects.add(Project(id="birds", created_at_ms=1))  # while another setting held
    await site.post(f"{API}/datasets", params={"name": "pets"}, content=pets(), headers=BIRDS)
    for path in ("jobs", "jobs:rehearse"):
        refused = await site.post(f"{API}/{path}", json={"dataset": "pets"}, headers=BIRDS)
        assert refused.status_code == 403, refused.text
    report = await site.post(f"{API}/jobs:preflight", json={"dataset": "pets"}, headers=BIRDS)
    assert [each["code"] for each in report.json()["findings"] if each["severity"] == "error"] == ["forbidden"]
    assert (await site.post(f"{API}/jobs", json={"dataset": "pets"})).status_code == 404  # it is in birds


async def test_a_server_enters_every_scope_itself(shared):
    """The tests' own is not there when a request comes over a socket."""
    import asyncio

    ids = await made(shared)
    paths = [
        "/health",
        "/ready",
        "/metrics",
        "/openapi.json",
        f"{API}/jobs",
        f"{API}/jobs/{ids['job_id']}",
        "/training/jobs",
    ]
    for path in paths:
        answer = await asyncio.create_task(shared.get(path), context=Context())
        assert answer.status_code in {200, 503}, (path, answer.text)
    with pytest.raises(NoScope):
        await asyncio.create_task(shared.context.services.jobs.get(ids["job_id"]), context=Context())
