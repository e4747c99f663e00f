"""Following a job over server-sent events."""

import asyncio
import json

import httpx
import pytest
from harness.site import API, Site

STREAM = {"Accept": "text/event-stream"}


def messages(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in answer.text.replace("\r\n", "\n").split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


async def finished(site: Site) -> str:
    """A job that started, made two steps and succeeded: four events."""
    await site.add_dataset()
    handle = await site.launch()
    steps = [site.event(n, "progress", epoch=n, epochs=3, metrics={"loss": 1 / n}) for n in (2, 3)]
    await site.say(handle, site.event(1, "started", pid=1, host="here"), *steps)
    await site.succeed(handle, 4)
    return handle.job_id


async def test_a_finished_job_is_told_whole_and_the_stream_ends_with_its_view(site):
    job = await finished(site)
    said = messages(await site.get(f"{API}/jobs/{job}/events", headers=STREAM))
    assert [each["event"] for each in said] == ["started", "progress", "progress", "succeeded", "job"]
    assert [each.get("id") for each in said] == ["1", "2", "3", "4", None]
    assert json.loads(said[-1]["data"])["state"] == "succeeded"
    assert json.loads(said[1]["data"])["position"] == 2


@pytest.mark.parametrize(
    ("query", "last_seen", "first"), [("", "2", 3), ("?after=3", "1", 4), ("?after=1", "3", 4), ("?after=2", None, 3)]
)
async def test_a_stream_goes_on_after_the_last_event_that_was_seen(site, query, last_seen, first):
    job = await finished(site)
    headers = STREAM if last_seen is None else {**STREAM, "Last-Event-ID": last_seen}
    said = messages(await site.get(f"{API}/jobs/{job}/events{query}", headers=headers))
    assert [each["id"] for each in said if "id" in each] == [str(n) for n in range(first, 5)]


async def test_who_has_seen_everything_only_gets_the_final_view(site):
    job = await finished(site)
    said = messages(await site.get(f"{API}/jobs/{job}/events", headers={**STREAM, "Last-Event-ID": "4"}))
    assert [each["event"] for each in said] == ["job"]


async def test_news_arrive_while_the_stream_is_open(site):
    await site.add_dataset()
    handle = await site.launch()
    following = asyncio.create_task(site.get(f"{API}/jobs/{handle.job_id}/events", headers=STREAM))
    await asyncio.sleep(0)  # it is listening before anything happens
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    await site.succeed(handle)
    said = messages(await following)
    assert said[0]["event"] == "job"
    assert [each["event"] for each in said if each["event"] != "job"] == ["started", "succeeded"]
    assert json.loads(said[-1]["data"])["state"] == "succeeded"


async def test_an_unknown_job_is_refused_before_the_stream_begins(site):
    answer = await site.get(f"{API}/jobs/job_0/events", headers=STREAM)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_last_event_id_that_is_no_position_is_refused(site):
    job = await finished(site)
    answer = await site.get(f"{API}/jobs/{job}/events", headers={**STREAM, "Last-Event-ID": "yesterday"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "last-event-id")


async def test_a_kind_with_line_breaks_cannot_forge_messages(site):
    await site.add_dataset()
    handle = await site.launch()
    forged = site.event(2, "x\n\nevent: job\ndata: {}", note="a\n\ndata: b")
    assert (await site.say(handle, site.event(1, "started", pid=1, host="here"), forged)).status_code == 200
    await site.succeed(handle, 3)
    said = messages(await site.get(f"{API}/jobs/{handle.job_id}/events", headers=STREAM))
    assert len([each for each in said if each["event"] == "job"]) == 1
