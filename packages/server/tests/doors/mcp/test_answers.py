"""However much users have written, an answer is one that an agent can read, and tells how to come to the rest."""

import io
import json
import zipfile
from typing import Any

import pytest
from harness.site import API, bmp

from doors.mcp.agent import agent, call
from eyebright.doors.mcp.answers import MOST, WHOLE, told, within_limits
from eyebright.errors import TooLarge
from eyebright_wire.resources import JobView

#: The names `data` and `cut` around what is counted, and quotes and commas.
AROUND = 200


def job_view(**fields: Any) -> JobView:
    about = {"id": "job_1", "name": "x", "state": "failed", "trainer": "toy", "task": "t", "model": "m"}
    return JobView(**{**about, "dataset_version": "v", "created_at_ms": 0, **fields})


async def answered(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    found = await call(client, tool, **arguments)
    assert len(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()) <= WHOLE + AROUND, tool
    return found


async def test_the_text_beside_an_answer_is_no_longer_than_the_answer(site):
    """Agents that know no structured content are sent nothing else."""
    async with agent(site) as client:
        found = await client.call_tool("list_trainers", {})
    (text,) = found.content
    assert json.loads(text.text) == found.structured_content
    assert len(text.text) == len(json.dumps(found.structured_content, ensure_ascii=False, separators=(",", ":")))


async def test_a_data_set_of_thousands_of_classes(site):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for number in range(2_000):
            file.writestr(zipfile.ZipInfo(f"{number:04}-{'a-species-' * 12}/1.bmp"), bmp(number, side=8))
    made = await site.post(f"{API}/datasets", params={"name": "species"}, content=archive.getvalue())
    assert made.status_code == 201, made.text
    async with agent(site) as client:
        found = await answered(client, "describe_dataset_version", version_id=made.json()["id"])
        classes = found["data"]["report"]["classes"]
        assert classes == made.json()["report"]["classes"][: len(classes)]
        assert f"report.classes: {2_000 - len(classes):,} of 2,000 entries" in found["cut"]
        assert (await answered(client, "describe_dataset", name="species"))["data"]["versions"][0]["classes"] == 2_000
        await answered(client, "list_datasets")


async def test_no_job_is_lost_between_pages_that_are_cut(site):
    await site.add_dataset()
    labels = {f"{number:03}-{'k' * 300}": "ü" * 2_000 for number in range(30)}
    made = {(await site.order(name=f"job-{number}", labels=labels)).id for number in range(12)}
    seen: list[str] = []
    async with agent(site) as client:
        after, pages = None, 0
        while pages == 0 or after:
            found = await answered(client, "list_jobs", kind="training", limit=100, after=after)
            assert found["cut"]
            seen += [job["id"] for job in found["data"]["items"]]
            after, pages = found["data"]["next"], pages + 1
        assert pages > 1
        assert (len(seen), set(seen)) == (12, made)
        whole = await answered(client, "describe_job", job_id=seen[0])
        assert whole["data"]["labels"]
    assert any("labels" in place for place in whole["cut"])


async def test_what_fits_is_not_cut(site):
    await site.add_dataset()
    made = [(await site.order(name=f"job-{number}")).id for number in range(40)]
    async with agent(site) as client:
        found = await answered(client, "list_jobs", kind="training", limit=100)
    assert ([job["id"] for job in found["data"]["items"]], found["cut"]) == (made[::-1], [])


async def test_no_line_of_a_log_is_lost_between_parts_that_are_cut(site):
    await site.add_dataset()
    handle = await site.launch()
    lines = [f"{number:04} {'x' * 1_500}" for number in range(200)]
    site.executor.outputs[handle] = "".join(f"{line}\n" for line in lines).encode()
    seen: list[str] = []
    async with agent(site) as client:
        offset = 0
        while len(seen) < len(lines):
            part = (await answered(client, "read_log", job_id=handle.job_id, offset=offset, lines=200))["data"]
            assert part["lines"]
            seen += part["lines"]
            offset = part["next_offset"]
    assert seen == lines


async def test_many_metrics_come_in_fewer_points_with_the_newest(site):
    await site.add_dataset()
    handle = await site.launch()
    names = [f"metric-{number:03}" for number in range(150)]
    for epoch in range(1, 61):
        metrics = dict.fromkeys(names, epoch / 7)
        await site.say(handle, site.event(epoch, "progress", epoch=epoch, epochs=60, step=epoch, metrics=metrics))
    async with agent(site) as client:
        found = (await answered(client, "read_metrics", job_id=handle.job_id, points=200))["data"]["metrics"]
    assert set(found) == set(names)
    curve = found["metric-000"]
    assert 2 < len(curve) < 60
    assert [curve[0][:2], curve[-1]] == [[1, 1], [60, 60, 60 / 7]]


def test_fields_stay_whatever_is_cut():
    view = job_view(labels={f"{n}{'k' * 900}": "v" * 2_000 for n in range(MOST)}, message="m" * 10_000)
    kept, cut = within_limits(view)
    assert set(kept.model_dump()) == set(view.model_dump())
    assert (kept.id, kept.state, kept.created_at_ms) == (view.id, view.state, 0)
    assert cut[0].startswith("message: ")


def test_the_places_themselves_are_few_and_short():
    view = job_view(labels={f"{n}{'k' * 5_000}": "v" * 5_000 for n in range(150)})
    cut = told(view).cut
    assert max(map(len, cut)) < 300
    assert len(cut) <= 21


def test_what_cannot_be_cut_down_is_refused_with_its_size():
    deep: Any = "x" * 400
    for _ in range(6):
        deep = {str(number): deep for number in range(5)}
    with pytest.raises(TooLarge, match="bytes long"):
        within_limits(job_view(config=deep))
