"""Every refusal has one shape."""

import pytest
from harness.site import API, bearer
from structlog.testing import capture_logs

from eyebright.doors.http.door import HttpDoor
from eyebright.doors.http.route import NativeRoute
from eyebright.errors import EyebrightError, NotFound, StorageFull, Unavailable


def subclasses(of: type[EyebrightError]) -> list[type[EyebrightError]]:
    return [of, *(each for direct in of.__subclasses__() for each in subclasses(direct))]


@pytest.mark.parametrize("kind", subclasses(EyebrightError), ids=lambda kind: kind.code)
async def test_every_error_keeps_its_code_status_and_words(site, kind, monkeypatch):
    error = kind(7) if kind.code == "gap" else kind("the words", errors=[{"field": "a", "message": "b"}])

    async def fails(job_id):
        raise error

    monkeypatch.setattr(type(site.context.services.jobs), "get", lambda self, job_id: fails(job_id))
    answer = await site.get(f"{API}/jobs/x")
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (kind.status, kind.status, kind.code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"] == error.message
    assert problem["expected"] == (7 if kind.code == "gap" else None)


@pytest.mark.parametrize(("kind", "lines"), [(Unavailable, 1), (StorageFull, 0), (NotFound, 0)])
async def test_what_the_loops_tell_once_is_not_told_of_each_request(site, kind, lines, monkeypatch):
    async def fails(*_):
        raise kind

    monkeypatch.setattr(type(site.context.services.jobs), "get", fails)
    with capture_logs() as said:
        await site.get(f"{API}/jobs/x")
    assert [line["event"] for line in said] == ["refused"] * lines


async def test_a_number_that_was_used_for_another_event_is_an_alarm(site):
    await site.add_dataset()
    handle = await site.launch()
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    assert counted(site, "eyebright_event_conflicts_total") == 0
    with capture_logs() as said:
        answer = await site.say(handle, site.event(1, "started", pid=2, host="elsewhere"))
    assert (answer.status_code, answer.json()["code"]) == (409, "event_conflict")
    assert counted(site, "eyebright_event_conflicts_total") == 1
    assert [(line["log_level"], handle.job_id in line["path"]) for line in said] == [("error", True)]


async def test_what_trainers_mend_by_themselves_is_no_alarm(site):
    await site.add_dataset()
    handle = await site.launch()
    with capture_logs() as said:
        answer = await site.say(handle, site.event(5, "started", pid=1, host="here"))
    assert answer.json()["code"] == "gap"
    assert counted(site, "eyebright_event_conflicts_total") == 0
    assert said == []


def counted(site, name):
    return site.context.instruments.registry.get_sample_value(name)


async def test_a_bug_tells_the_caller_nothing_of_our_insides(site, monkeypatch, caplog):
    async def fails():
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(type(site.context.services.jobs), "get", lambda self, job_id: fails())
    answer = await site.get(f"{API}/jobs/x")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "swordfish" not in answer.text


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (b"{", "body", "is not valid JSON"),
        (b"[]", "body", "must be an object"),
        (b'"x"', "body", "must be an object, not 'x'"),
        (b"{}", "dataset", "is needed"),
        (b'{"dataset": "x", "pirority": 3}', "pirority", "is not a field that is known here. Did you mean 'priority'?"),
        (b'{"dataset": "x", "epochs": 3}', "epochs", "is not a field that is known here. Known: config, dataset,"),
        (b'{"dataset": "x", "labels": {"a": 1}}', "labels.a", "must be text, not 1"),
        (b'{"dataset": "a\\u0000"}', "dataset", "has the control character U+0000 in it"),
        (b'{"dataset": "x", "name": "a\\u0000"}', "name", "no name for a job and its model; expected at most 100"),
        (b'{"dataset": "x", "labels": 1}', "labels", "must be an object, not 1"),
        (b'{"dataset": "x", "priority": "high"}', "priority", "must be a whole number, not 'high'"),
        (b'{"dataset": "x", "priority": 1.5}', "priority", "must be a whole number, not 1.5"),
        (b'{"dataset": "x", "priority": 101}', "priority", "must be at most 100, not 101"),
        (b'{"dataset": "x", "max_duration_seconds": 0}', "max_duration_seconds", "must be at least 1, not 0"),
        (b'{"dataset": "x", "name": "%s"}' % (b"n" * 201), "name", "no name for a job and its model; expected at most"),
    ],
)
async def test_a_body_that_does_not_fit_names_the_field(site, body, field, words):
    answer = await site.post(f"{API}/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    first = answer.json()["errors"][0]
    assert first["field"] == field
    assert words in first["message"]
    assert field in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "name", "words"),
    [
        ("GET", "jobs?lmit=3", "lmit", "Did you mean 'limit'"),
        ("POST", "jobs/job_x:retry?frsh=true", "frsh", "Did you mean 'fresh'"),
        ("GET", "models:compare?left=a&rihgt=b&right=b", "rihgt", "Did you mean 'right'"),
        ("GET", "jobs/job_x/events?affter=2", "affter", "Did you mean 'after'"),
        ("POST", "jobs:preflight?dataset=x", "dataset", "is not a field that is known here"),
        ("GET", "jobs?Kind=training", "Kind", "Did you mean 'kind'"),
    ],
)
async def test_a_query_that_nobody_would_read_is_refused(site, method, path, name, words):
    answer = await site.http.request(method, f"{API}/{path}", json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    (problem,) = answer.json()["errors"]
    assert problem["field"] == name
    assert words in problem["message"]


def test_no_parameter_of_a_query_hides_in_a_dependency():
    routes = [route for route in HttpDoor.routes if isinstance(route, NativeRoute)]
    assert len(routes) > 20
    assert [route.path for route in routes for part in route.dependant.dependencies if part.query_params] == []


async def test_the_allow_header_names_every_method_of_a_path(site):
    answer = await site.http.patch(f"{API}/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("attempt", ["0", "x", "-1", "1e3", "²", "99999999999999999999", "1" * 5000, f"{1:010}{9:020}"])
async def test_an_attempt_that_is_no_number_is_refused(site, attempt):
    beat = {"at_ms": 1, "moved_at_ms": 1}
    answer = await site.post(f"{API}/jobs/x/attempts/{attempt}/events/heartbeat", json=beat, headers=bearer("x"))
    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["..%2f..%2ftoken", "%2e%2e/%2e%2e/token", "%00", "/etc/passwd"])
async def test_a_path_of_an_artifact_never_leaves_the_listed_ones(site, path):
    await site.add_dataset()
    handle = await site.launch()
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    await site.succeed(handle)
    assert (await site.get(f"{API}/jobs/{handle.job_id}/artifacts/{path}")).status_code in {404, 401}


async def test_the_documentation_page_needs_nothing_from_elsewhere(site):
    page = await site.get("/docs")
    assert "//" not in page.text.replace("<!DOCTYPE html>", "").replace("<!-- ", "").split("SwaggerUIBundle")[0]
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        answer = await site.get(f"/docs/{asset}", headers={"Authorization": ""})
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (
            {"content-type": "application/x-www-form-urlencoded"},
            "its Content-Type is 'application/x-www-form-urlencoded'",
        ),
        ({"content-type": "text/plain"}, "its Content-Type is 'text/plain'"),
        ({}, "it has no Content-Type"),
    ],
)
async def test_a_body_that_is_not_said_to_be_json_is_told_how_to_say_it(site, said, found):
    answer = await site.post(f"{API}/jobs", content=b'{"dataset": "pets"}', headers=said)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert found in problem["detail"]
    assert "expected application/json" in problem["detail"]
    assert problem["errors"][0]["field"] == "body"
