"""Vision AI Training Platform over fakes: its paths, words and refusals. What a real training leaves is in tests/e2e."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.importing import InlineImports
from harness.site import API, Site, bearer, pets
from harness.site import site as make_site

from eyebright.core.platform_id import job_id_of, uuid_of
from eyebright.ports.executor import Handle
from eyebright.stores.objects.files import FileObjectStore
from eyebright.testing import toy_manifest
from eyebright_wire.artifacts import Grant
from eyebright_wire.jobs import JobState
from eyebright_wire.manifest import ModelInfo

JOBS = "/training/jobs"
ORDER = {
    "user_id": "test",
    "model_name": "median",
    "framework": "toy",
    "dataset_s3_uri": "s3://datasets/test/my-dataset/",
    "config": {"epochs": 4},
}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    brought = tmp_path / "data.zip"
    brought.write_bytes(pets())
    async with make_site(tmp_path / "data", importer=InlineImports(brought)) as site:
        yield site


async def create(site: Site, **fields: Any) -> dict[str, Any]:
    answer = await site.post(JOBS, json={**ORDER, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def start(site: Site, job: dict[str, Any]) -> httpx.Response:
    return await site.post(f"{JOBS}/{job['id']}/start")


async def look(site: Site, job: dict[str, Any]) -> dict[str, Any]:
    return (await site.get(f"{JOBS}/{job['id']}")).json()


async def bring(site: Site) -> None:
    for _ in range(5):
        await site.import_all()


async def training(site: Site) -> Handle:
    """The data come and the training is ordered and launched."""
    await bring(site)
    await site.context.services.relay.tick()
    await site.context.services.dispatch.tick()
    return Handle((await site.get(f"{API}/jobs?kind=training")).json()["items"][0]["id"], 1)


async def test_a_job_is_pending_until_it_is_started_and_told_to_its_end(site):
    job = await create(site)
    assert uuid.UUID(job["id"]).version == 7
    assert {key: job[key] for key in ORDER} == ORDER
    assert (job["status"], job["progress"], job["metrics"], job["error"]) == ("pending", 0.0, None, None)
    await bring(site)
    assert (await look(site, job))["status"] == "pending"

    assert (await start(site, job)).json() == {"status": "started"}
    waiting = await look(site, job)
    assert (waiting["status"], waiting["message"]) == ("running", "waits for its data to be imported, number 1 in line")
    await bring(site)
    assert (await look(site, job))["message"] == "the data have come; the training is being ordered"
    await site.context.services.relay.tick()
    assert (await look(site, job))["message"] == "waits to be trained, number 1 in line"
    handle = await training(site)
    assert (await look(site, job))["message"] == "the training is starting"

    told = site.event(2, "progress", epoch=2, epochs=4, step=20, steps=40, metrics={"loss": 0.5})
    await site.say(handle, site.event(1, "started", pid=7, host="here"), told)
    running = await look(site, job)
    assert (running["status"], running["progress"], running["message"]) == ("running", 0.5, "epoch 2 of 4")
    assert running["metrics"] == {"epoch": 1, "loss": 0.5}
    await site.succeed(handle, 3)
    done = await look(site, job)
    assert (done["status"], done["progress"], done["error"]) == ("completed", 1.0, None)
    assert done["checkpoint_s3_uri"] is None  # objects are files of this machine


@pytest.mark.parametrize(
    ("left", "named"),
    [
        ({"best.pt": "model", "best.onnx": "export", "last.pt": "checkpoint"}, "best.pt"),
        ({"model.onnx": "model", "model.safetensors": "model"}, "model.safetensors"),
        ({"checkpoint.ckpt": "checkpoint"}, "checkpoint.ckpt"),
        ({"curves.png": "picture"}, None),
    ],
)
async def test_in_a_bucket_the_best_weights_have_an_address(site, monkeypatch, left, named):
    job = await create(site)
    await start(site, job)
    handle = await training(site)
    await site.say(handle, site.event(1, "started", pid=7, host="here"))
    artifacts = [site.leave(handle, path, b"weights") | {"kind": kind} for path, kind in left.items()]
    await site.succeed(handle, 2, artifacts=artifacts)
    monkeypatch.setattr(FileObjectStore, "grant", lambda _, prefix: Grant(uri=f"s3://bucket/mine/{prefix}"))
    address = named and f"s3://bucket/mine/jobs/{handle.job_id}/a1/{named}"
    assert (await look(site, job))["checkpoint_s3_uri"] == address
    assert (await site.get(JOBS)).json()[0]["checkpoint_s3_uri"] == address


async def test_a_job_that_is_started_twice_is_begun_once(site):
    job = await create(site)
    first, second = await start(site, job), await start(site, job)
    assert first.json() == second.json() == {"status": "started"}
    await training(site)
    again = await start(site, job)
    assert (again.status_code, again.json()) == (200, {"status": "started"})
    assert len(site.imports.launches) == len(site.executor.launches) == 1


async def test_what_is_wrong_with_the_data_is_its_error(site):
    site.imports.brought.write_bytes(b"no zip")
    job = await create(site)
    await start(site, job)
    await bring(site)
    failed = await look(site, job)
    assert failed["status"] == "failed"
    assert "zip" in failed["error"]
    assert failed["progress"] == 0.0


async def test_what_goes_wrong_in_training_is_its_error(site):
    job = await create(site)
    await start(site, job)
    handle = await training(site)
    said = site.event(2, "failed", code="nan_loss", message="the loss is not a number", retryable=False)
    await site.say(handle, site.event(1, "started", pid=7, host="here"), said)
    failed = await look(site, job)
    assert (failed["status"], failed["error"]) == ("failed", "the loss is not a number")


@pytest.mark.parametrize("begun", [False, True])
async def test_what_has_not_begun_is_cancelled_at_once(site, begun):
    job = await create(site)
    if begun:
        await start(site, job)
    cancelled = (await site.http.delete(f"{JOBS}/{job['id']}")).json()
    assert (cancelled["status"], cancelled["id"]) == ("cancelled", job["id"])
    for answer in (await start(site, job), await site.http.delete(f"{JOBS}/{job['id']}")):
        assert answer.status_code == 409
    await bring(site)
    assert site.imports.launches == []


async def test_a_running_training_is_asked_to_stop(site):
    job = await create(site)
    await start(site, job)
    handle = await training(site)
    await site.say(handle, site.event(1, "started", pid=7, host="here"))
    asked = (await site.http.delete(f"{JOBS}/{job['id']}")).json()
    assert (asked["status"], asked["message"]) == ("running", "asked to stop")
    await site.say(handle, site.event(2, "cancelled", step=1))
    assert (await look(site, job))["status"] == "cancelled"


async def test_between_data_and_training_a_cancel_is_asked_for_again(site):
    job = await create(site)
    await start(site, job)
    await bring(site)
    answer = await site.http.delete(f"{JOBS}/{job['id']}")
    assert answer.status_code == 409
    assert "again" in answer.json()["detail"]


async def test_the_list_is_newest_first_in_pages_that_name_the_next(site):
    jobs = [(await create(site, user_id=f"user {number}"))["id"] for number in range(5)]
    await site.add_dataset()
    await site.order()  # not ordered here
    first = await site.get(f"{JOBS}?limit=2")
    assert [job["id"] for job in first.json()] == jobs[:2:-1]
    assert first.headers["link"] == f'<{JOBS}?limit=2&after={jobs[3]}>; rel="next"'
    second = await site.get(first.links["next"]["url"])
    last = await site.get(second.links["next"]["url"])
    assert [job["user_id"] for job in [*second.json(), *last.json()]] == ["user 2", "user 1", "user 0"]
    assert "link" not in last.headers


async def test_a_page_takes_no_more_statements_for_more_jobs(site, monkeypatch):
    asked: list[str] = []
    database = site.parts.database
    for store in (database.jobs, database.history):
        for name in ("get", "find", "placed", "made", "queue_position", "queue_positions", "artifacts", "transitions"):
            if verb := getattr(store, name, None):
                monkeypatch.setattr(store, name, counted(asked, name, verb))
    await create(site)
    asked.clear()
    await site.get(JOBS)
    one = sorted(asked)
    for _ in range(5):
        await create(site)
    asked.clear()
    assert len((await site.get(JOBS)).json()) == 6
    assert sorted(asked) == one == ["find", "made", "placed"]  # nobody waits: what is held is in no queue


def counted(asked: list[str], name: str, verb: Any) -> Any:
    async def told(*args: Any) -> Any:
        asked.append(name)
        return await verb(*args)

    return told


@pytest.mark.parametrize(
    "name", ["123", "9b2f0a34-5c1e-4f7a-8d3b-6a1c2e4f5071", "job_0", uuid_of("job_" + "f" * 23), "%2e%2e"]
)
async def test_what_is_no_job_of_this_door_is_not_there(site, name):
    for answer in (
        await site.get(f"{JOBS}/{name}"),
        await site.post(f"{JOBS}/{name}/start"),
        await site.http.delete(f"{JOBS}/{name}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_native_jobs_are_not_there_and_nobody_can_make_one_look_like_it(site):
    await site.add_dataset()
    native = await site.order()
    assert (await site.get(f"{JOBS}/{uuid_of(native.id)}")).status_code == 404
    order = {"dataset": "pets", "labels": {"callers_ordered_by": "vision_platform"}}
    assert (await site.post(f"{API}/jobs", json=order)).status_code == 422


async def test_the_native_id_names_it_too(site):
    job = await create(site)
    native = job_id_of(job["id"])
    assert (await site.get(f"{JOBS}/{native}")).json() == job
    told = (await site.get(f"{API}/jobs/{native}")).json()
    assert (told["state"], told["held"], told["queue_position"]) == (JobState.QUEUED, True, None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"framework": "toyy"}, "unknown framework 'toyy'. Did you mean 'toy'?"),
        ({"model_name": "medium"}, "toy has no model 'medium'. Did you mean 'median'?"),
        ({"config": {"epocs": 3}}, "epocs"),
        ({"config": {"model": "mean"}}, "leave one of them out"),
        ({"config": {"task": ["detection"]}}, "expected the name of a task"),
        ({"config": {"task": "detection"}}, "has no task 'detection'"),
        ({"dataset_s3_uri": "s3://"}, "s3://"),
        ({"dataset_s3_uri": "file:///etc/passwd"}, "file"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "a\x00b"}, "user_id"),
    ],
)
async def test_an_order_that_cannot_be_carried_out_is_refused_and_not_kept(site, fields, words):
    answer = await site.post(JOBS, json={**ORDER, **fields})
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
    assert (await site.get(JOBS)).json() == []


async def test_the_task_is_the_first_that_has_the_model_unless_one_is_named(site):
    (first,) = toy_manifest().tasks
    second = first.model_copy(update={"name": "detection", "models": (*first.models, ModelInfo(name="yolo11n"))})
    site.parts.catalog.manifests["toy"] = toy_manifest(tasks=(first, second))
    for model, config, task in (
        ("median", {}, None),  # which is the default one
        ("yolo11n", {"model": "yolo11n"}, "detection"),
        ("median", {"task": "detection"}, "detection"),
    ):
        job = await create(site, model_name=model, config={**config, "epochs": 4})
        native = (await site.get(f"{API}/jobs/{job_id_of(job['id'])}")).json()
        assert native["config"]["train"].get("task") == task
        assert job["config"] == {"epochs": 4}


async def test_a_cursor_that_is_no_job_is_refused(site):
    assert (await site.get(f"{JOBS}?after=garbage")).status_code == 422


async def test_nobody_comes_in_without_a_token(site):
    for method, path in (("GET", JOBS), ("POST", JOBS), ("GET", f"{JOBS}/1"), ("POST", f"{JOBS}/1/start")):
        answer = await site.http.request(method, path, headers=bearer("guessed"))
        assert answer.status_code == 401
