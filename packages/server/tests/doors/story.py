"""One life of the native API, told request by request: what the golden files were recorded from."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
from harness.site import API, Site, bearer, bmp, pets, with_text

from eyebright_wire.runs import Handle

Telling = AsyncIterator[tuple[str, httpx.Response]]


async def tell(site: Site) -> Telling:
    """(name, answer) of every exchange. The part of a name before `--` is the operation id in the OpenAPI document."""
    for chapter in (
        _server,
        _recipes,
        _datasets,
        _orders,
        _a_run,
        _its_outcome,
        _its_model,
        _ends,
        _broken_files,
        _uploads,
        _project_training,
        _versions,
        _a_rehearsal,
        _a_queue,
        _webhooks,
        _teams,
        _projects,
        _deletions,
    ):
        async for name, answer in chapter(site):
            yield name, answer


async def _server(site: Site) -> Telling:
    yield "get_health", await site.get("/health")
    yield "get_ready", await site.get("/ready")
    yield "get_server_metrics", await site.get("/metrics")
    yield "get_storage", await site.get(f"{API}/storage")
    yield "list_jobs--no-token", await site.get(f"{API}/jobs", headers={"Authorization": ""})
    yield "list_jobs--wrong-token", await site.get(f"{API}/jobs", headers=bearer("guessed"))
    yield "list_jobs--wrong-host", await site.get(f"{API}/jobs", headers={"Host": "evil.example"})
    yield "list_jobs--wrong-method", await site.http.delete(f"{API}/jobs")
    yield "nothing", await site.get("/api/v9/jobs")


async def _recipes(site: Site) -> Telling:
    yield "list_trainers", await site.get(f"{API}/trainers")
    yield "list_recipes", await site.get(f"{API}/recipes")
    yield "get_recipe", await site.get(f"{API}/recipes/toy/classification")
    yield "get_recipe--unknown-task", await site.get(f"{API}/recipes/toy/clasification")
    yield "get_recipe--unknown-trainer", await site.get(f"{API}/recipes/troy/classification")
    resolve = f"{API}/recipes/toy/classification:resolve"
    yield "resolve_recipe", await site.post(resolve, json={"config": {"epochs": 3, "seed": 0}})
    yield "resolve_recipe--misfits", await site.post(resolve, json={"config": {"epoch": 3, "lr0": -1}})
    yield "resolve_recipe--unknown-model", await site.post(resolve, json={"model": "softmux"})


async def _datasets(site: Site) -> Telling:
    upload = await site.post(f"{API}/datasets?name=pets", content=pets(), headers={"Content-Type": "application/zip"})
    yield "upload_dataset", upload
    form = {"file": ("More pets (2).zip", pets(5), "application/zip")}
    yield "upload_dataset--form", await site.post(f"{API}/datasets", files=form)
    yield "upload_dataset--no-zip", await site.post(f"{API}/datasets", content=b"I am a text")
    yield "upload_dataset--bad-name", await site.post(f"{API}/datasets?name=../up", content=pets())
    yield "upload_dataset--form-without-file", await site.post(f"{API}/datasets", files={"file": (None, b"text")})
    archive = site.folder / "on-the-server.zip"
    archive.write_bytes(pets(7))
    order = {"path": str(archive), "name": "zoo"}
    yield "import_dataset", await site.post(f"{API}/datasets:import", json=order)
    yield "import_dataset--missing", await site.post(f"{API}/datasets:import", json={"path": "/nowhere/at/all"})
    yield "import_dataset--two-sources", await site.post(f"{API}/datasets:import", json={**order, "url": "https://x/y"})
    listed = [{"url": f"https://pictures.example/{number}.jpg?signature=secret", "caption": "a cat"} for number in "12"]
    denied = [*listed, {"url": "http://pictures.example/3.jpg?signature=secret"}, {"url": "s3://pictures/"}]
    yield "import_dataset--images-denied", await site.post(f"{API}/datasets:import", json={"images": denied})
    yield "import_dataset--no-upload", await site.post(f"{API}/datasets:import", json={"upload": "upl_1"})
    yield "inspect_dataset", await site.post(f"{API}/datasets:inspect", json={"path": str(archive)})
    asynchronous = await site.post(f"{API}/datasets:import", json=order, headers={"Prefer": "wait=1, respond-async"})
    yield "import_dataset--async", asynchronous
    while (job := await site.get(asynchronous.headers["Location"])).json()["state"] != "succeeded":
        await site.import_all()
    yield "get_job--import", job
    yield "list_jobs--imports", await site.get(f"{API}/jobs?kind=import&limit=1")
    yield "list_datasets", await site.get(f"{API}/datasets?limit=1")
    yield "list_datasets--next", await site.get(f"{API}/datasets?limit=5&after={'More-pets-2'}")
    yield "get_dataset", await site.get(f"{API}/datasets/pets")
    version = upload.json()["id"]
    pictures = f"{API}/dataset-versions/{version}/pictures"
    yield "list_pictures", await site.get(f"{pictures}?limit=1&split=val")
    yield "list_pictures--unknown-class", await site.get(f"{pictures}?class_name=cart")
    yield "get_thumbnail", await site.get(f"{pictures}/0/thumbnail?side=32&labels=false")
    yield "get_thumbnail--beyond-the-last", await site.get(f"{pictures}/1000/thumbnail")
    yield "get_sheet", await site.get(f"{API}/dataset-versions/{version}/sheet?limit=2")
    yield "get_changes", await site.get(f"{API}/dataset-versions/{version}/changes")
    yield "get_changes--unknown", await site.get(f"{API}/dataset-versions/dsv_0/changes")
    yield "get_dataset--unknown", await site.get(f"{API}/datasets/petz")
    yield "get_dataset_version", await site.get(f"{API}/dataset-versions/{upload.json()['id']}")
    yield "get_dataset_version--unknown", await site.get(f"{API}/dataset-versions/dsv_0")


_TYPO = {"config": {"epocs": 2}}
_WRONG = {"dataset": "petz", "model": "maen", "executor": "locale", "config": {"epocs": 2, "lr0": -1}}


async def _orders(site: Site) -> Telling:
    order = {"dataset": "pets", "name": "first", "config": {"epochs": 2}, "labels": {"team": "blue"}}
    key = {"Idempotency-Key": "order-1"}
    plan = {"config": {"epochs": 2}}
    yield "preflight_job", await site.post(f"{API}/jobs:preflight", json=plan)
    yield "preflight_job--with-data", await site.post(f"{API}/jobs:preflight", json=order)
    yield "preflight_job--unknown-dataset", await site.post(f"{API}/jobs:preflight", json={"dataset": "petz"})
    yield "preflight_job--unknown-task", await site.post(f"{API}/jobs:preflight", json={"task": "classificaton"})
    yield "preflight_job--everything-wrong", await site.post(f"{API}/jobs:preflight", json=_WRONG)
    yield "submit_job", await site.post(f"{API}/jobs", json=order, headers=key)
    yield "submit_job--again", await site.post(f"{API}/jobs", json=order, headers=key)
    yield "submit_job--key-reused", await site.post(f"{API}/jobs", json={**order, "name": "second"}, headers=key)
    for name, fields in {
        "unknown-setting": {"config": {"epocs": 2}},
        "impossible-setting": {"config": {"epochs": -1}},
        "unknown-model": {"model": "maen"},
        "unknown-dataset": {"dataset": "petz"},
        "unknown-field": {"epochs": 2},
        "unknown-executor": {"executor": "locale"},
    }.items():
        yield f"submit_job--{name}", await site.post(f"{API}/jobs", json={"dataset": "pets", **fields})
    yield (
        "submit_job--no-json",
        await site.post(f"{API}/jobs", content=b"{", headers={"Content-Type": "application/json"}),
    )
    await site.order(priority=5)
    query = "state=queued&state=running&trainer=toy&label=team:blue"
    yield "list_jobs", await site.get(f"{API}/jobs?{query}")
    yield "list_jobs--page", await site.get(f"{API}/jobs?limit=1")
    yield "list_jobs--bad-query", await site.get(f"{API}/jobs?state=tired&label=blue&limit=0")


async def _a_run(site: Site) -> Telling:
    await site.context.services.dispatch.tick()
    handle = (await _first(site))["handle"]
    base = f"{API}/jobs/{handle.job_id}/attempts/1/events"
    token = site.job_token(handle)
    started = site.event(1, "started", pid=7, host="here")
    progress = site.event(2, "progress", epoch=1, epochs=2, step=10, epoch_finished=True, metrics={"loss": 0.5})
    yield "post_events", await site.say(handle, started, progress)
    yield "post_events--again", await site.say(handle, progress)
    yield "post_events--conflict", await site.say(handle, {**progress, "kind": "stage", "data": {"stage": "training"}})
    yield "post_events--gap", await site.say(handle, site.event(9, "stage", stage="training"))
    yield "post_events--malformed", await site.say(handle, site.event(3, "progress", epochs="many"))
    yield "post_events--no-batch", await site.post(base, json={"events": []}, headers=token)
    yield "post_events--wrong-token", await site.say(handle, progress, token=bearer("guessed"))
    beat = {"at_ms": site.clock.now_ms(), "moved_at_ms": site.clock.now_ms(), "step": 10}
    yield "post_heartbeat", await site.post(f"{base}/heartbeat", json=beat, headers=token)
    yield "post_heartbeat--malformed", await site.post(f"{base}/heartbeat", json={}, headers=token)
    urls, output = base.removesuffix("events") + "urls", site.executor.launches[-1].output.uri
    wanted = {"method": "PUT", "path": "model.onnx", "size_bytes": 7, "sha256": "a" * 64}
    for name, asked in {
        "files": {"uri": output, "wanted": [wanted]},
        "other-place": {"uri": "s3://elsewhere/", "wanted": [wanted]},
        "no-content": {"uri": output, "wanted": [{"method": "PUT", "path": "model.onnx"}]},
        "leads-out": {"uri": output, "wanted": [{**wanted, "path": "../a2/model.onnx"}]},
    }.items():
        yield f"sign_urls--{name}", await site.post(urls, json=asked, headers=token)
    asked = {"uri": output, "wanted": [wanted]}
    yield "sign_urls--wrong-token", await site.post(urls, json=asked, headers=bearer("guessed"))
    site.executor.outputs[handle] = "epoch 1 of 2: loss 0.5 ✓\n".encode()
    path = f"{API}/jobs/{handle.job_id}"
    yield "get_job", await site.get(path)
    yield "get_logs", await site.get(f"{path}/logs")
    yield "get_logs--rest", await site.get(f"{path}/logs?offset=8&attempt=1")
    yield "get_logs--unknown-attempt", await site.get(f"{path}/logs?attempt=3")


async def _its_outcome(site: Site) -> Telling:
    handle = (await _first(site))["handle"]
    manifest = site.leave(handle, "checkpoints/1/manifest.json", b"{}") | {"kind": "checkpoint"}
    await site.say(handle, site.event(3, "checkpoint", manifest=manifest, epoch=1, step=10, best=True))
    await site.succeed(handle, 4)
    path = f"{API}/jobs/{handle.job_id}"
    yield "get_job--succeeded", await site.get(path)
    yield "list_events", await site.get(f"{path}/events?limit=2")
    yield "list_events--next", await site.get(f"{path}/events?after=2")
    yield "list_events--stream", await site.get(f"{path}/events", headers={"Accept": "text/event-stream"})
    yield "get_metrics", await site.get(f"{path}/metrics")
    yield "list_checkpoints", await site.get(f"{path}/checkpoints")
    yield "list_artifacts", await site.get(f"{path}/artifacts")
    yield "get_artifact", await site.get(f"{path}/artifacts/curves.png")
    yield "get_artifact--part", await site.get(f"{path}/artifacts/model.onnx", headers={"Range": "bytes=2-4"})
    yield "get_artifact--unknown", await site.get(f"{path}/artifacts/model.pt")
    urls = f"{path}/attempts/1/urls"
    asked = {"uri": "s3://elsewhere/", "wanted": [{"method": "GET", "path": "model.onnx"}]}
    yield "sign_urls--fenced", await site.post(urls, json=asked, headers=site.job_token(handle))
    yield "post_events--fenced", await site.say(handle, site.event(5, "stage", stage="training"))


async def _its_model(site: Site) -> Telling:
    models = await site.get(f"{API}/models")
    yield "list_models", models
    path = f"{API}/models/{models.json()['items'][0]['id']}"
    yield "get_model", await site.get(path)
    yield "get_model--unknown", await site.get(f"{API}/models/mdl_0")
    yield "get_model_file", await site.get(f"{path}/files/model.onnx")
    yield "get_model_file--unknown", await site.get(f"{path}/files/model.pt")
    yield "predict", await site.post(f"{path}:predict", content=bmp(1), headers={"Content-Type": "image/bmp"})
    yield "predict--form", await site.post(f"{path}:predict", files={"image": ("cat.bmp", bmp(1), "image/bmp")})
    yield "predict--empty", await site.post(f"{path}:predict", content=b"")
    yield "predict--unknown", await site.post(f"{API}/models/mdl_0:predict", content=bmp(1))


async def _ends(site: Site) -> Telling:
    first = (await _first(site))["id"]
    again = await site.post(f"{API}/jobs/{first}:retry")
    yield "retry_job", again
    other = {"config": {"epochs": 9, "exports": []}}
    yield "retry_job--other-settings", await site.post(f"{API}/jobs/{first}:retry", json=other)
    path = f"{API}/jobs/{again.json()['id']}"
    yield "retry_job--unfinished", await site.post(f"{path}:retry")
    yield "cancel_job", await site.post(f"{path}:cancel")
    yield "cancel_job--finished", await site.post(f"{path}:cancel")
    yield "cancel_job--unknown", await site.post(f"{API}/jobs/job_0:cancel")
    yield "get_job--unknown", await site.get(f"{API}/jobs/job_0")


async def _broken_files(site: Site) -> Telling:
    archive = site.folder / "torn.zip"
    content = with_text(pets(3), "cat/notes.jpg")
    archive.write_bytes(content)
    upload = f"{API}/datasets?name=torn"
    yield "upload_dataset--broken-file", await site.post(upload, content=content)
    yield "upload_dataset--broken-file-left-out", await site.post(f"{upload}&leave_out_broken=true", content=content)
    order = {"path": str(archive), "name": "torn-too"}
    yield "import_dataset--broken-file", await site.post(f"{API}/datasets:import", json=order)
    lenient = {**order, "leave_out_broken": True}
    yield "import_dataset--broken-file-left-out", await site.post(f"{API}/datasets:import", json=lenient)


async def _uploads(site: Site) -> Telling:
    uploads, tus = f"{API}/uploads", {"Tus-Resumable": "1.0.0"}
    piece = {**tus, "Content-Type": "application/offset+octet-stream"}
    announced = {**tus, "Upload-Length": "10", "Upload-Metadata": "filename cGV0cy56aXA="}
    yield "describe_uploads", await site.http.options(uploads)
    begun = await site.post(uploads, headers=announced)
    yield "create_upload", begun
    yield "create_upload--with-a-piece", await site.post(uploads, content=b"01", headers={**announced, **piece})
    yield "create_upload--no-length", await site.post(uploads, headers=tus)
    yield "create_upload--too-large", await site.post(uploads, headers={**tus, "Upload-Length": str(2**60)})
    yield "create_upload--no-tus", await site.post(uploads, headers={"Upload-Length": "1"})
    where, unknown = begun.headers["location"], f"{uploads}/upl_0"
    yield "continue_upload", await site.http.patch(where, content=b"0123", headers={**piece, "Upload-Offset": "0"})
    yield "continue_upload--gap", await site.http.patch(where, content=b"9", headers={**piece, "Upload-Offset": "9"})
    yield (
        "continue_upload--long",
        await site.http.patch(where, content=b"456789x", headers={**piece, "Upload-Offset": "4"}),
    )
    yield "continue_upload--type", await site.http.patch(where, content=b"4", headers={**tus, "Upload-Offset": "4"})
    yield "show_upload", await site.http.head(where, headers=tus)
    yield "show_upload--unknown", await site.http.head(unknown, headers=tus)
    yield "abandon_upload", await site.http.delete(where, headers=tus)
    yield "abandon_upload--unknown", await site.http.delete(unknown, headers=tus)


async def _project_training(site: Site) -> Telling:
    base, path = f"{API}/training", "projects/Pets/releases/v1.zip"
    named, zipped = {"project_id": 7, "training_name": "nightly"}, {"zip_path": path}
    release = site.folder / path
    release.parent.mkdir(parents=True)
    release.write_bytes(pets())
    yield "project_check_extracted", await site.get(f"{base}/check-extracted", params=zipped)
    yield "project_extract_release", await site.post(f"{base}/extract-release", json=zipped)
    escaping = {"zip_path": "projects/../releases/v1.zip"}
    yield "project_extract_release--escaping", await site.post(f"{base}/extract-release", json=escaping)
    recipe = {"framework": "toy", "task": "classification"}
    yield "project_default_config", await site.get(f"{base}/config/default", params=recipe)
    patch = {"base_config": "toy/classification", "overrides": {"epochs": 4}}
    yield "project_resolve_config", await site.post(f"{base}/config/resolve", json=patch)
    order = {**named, **recipe, "dataset_path": "projects/Pets/training_data/v1/", "config": {"epochs": 4}}
    yield "project_start--unknown-setting", await site.post(f"{base}/start", json={**order, "config": {"epocs": 4}})
    yield "project_start", await site.post(f"{base}/start", json=order)
    yield "project_start--taken", await site.post(f"{base}/start", json=order)
    handle = await _project_run(site)
    yield "project_status", await site.get(f"{base}/status", params=named)
    yield "project_status--unknown", await site.get(f"{base}/status", params={**named, "project_id": 8})
    yield "project_logs", await site.get(f"{base}/logs", params=named)
    yield "project_checkpoints", await site.get(f"{base}/checkpoints", params=named)
    yield "project_export_best--too-early", await site.post(f"{base}/export-best", json=named)
    await site.succeed(handle, 4)
    yield "project_status--completed", await site.get(f"{base}/status", params=named)
    yield "project_export_best", await site.post(f"{base}/export-best", json=named)
    yield "project_models", await site.get(f"{base}/models", params={"project_id": 7})
    yield "project_stop--completed", await site.post(f"{base}/stop", json=named)
    await site.post(f"{base}/start", json={**order, "training_name": "weekly"})
    yield "project_stop", await site.post(f"{base}/stop", json={**named, "training_name": "weekly"})
    yield "project_delete_release", await site.http.delete(f"{base}/release", params=zipped)


async def _project_run(site: Site) -> Handle:
    """The data come, the training is ordered and launched, and says a little."""
    for _ in range(5):
        await site.import_all()
    await site.context.services.relay.tick()
    await site.context.services.dispatch.tick()
    jobs = (await site.get(f"{API}/jobs?label=training_name:nightly&kind=training")).json()["items"]
    handle = Handle(jobs[0]["id"], 1)
    progress = site.event(2, "progress", epoch=1, epochs=4, step=10, steps=40, metrics={"loss": 0.5})
    manifest = site.leave(handle, "checkpoints/1/manifest.json", b"{}") | {"kind": "checkpoint"}
    saved = site.event(3, "checkpoint", manifest=manifest, epoch=1, step=10, best=True)
    await site.say(handle, site.event(1, "started", pid=7, host="here"), progress, saved)
    site.executor.outputs[handle] = b"epoch 1 of 4: loss 0.5\n"
    return handle


async def _versions(site: Site) -> Telling:
    handle = await site.launch(name="first", config={"epochs": 3})
    await site.say(handle, site.event(1, "started", pid=8, host="here"))
    await site.succeed(handle, metrics={"top1": 0.95}, classes=["cat", "dog", "owl"])
    models = f"{API}/models"
    yield "list_models--of-a-name", await site.get(f"{models}?name=first&limit=1")
    yield "list_models--of-no-name", await site.get(f"{models}?name=last")
    yield "set_model_alias", await site.http.put(f"{models}/first@1/aliases/production")
    yield "set_model_alias--moved", await site.http.put(f"{models}/first/aliases/production")
    yield "set_model_alias--no-alias", await site.http.put(f"{models}/first/aliases/Production")
    yield "set_model_alias--unknown", await site.http.put(f"{models}/last/aliases/production")
    yield "get_model--by-alias", await site.get(f"{models}/first@production")
    yield "get_model--nearest", await site.get(f"{models}/first@prodction")
    yield "compare_models", await site.get(f"{models}:compare?left=first@1&right=first@production")
    yield "compare_models--unknown", await site.get(f"{models}:compare?left=first&right=fist")
    yield "delete_model--in-use", await site.http.delete(f"{models}/first@2")
    yield "remove_model_alias--not-its", await site.http.delete(f"{models}/first@1/aliases/production")
    yield "remove_model_alias", await site.http.delete(f"{models}/first@2/aliases/production")
    yield "delete_model", await site.http.delete(f"{models}/first@2")
    yield "get_model--deleted", await site.get(f"{models}/first@2")
    yield "list_artifacts--deleted", await site.get(f"{API}/jobs/{handle.job_id}/artifacts")
    yield "get_artifact--deleted", await site.get(f"{API}/jobs/{handle.job_id}/artifacts/model.onnx")
    yield "export_model", await site.post(f"{models}/first@1:export", json={"format": "csv"})
    yield "export_model--no-such-form", await site.post(f"{models}/first@1:export", json={"format": "coreml"})
    yield "export_model--unknown", await site.post(f"{models}/fist:export", json={"format": "csv"})


async def _a_rehearsal(site: Site) -> Telling:
    order, key = {"dataset": "pets", "config": {"epochs": 2}}, {"Idempotency-Key": "try-1"}
    yield "rehearse_job", await site.post(f"{API}/jobs:rehearse", json=order, headers=key)
    yield "rehearse_job--again", await site.post(f"{API}/jobs:rehearse", json=order, headers=key)
    yield "rehearse_job--unknown-setting", await site.post(f"{API}/jobs:rehearse", json={"dataset": "pets", **_TYPO})


async def _first(site: Site) -> dict[str, Any]:
    """The job called `first` and the handle of its attempt."""
    jobs = (await site.get(f"{API}/jobs?label=team:blue")).json()["items"]
    job = next(job for job in jobs if job["rerun_of"] is None)
    return {"id": job["id"], "handle": next(h for h in site.executor.runs if h.job_id == job["id"])}


async def _a_queue(site: Site) -> Telling:
    messages, parked = f"{API}/queue/messages", f"{API}/queue/parked"
    data = {"style_id": 7, "dataset": "pets", "task": "classification", "parameters": {"epochs": 2}}
    order = {"task_id": "task-1", "type": "model_training", "data": data}
    yield "take_message", await site.post(messages, json=order)
    yield "take_message--again", await site.post(messages, json=order)
    yield "take_message--key-reused", await site.post(messages, json={**order, "data": {**data, "dataset": "zoo"}})
    wrong = {**order, "task_id": "task-2", "data": {**data, "parameters": {"epocs": 2}}}
    yield "take_message--refused", await site.post(messages, json=wrong)
    unreadable = await site.post(messages, content=b'{"task_id": ')
    yield "take_message--no-json", unreadable
    yield "take_message--too-large", await site.post(f"{messages}?size_bytes=52428800", content=b'{"task_id": ')
    yield "list_parked", await site.get(f"{parked}?limit=2")
    path = f"{parked}/{unreadable.json()['parked_id']}"
    yield "get_parked", await site.get(path)
    yield "get_parked--unknown", await site.get(f"{parked}/msg_0")
    yield "replay_parked", await site.post(f"{path}:replay")
    too_large = next(each["id"] for each in (await site.get(parked)).json()["items"] if not each["complete"])
    yield "replay_parked--incomplete", await site.post(f"{parked}/{too_large}:replay")
    yield "discard_parked", await site.http.delete(path)
    yield "discard_parked--unknown", await site.http.delete(path)


async def _projects(site: Site) -> Telling:
    projects = f"{API}/projects"
    yield "create_project--among-others", await site.post(projects, json={"id": "birds"})
    yield "create_project--no-name", await site.post(projects, json={"id": "My birds"})
    yield "list_projects", await site.get(projects)
    quota = f"{projects}/default/quota"
    yield "set_quota", await site.http.put(quota, json={"running_jobs": 4, "storage_bytes": 1})
    yield "get_quota", await site.get(quota)
    yield "set_quota--unknown", await site.http.put(f"{projects}/nowhere/quota", json={"running_jobs": 4})
    yield "submit_job--quota", await site.post(f"{API}/jobs", json={"dataset": "pets"})
    await site.http.put(quota, json={"running_jobs": None, "storage_bytes": None})


async def _webhooks(site: Site) -> Telling:
    hooks = f"{API}/webhooks"
    order = {
        "url": "https://hooks.example/eyebright",
        "events": ["job.*", "model.registered"],
        "labels": {"team": "blue"},
    }
    made = await site.post(hooks, json=order)
    yield "create_webhook", made
    yield "create_webhook--private", await site.post(hooks, json={"url": "https://2130706433/"})
    yield "create_webhook--port", await site.post(hooks, json={"url": "https://hooks.example:22/"})
    yield "create_webhook--no-such-event", await site.post(hooks, json={**order, "events": ["job.finished"]})
    yield "create_webhook--no-such-dialect", await site.post(hooks, json={**order, "dialect": "standart"})
    path = f"{hooks}/{made.json()['id']}"
    yield "list_webhooks", await site.get(hooks)
    yield "get_webhook", await site.get(path)
    yield "get_webhook--unknown", await site.get(f"{hooks}/whe_0")
    yield "update_webhook", await site.http.patch(path, json={"events": ["job.created"], "labels": {}})
    yield "rotate_webhook", await site.post(f"{path}:rotate")
    yield "test_webhook", await site.post(f"{path}:test")
    await site.order(name="told")
    services = site.context.services
    await services.relay.tick()
    await services.deliverer.tick()
    await services.deliverer.settle()
    deliveries = await site.get(f"{path}/deliveries?event=job.created&limit=1")
    yield "list_deliveries", deliveries
    yield "list_deliveries--bad-page", await site.get(f"{path}/deliveries?after=job_1")
    delivery = deliveries.json()["items"][0]["id"]
    yield "replay_delivery", await site.post(f"{path}/deliveries/{delivery}:replay")
    yield "replay_delivery--unknown", await site.post(f"{path}/deliveries/msg_0:replay")
    yield "update_webhook--disabled", await site.http.patch(path, json={"enabled": False})
    yield "replay_deliveries--disabled", await site.post(f"{path}:replay", json={})
    await site.http.patch(path, json={"enabled": True})
    yield "replay_deliveries", await site.post(f"{path}:replay", json={"since_ms": 0})
    yield "delete_webhook", await site.http.delete(path)
    yield "delete_webhook--unknown", await site.http.delete(path)


async def _teams(site: Site) -> Telling:
    user = await site.post(f"{API}/users", json={"name": "Ada"})
    yield "create_user", user
    ada = user.json()["id"]
    yield "list_users", await site.get(f"{API}/users")
    members = f"{API}/projects/default/members"
    yield "set_member", await site.http.put(f"{members}/{ada}", json={"role": "member"})
    yield "set_member--unknown", await site.http.put(f"{members}/usr_0", json={"role": "member"})
    yield "list_members", await site.get(members)
    yield "list_members--elsewhere", await site.get(f"{API}/projects/elsewhere/members")
    order = {"name": "notebook", "roles": {"default": "member"}, "user_id": ada}
    made = await site.post(f"{API}/tokens", json=order)
    yield "create_token", made
    yield (
        "create_token--more-than-its-user",
        await site.post(f"{API}/tokens", json={**order, "roles": {"default": "admin"}}),
    )
    yield "create_token--past", await site.post(f"{API}/tokens", json={**order, "expires_at_ms": 1})
    yield "list_tokens", await site.get(f"{API}/tokens")
    theirs = bearer(made.json()["token"])
    yield (
        "get_model--elsewhere",
        await site.get(f"{API}/models/m", headers={**theirs, "Eyebright-Project": "elsewhere"}),
    )
    yield "delete_dataset--member", await site.http.delete(f"{API}/datasets/pets", headers=theirs)
    yield "delete_model--member", await site.http.delete(f"{API}/models/m", headers=theirs)
    yield "list_users--member", await site.get(f"{API}/users", headers=theirs)
    yield "get_me", await site.get(f"{API}/me", headers=theirs)
    yield "get_me--operator", await site.get(f"{API}/me")
    priority = await site.post(f"{API}/jobs", json={"dataset": "pets", "priority": 1}, headers=theirs)
    yield "submit_job--before-others", priority
    yield (
        "import_dataset--servers-file",
        await site.post(f"{API}/datasets:import", json={"path": "/data"}, headers=theirs),
    )
    bucket = {"url": "s3://bucket/set.zip"}
    yield "import_dataset--servers-bucket", await site.post(f"{API}/datasets:import", json=bucket, headers=theirs)
    token = f"{API}/tokens/{made.json()['id']}"
    site.clock.advance(1)
    yield "revoke_token", await site.post(f"{token}:revoke")
    yield "revoke_token--unknown", await site.post(f"{API}/tokens/tok_0:revoke")
    yield "list_jobs--revoked", await site.get(f"{API}/jobs", headers=theirs)
    yield "remove_member", await site.http.delete(f"{members}/{ada}")
    yield "remove_user", await site.http.delete(f"{API}/users/{ada}")
    site.clock.advance(1)
    await site.post(f"{API}/users", json={})
    yield "list_audit", await site.get(f"{API}/audit?limit=1")


async def _deletions(site: Site) -> Telling:
    datasets = f"{API}/datasets"
    version = (await site.post(f"{datasets}?name=rivers", content=pets(11))).json()["id"]
    order = (await site.post(f"{API}/jobs", json={"dataset": "rivers"})).json()
    yield "delete_dataset--in-use", await site.http.delete(f"{datasets}/rivers")
    await site.post(f"{API}/jobs/{order['id']}:cancel")
    yield "delete_dataset_version", await site.http.delete(f"{datasets}/rivers/versions/1")
    yield "delete_dataset_version--again", await site.http.delete(f"{datasets}/rivers/versions/1")
    yield "delete_dataset_version--no-number", await site.http.delete(f"{datasets}/rivers/versions/newest")
    yield "get_dataset_version--deleted", await site.get(f"{API}/dataset-versions/{version}")
    yield "list_pictures--deleted", await site.get(f"{API}/dataset-versions/{version}/pictures")
    yield "submit_job--deleted-data", await site.post(f"{API}/jobs", json={"dataset": version})
    yield "import_dataset--deleted-data", await site.post(f"{datasets}:import", json={"version": version})
    await site.post(f"{datasets}?name=rivers", content=pets(11))
    yield "delete_dataset", await site.http.delete(f"{datasets}/rivers")
    yield "delete_dataset--unknown", await site.http.delete(f"{datasets}/rivers")
