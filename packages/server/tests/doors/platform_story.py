"""One life of the Vision AI Training Platform's API, told request by request, with the bodies that its callers send."""

from typing import Any

import httpx
from harness.forms import form
from harness.site import API, Site, bearer, pets

from doors.story import Telling
from eyebright.ports.executor import Handle
from eyebright.testing import FakeCatalog, toy_manifest
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

JOBS, UPLOAD = "/training/jobs", "/datasets/upload"
LARGEST = 2**16  # bytes that this site takes
ORDER = {
    "user_id": "test",
    "model_name": "yolo11n",
    "framework": "ultralytics",
    "dataset_s3_uri": "s3://datasets/test/my-dataset/",
}


def catalog() -> FakeCatalog:
    """With the models that the callers' own examples name."""
    (task,) = toy_manifest().tasks
    renamed = {"name": "detection", "models": (ModelInfo(name="yolo11n"),), "default_model": "yolo11n"}
    detection: TaskInfo = task.model_copy(update=renamed)
    yolo: TrainerManifest = toy_manifest(name="ultralytics", tasks=(detection,))
    return FakeCatalog(toy_manifest(), yolo)


async def tell(site: Site) -> Telling:
    """As `story.tell`."""
    for chapter in (_orders, _uploads, _a_life, _ends, _callbacks):
        async for name, answer in chapter(site):
            yield name, answer


async def _orders(site: Site) -> Telling:
    yield "platform_list_jobs--none", await site.get(JOBS)
    yield "platform_create_job", await site.post(JOBS, json=ORDER)
    configured = {**ORDER, "config": {"model": "yolo11n", "epochs": 10}}
    yield "platform_create_job--configured", await site.post(JOBS, json=configured)
    yield "platform_create_job--unknown-model", await site.post(JOBS, json={**ORDER, "model_name": "yolo11m"})
    yield "platform_create_job--unknown-framework", await site.post(JOBS, json={**ORDER, "framework": "ultralitics"})
    yield "platform_create_job--unknown-setting", await site.post(JOBS, json={**ORDER, "config": {"epocs": 10}})
    yield "platform_create_job--no-address", await site.post(JOBS, json={**ORDER, "dataset_s3_uri": "my-dataset"})
    yield "platform_create_job--nothing", await site.post(JOBS, json={})
    yield "platform_create_job--no-token", await site.post(JOBS, json=ORDER, headers=bearer("guessed"))
    yield "platform_list_jobs", await site.get(f"{JOBS}?limit=1")
    yield "platform_list_jobs--garbage", await site.get(f"{JOBS}?after=garbage")


async def _uploads(site: Site) -> Telling:
    file, user, name = ("file", pets(), "sample.zip"), ("user_id", "test", None), ("dataset_name", "my-dataset", None)
    uploaded = await site.post(UPLOAD, **form(file, user, name))
    yield "platform_upload", uploaded
    yield "platform_upload--file-last", await site.post(UPLOAD, **form(user, name, file))
    query = {"user_id": "test", "dataset_name": "my-dataset"}
    yield "platform_upload--query", await site.post(UPLOAD, **form(file), params=query)
    climbing = ("file", pets(), "../../x.zip")
    yield "platform_upload--climbing-name", await site.post(UPLOAD, **form(climbing, user, name))
    yield "platform_upload--nul-in-name", await site.post(UPLOAD, **form(("file", pets(), "x\0.zip"), user, name))
    yield "platform_upload--no-file", await site.post(UPLOAD, **form(user, name))
    yield "platform_upload--no-names", await site.post(UPLOAD, **form(file))
    yield (
        "platform_upload--too-large",
        await site.post(UPLOAD, **form(("file", b"x" * LARGEST + b"x", "x"), user, name)),
    )
    order = {**TOY, "dataset_s3_uri": uploaded.json()["s3_uri"]}
    yield "platform_create_job--uploaded", await site.post(JOBS, json=order)
    other = order["dataset_s3_uri"].replace("uploads/upl_", "blobs/sha256/")
    yield "platform_create_job--no-upload", await site.post(JOBS, json={**order, "dataset_s3_uri": other})


async def _a_life(site: Site) -> Telling:
    path = f"{JOBS}/{(await site.post(JOBS, json=TOY)).json()['id']}"
    yield "platform_get_job", await site.get(path)
    yield "platform_get_job--unknown", await site.get(f"{JOBS}/00000000-0000-4000-8000-000000000000")
    yield "platform_start_job", await site.post(f"{path}/start")
    yield "platform_start_job--again", await site.post(f"{path}/start")
    yield "platform_start_job--unknown", await site.post(f"{JOBS}/123/start")
    yield "platform_get_job--waiting", await site.get(path)
    handle = await _training(site)
    told = site.event(2, "progress", epoch=1, epochs=2, step=10, steps=20, metrics={"loss": 1.2})
    await site.say(handle, site.event(1, "started", pid=7, host="here"), told)
    yield "platform_get_job--running", await site.get(path)
    await site.succeed(handle, 3)
    yield "platform_get_job--completed", await site.get(path)
    yield "platform_cancel_job--completed", await site.http.delete(path)


async def _ends(site: Site) -> Telling:
    path = f"{JOBS}/{(await site.post(JOBS, json=TOY)).json()['id']}"
    yield "platform_cancel_job", await site.http.delete(path)
    yield "platform_start_job--cancelled", await site.post(f"{path}/start")
    path = f"{JOBS}/{(await site.post(JOBS, json=TOY)).json()['id']}"
    await site.post(f"{path}/start")
    handle = await _training(site)
    await site.say(handle, site.event(1, "started", pid=7, host="here"))
    yield "platform_cancel_job--running", await site.http.delete(path)
    why = site.event(2, "failed", code="trainer_error", message="the third layer has no weights", retryable=False)
    path = f"{JOBS}/{(await site.post(JOBS, json=TOY)).json()['id']}"
    await site.post(f"{path}/start")
    handle = await _training(site)
    await site.say(handle, site.event(1, "started", pid=7, host="here"), why)
    yield "platform_get_job--failed", await site.get(path)


TOY = {**ORDER, "model_name": "mean", "framework": "toy", "config": {"epochs": 2}}


async def _callbacks(site: Site) -> Telling:
    """A training service of others reports, by the address that it was given, with the bodies that its kind sends."""
    answer = await site.post(JOBS, json=TOY)
    path = f"{JOBS}/{answer.json()['id']}"
    yield "platform_callback--not-started", await site.post(f"{path}/callback", json=SAID["running"])
    await site.post(f"{path}/start")
    handle = await _training(site)

    async def told(said: dict[str, Any], query: str = "", **headers: str) -> httpx.Response:
        """Without a token: such services know nothing but the address."""
        return await site.post(f"{path}/callback{query}", json=said, headers={"Authorization": "", **headers})

    key = site.job_token(handle)["Authorization"].removeprefix("Bearer ")
    address = f"?attempt=1&key={key}"
    yield "platform_callback--no-key", await told(SAID["epoch"])
    yield "platform_callback--wrong-key", await told(SAID["epoch"], f"?attempt=1&key={'x' * len(key)}")
    unknown = f"{JOBS}/00000000-0000-4000-8000-000000000000/callback"
    yield "platform_callback--unknown-job", await site.post(unknown, json=SAID["epoch"], headers={"Authorization": ""})
    keyed = f"{unknown}?attempt=1&key={'x' * len(key)}"
    yield "platform_callback--unknown-job-keyed", await site.post(keyed, json=SAID["epoch"])
    other = {**SAID["running"], "job_id": "00000000-0000-4000-8000-000000000000"}
    yield "platform_callback--another-job", await told(other, address)
    yield "platform_callback--no-status", await told({"progress": 0.5}, address)
    yield "platform_callback--starting", await told(SAID["starting"], address)
    yield "platform_callback", await told({"job_id": answer.json()["id"], **SAID["running"]}, address)
    yield "platform_callback--epoch", await told(SAID["epoch"], address)
    yield "platform_callback--repeated", await told(SAID["epoch"], address)
    yield "platform_get_job--told", await site.get(path)
    numbered = {"status": "running", "events": [site.event(5, "stage", stage="evaluating")], "heartbeat": BEAT}
    yield "platform_callback--numbered", await told(numbered, address)
    yield "platform_callback--gap", await told({**numbered, "events": [site.event(9, "stage", stage="x")]}, address)
    site.executor.exit(handle, -9)
    for _ in range(3):
        await site.context.services.sweep.tick()
        await site.context.services.sweep.settle()
        site.clock.advance(9)
    await site.context.services.dispatch.tick()
    yield "platform_callback--old-attempt", await told(SAID["completed"], address)
    later = Handle(handle.job_id, 2)
    address = f"?attempt=2&key={site.job_token(later)['Authorization'].removeprefix('Bearer ')}"
    yield "platform_callback--completed", await told(SAID["completed"], address)
    yield "platform_callback--overtaken", await told(SAID["running"], address)
    yield "platform_callback--another-last-word", await told(SAID["failed"], address)
    await site.import_all()
    yield "platform_get_job--result-refused", await site.get(path)
    path = f"{JOBS}/{(await site.post(JOBS, json=TOY)).json()['id']}"
    await site.post(f"{path}/start")
    key = site.job_token(await _training(site))["Authorization"].removeprefix("Bearer ")
    yield "platform_callback--failed", await told(SAID["failed"], f"?attempt=1&key={key}")
    yield "platform_get_job--told-failed", await site.get(path)


#: As they are sent, the first one with its job besides.
SAID: dict[str, dict[str, Any]] = {
    "running": {"status": "running", "progress": 0.5, "message": "Training in progress..."},
    "starting": {"status": "running", "progress": 0.0, "message": "Starting training..."},
    "epoch": {"status": "running", "progress": 0.1, "metrics": {"epoch": 0, "loss": 1.2, "map": 0.1}},
    "completed": {"status": "completed", "progress": 1.0, "checkpoint_s3_uri": "s3://vision-platform/jobs/7/best.pt"},
    "failed": {"status": "failed", "error": "CUDA out of memory"},
}
BEAT = {"at_ms": 1, "moved_at_ms": 1}


async def _training(site: Site) -> Handle:
    """The data come, the training is ordered and launched."""
    for _ in range(5):
        await site.import_all()
    await site.context.services.relay.tick()
    await site.context.services.dispatch.tick()
    return Handle((await site.get(f"{API}/jobs?kind=training&limit=1")).json()["items"][0]["id"], 1)
