"""Texts that one database takes and another does not: they are stored or refused, on each of them, and nothing breaks."""

import json
from urllib.parse import quote

import httpx
import pytest
from harness.forms import form
from harness.site import API, Site
from harness.site import site as make_site

from eyebright_wire.resources import JobView

JSON = {"Content-Type": "application/json"}
ODD = ["a\x00b", "\x00", "\ud800", "🦄 ünï", "\u202e", "x" * 5000, "'; DROP TABLE jobs; --", "%", "_"]


@pytest.fixture
async def site(tmp_path, database):
    async with make_site(tmp_path, database) as site:
        await site.add_dataset()
        yield site


async def test_an_odd_text_never_breaks_the_server(site):
    for text in ODD:
        for answer in await calls(site, text):
            said = f"{answer.request.url}: {answer.text}"
            assert answer.status_code in {200, 201, 404, 422}, said
    assert (await site.get(f"{API}/jobs")).status_code == 200


async def test_a_cursor_that_no_page_gave_is_refused_and_not_taken_for_the_end(site):
    for kind, prefix in {"jobs": "job_", "models": "mdl_"}.items():
        answer = await site.get(f"{API}/{kind}?after=garbage")
        words = f"after: 'garbage' is not the `next` of a page, which begins with {prefix}"
        assert (answer.status_code, answer.json()["detail"]) == (422, words)
        assert (await site.get(f"{API}/{kind}?after={prefix}0192")).status_code == 200


async def test_a_parameter_that_may_be_repeated_is_called_by_its_name(site):
    answer = await site.get(f"{API}/jobs?state=running&state=foo")
    assert [error["field"] for error in answer.json()["errors"]] == ["state"]


async def test_an_odd_text_of_a_trainer_is_kept_or_refused_for_good(site):
    """A 5xx would make its reporter send the same again for ever."""
    handle = await site.launch()
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    path = f"{API}/jobs/{handle.job_id}/attempts/1/events"
    seq = 2
    for text in ODD:
        event = {"seq": seq, "kind": "note", "at_ms": 1, "data": {text: text}}
        body = json.dumps({"events": [event]}).encode()
        answer = await site.post(path, content=body, headers=site.job_token(handle))
        assert answer.status_code in {200, 422}, answer.text
        seq += answer.status_code == 200
    assert seq > len(ODD) - 2
    page = (await site.get(f"{API}/jobs/{handle.job_id}/events?after=1")).json()["items"]
    assert [event["seq"] for event in page] == list(range(2, seq))


async def test_a_loss_that_is_not_a_number_hides_neither_job_nor_curve_from_clients(site):
    """JSON has no word for it, and what a client cannot read would break every list that the job is in."""
    handle = await site.launch()
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    body = b"""{"events": [{"seq": 2, "kind": "progress", "at_ms": 1, "data": {"epoch": 1, "epochs": 2,
        "eta_seconds": Infinity, "metrics": {"loss": NaN, "lr": 0.5}}}]}"""
    path = f"{API}/jobs/{handle.job_id}"
    for _ in range(2):  # the second time it is a repetition, which is no conflict
        answer = await site.post(f"{path}/attempts/1/events", content=body, headers=site.job_token(handle))
        assert (answer.status_code, answer.json()["acked"]) == (200, 2)
    job = JobView.model_validate_json((await site.get(path)).content)
    assert job.metrics == {"lr": 0.5}
    assert job.progress is not None
    assert job.progress.eta_seconds is None
    assert [series["name"] for series in (await site.get(f"{path}/metrics")).json()] == ["lr"]


async def calls(site: Site, text: str) -> list[httpx.Response]:
    sent = quote(text, errors="surrogatepass")
    return [
        await site.get(f"{API}/jobs?trainer={sent}&dataset_version={sent}&label=a:{sent}"),
        *[await site.get(f"{API}/{kind}?after={sent}") for kind in ("jobs", "datasets", "models")],
        *[await site.get(f"{API}/{kind}/{sent}") for kind in ("jobs", "datasets", "dataset-versions", "models")],
        await site.get(f"{API}/jobs/{sent}/events"),
        *[
            await site.post(f"{API}/jobs", content=order(text, field), headers=JSON)
            for field in ("name", "dataset", "labels")
        ],
        *[
            await site.post("/training/jobs", content=platform_order(text, field), headers=JSON)
            for field in ("user_id", "model_name", "framework", "dataset_s3_uri")
        ],
        *[await site.get(f"/training/jobs{path}{sent}") for path in ("/", "?after=")],
        await site.post(
            f"/datasets/upload?user_id={sent}", **form(("file", b"x", "x"), ("dataset_name", odd(text), None))
        ),
    ]


def odd(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def platform_order(text: str, field: str) -> bytes:
    known = {"user_id": "test", "model_name": "mean", "framework": "toy", "dataset_s3_uri": "s3://datasets/test/"}
    return json.dumps({**known, field: text}).encode()


def order(text: str, field: str) -> bytes:
    fields = {"dataset": "pets", field: {"a": text} if field == "labels" else text}
    return json.dumps(fields).encode()
