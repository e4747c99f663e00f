"""Project Training over fakes: its paths, words and refusals. What a real training leaves is in tests/e2e."""

import asyncio
import json
import shutil
import time
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from harness.live import pets
from harness.site import Site
from harness.site import site as make_site
from structlog.testing import capture_logs

from eyebright.doors.compat.project_training import trainings
from eyebright.errors import NotFound
from eyebright.services import releases
from eyebright_wire.jobs import JobRequest
from eyebright_wire.runs import Handle

URL = "/api/v1/training"
RELEASE = "projects/Pets/releases/Spring 2026.zip"
DATA = "projects/Pets/training_data/spring-2026"
NAMED = {"project_id": 7, "training_name": "first try"}
START = {**NAMED, "framework": "toy", "task": "classification", "dataset_path": f"{DATA}/"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with make_site(tmp_path / "data") as site:
        release(site.folder, pets(tmp_path / "pets"))
        yield site


def release(root: Path, folder: Path, path: str = RELEASE, **more: str) -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
        for name, content in more.items():
            archive.writestr(name.replace("__", "."), content)
    return target


async def extract(site: Site, path: str = RELEASE) -> httpx.Response:
    return await site.post(f"{URL}/extract-release", json={"zip_path": path})


async def start(site: Site, **fields: Any) -> httpx.Response:
    return await site.post(f"{URL}/start", json={**START, **fields})


async def status(site: Site) -> dict[str, Any]:
    return (await site.get(f"{URL}/status", params=NAMED)).json()


async def train(site: Site) -> Handle:
    """From the order to a trainer that is at work."""
    await extract(site)
    assert (await start(site)).status_code == 202
    return await go_on(site)


async def go_on(site: Site) -> Handle:
    """The data come, the training is ordered and launched, and its trainer says so."""
    for _ in range(5):
        await site.import_all()
    await site.context.services.relay.tick()
    await site.context.services.dispatch.tick()
    handle = Handle((await status(site))["job_id"], 1)
    await site.say(handle, site.event(1, "started", pid=1, host="here", versions={"toy": "1.0"}))
    return handle


async def test_a_release_is_unpacked_once_and_looked_at(site: Site) -> None:
    before = await site.get(f"{URL}/check-extracted", params={"zip_path": RELEASE})
    assert before.json() == {"zip_path": RELEASE, "extracted": False, "target_dir": DATA, "classes": []}
    assert (await extract(site)).json()["extracted"] is True
    inode = (site.folder / DATA / "cat").stat().st_ino
    assert (await extract(site)).json()["target_dir"] == DATA
    assert (site.folder / DATA / "cat").stat().st_ino == inode


async def test_a_release_that_has_changed_is_unpacked_anew(site: Site, tmp_path: Path) -> None:
    await extract(site)
    names = "nc: 2\nnames: {0: cat, 1: dog}\n"
    release(site.folder, tmp_path / "pets", data__yaml=names)
    changed = await site.get(f"{URL}/check-extracted", params={"zip_path": RELEASE})
    assert changed.json()["extracted"] is False
    assert (await extract(site)).json()["classes"] == ["cat", "dog"]


async def test_what_somebody_else_put_there_is_not_replaced(site: Site) -> None:
    (site.folder / DATA).mkdir(parents=True)
    (site.folder / DATA / "mine.txt").write_text("precious")
    refused = await extract(site)
    assert refused.status_code == 409
    assert (site.folder / DATA / "mine.txt").read_text() == "precious"


async def test_what_somebody_else_put_there_outlives_the_release(site: Site) -> None:
    (site.folder / DATA).mkdir(parents=True)
    (site.folder / DATA / "mine.txt").write_text("precious")
    assert (await site.http.delete(f"{URL}/release", params={"zip_path": RELEASE})).status_code == 204
    assert not (site.folder / RELEASE).exists()
    assert (site.folder / DATA / "mine.txt").read_text() == "precious"


async def test_a_release_that_is_asked_for_twice_at_once_is_unpacked_once(site: Site, monkeypatch) -> None:
    unpacked: list[Path] = []

    def slowly(archive: Path, into: Path) -> None:
        unpacked.append(into)
        time.sleep(0.05)
        honest(archive, into)

    honest = releases.extract
    monkeypatch.setattr(releases, "extract", slowly)
    answers = await asyncio.gather(*(extract(site) for _ in range(3)))
    assert [answer.json()["extracted"] for answer in answers] == [True, True, True]
    assert unpacked == [site.folder / DATA]


async def test_a_release_that_changes_while_it_is_unpacked_is_seen_to_have_changed(site: Site, monkeypatch) -> None:
    def overtaken(archive: Path, into: Path) -> None:
        honest(archive, into)
        release(site.folder, site.folder, data__yaml="names: [cat]\n")

    honest = releases.extract
    monkeypatch.setattr(releases, "extract", overtaken)
    assert (await extract(site)).json()["extracted"] is False
    monkeypatch.undo()
    assert (await extract(site)).json()["classes"] == ["cat"]


async def test_two_releases_do_not_share_a_folder(site: Site, tmp_path: Path) -> None:
    other = RELEASE.replace("Spring 2026", "spring-2026")
    release(site.folder, tmp_path / "pets", other)
    await extract(site)
    refused = await extract(site, other)
    assert refused.status_code == 409
    assert "Spring 2026.zip" in refused.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "projects/Pets/releases/../../../etc/passwd.zip",
        "/etc/passwd.zip",
        "projects/Pets/releases/a\\..\\b.zip",
        "projects/Pets/training_data/x.zip",
        "projects/Pets/releases/more/x.zip",
        "projects/Pets/releases/.hidden.zip",
        "projects/Pets/releases/x.tar",
        "projects/./releases/x.zip",
        "",
    ],
)
async def test_a_path_that_is_none_of_a_release_is_refused(site: Site, path: str) -> None:
    assert (await extract(site, path)).status_code == 422
    assert (await site.get(f"{URL}/check-extracted", params={"zip_path": path})).status_code == 422
    assert (await site.http.delete(f"{URL}/release", params={"zip_path": path})).status_code == 422


async def test_a_link_does_not_lead_out_of_the_projects(site: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "releases").mkdir(parents=True)
    (site.folder / "projects" / "Evil").symlink_to(tmp_path / "elsewhere")
    refused = await extract(site, "projects/Evil/releases/x.zip")
    assert refused.status_code == 422
    assert "leads out" in refused.json()["detail"]


async def test_a_hostile_archive_leaves_nothing(site: Site, tmp_path: Path) -> None:
    release(site.folder, tmp_path / "pets", **{"../../evil": "!"})
    assert (await extract(site)).status_code == 422
    assert not list((site.folder / DATA).parent.iterdir())
    assert not list(site.folder.rglob("evil*"))


async def test_a_release_that_is_deleted_takes_its_data_along_and_no_output(site: Site) -> None:
    await extract(site)
    output = site.folder / "projects/Pets/model/training/old/weights/best.pt"
    output.parent.mkdir(parents=True)
    output.write_bytes(b"weights")
    assert (await site.http.delete(f"{URL}/release", params={"zip_path": RELEASE})).status_code == 204
    assert not (site.folder / RELEASE).exists()
    assert not (site.folder / DATA).exists()
    assert output.read_bytes() == b"weights"


async def test_the_base_configuration_is_shown_and_resolved(site: Site) -> None:
    base = (await site.get(f"{URL}/config/default", params={"framework": "toy", "task": "classify"})).json()
    assert base["base_config"] == "toy/classification"
    order = {"base_config": base["base_config"], "overrides": {"epochs": 9}}
    resolved = (await site.post(f"{URL}/config/resolve", json=order)).json()
    assert resolved["resolved_config"] == {**base["config"], "epochs": 9}
    assert "epochs: 9" in resolved["resolved_yaml"]
    assert "--set epochs=9" in resolved["cli_preview"]


@pytest.mark.parametrize(
    "base",
    [
        "toy/classification",
        "backend/models/training/configs/toy/classification/default.yaml",
        {"framework": "toy", "task": "classification"},
    ],
    ids=str,
)
async def test_a_base_configuration_is_named_in_any_way_that_its_callers_have(site: Site, base: Any) -> None:
    resolved = await resolve(site, base, {"epochs": 9, "model": "median"})
    assert resolved["resolved_config"] == {"model": "median", "epochs": 9, "lr0": 0.1, "seed": 0}
    assert resolved["resolved_yaml"].startswith("model: median\n")
    assert "--model median" in resolved["cli_preview"]
    assert resolved["changes"] == {"model": "median", "epochs": 9}


async def test_a_base_configuration_may_be_the_one_that_was_shown_with_changes(site: Site) -> None:
    base = (await site.get(f"{URL}/config/default", params={"framework": "Toy", "task": "Classification"})).json()
    assert base["config"]["model"] == "mean"
    assert base["config_schema"]["properties"]["model"]["examples"] == ["mean", "median"]
    base["config"]["seed"] = 5
    resolved = await resolve(site, base, {"epochs": 9, "save_best": False})
    assert resolved["resolved_config"] == {"model": "mean", "epochs": 9, "lr0": 0.1, "seed": 5}
    assert resolved["warnings"] == ["save_best=false has no effect: the best weights are always kept"]


async def test_a_base_configuration_that_names_no_framework_is_refused(site: Site) -> None:
    refused = await site.post(f"{URL}/config/resolve", json={"base_config": {"epochs": 3}})
    assert refused.status_code == 422
    assert "framework is needed" in refused.json()["detail"]


async def resolve(site: Site, base: Any, overrides: dict[str, Any]) -> dict[str, Any]:
    answer = await site.post(f"{URL}/config/resolve", json={"base_config": base, "overrides": overrides})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_whole_resolved_configuration_is_ordered_as_it_was_shown(site: Site) -> None:
    await extract(site)
    resolved = await resolve(site, "toy/classification", {"epochs": 9, "model": "median"})
    await start(site, config=resolved["resolved_config"])
    handle = await go_on(site)
    job = (await site.get(f"/api/v1/jobs/{handle.job_id}")).json()
    assert (job["model"], job["config"]) == ("median", {"epochs": 9})


async def test_a_training_goes_from_queued_over_running_to_completed(site: Site) -> None:
    await extract(site)
    ordered = await start(site)
    assert (ordered.status_code, ordered.json()["status"]) == (202, "queued")
    assert (await status(site))["status"] == "queued"
    handle = await go_on(site)
    assert (await status(site))["status"] == "running"
    progress = {"epoch": 2, "epochs": 4, "step": 10, "steps": 20, "metrics": {"loss": 0.5}}
    await site.say(handle, site.event(2, "progress", **progress))
    assert (await status(site))["progress"] == 50.0
    await site.succeed(handle, seq=3)
    ended = await status(site)
    assert (ended["status"], ended["progress"], ended["metrics"]["top1"]) == ("completed", 100.0, 0.9)


async def test_a_completed_training_is_in_the_tree_of_its_project(site: Site) -> None:
    handle = await train(site)
    await site.succeed(handle)
    await site.context.services.relay.tick()
    folder = site.folder / "projects/Pets/model/training/first try"
    assert (folder / "weights/best.onnx").read_bytes() == b"weights"
    report = json.loads((folder / "artifacts/report.json").read_text())
    assert (report["state"], report["metrics"]) == ("succeeded", {"top1": 0.9})
    assert (report["output_path"], report["dataset_path"]) == (folder.relative_to(site.folder).as_posix(), f"{DATA}/")
    assert report["best_weights"] == f"{report['output_path']}/weights/best.onnx"
    assert "model: mean\nepochs:" in (folder / "artifacts/config.yaml").read_text()
    assert (folder / "artifacts/report.json").stat().st_mode == (folder / "weights/best.onnx").stat().st_mode
    assert (folder / "logs/train.log").exists()


async def test_the_settings_of_a_training_lie_in_its_folder_from_the_order_on(site: Site) -> None:
    await train(site)
    await site.context.services.relay.tick()
    artifacts = site.folder / "projects/Pets/model/training/first try/artifacts"
    assert yaml.safe_load((artifacts / "config.yaml").read_text())["epochs"] == 3
    report = json.loads((artifacts / "report.json").read_text())
    assert (report["state"], report["finished_at_ms"], report["config"]["epochs"]) == ("running", None, 3)


async def test_what_pytorch_calls_pth_lies_in_the_stable_place_too(site: Site) -> None:
    handle = await train(site)
    await site.succeed(
        handle, artifacts=[site.leave(handle, "model.safetensors", b"s"), site.leave(handle, "m.pth", b"w")]
    )
    model = (await site.post(f"{URL}/export-best", json=NAMED)).json()
    assert (model["file_path"].rpartition("/")[2], model["format"]) == ("best.pt", "pt")
    assert (site.folder / model["file_path"]).read_bytes() == b"w"


async def save(site: Site, handle: Handle, seq: int = 2) -> None:
    """A checkpoint after the first epoch."""
    folder = "checkpoints/step-5"
    site.leave(handle, f"{folder}/state.pt", b"state")
    manifest = site.leave(handle, f"{folder}/manifest.json", b"{}") | {"kind": "checkpoint"}
    await site.say(handle, site.event(seq, "checkpoint", manifest=manifest, epoch=1, step=5, best=True))


async def test_checkpoints_lie_beside_the_weights_when_a_training_has_ended(site: Site) -> None:
    handle = await train(site)
    await save(site, handle)
    (saved,) = (await site.get(f"{URL}/checkpoints", params=NAMED)).json()
    assert (saved["name"], saved["path"]) == (
        "epoch-1",
        "projects/Pets/model/training/first try/weights/checkpoints/step-5",
    )
    await site.say(handle, site.event(3, "failed", code="nan_loss", message="diverged"))
    await site.context.services.relay.tick()
    assert (site.folder / saved["path"] / "state.pt").read_bytes() == b"state"
    assert not list((site.folder / "projects").rglob("best.*"))


async def test_a_log_that_is_larger_than_memory_should_be_is_copied_a_part_at_a_time(site: Site, monkeypatch) -> None:
    async def printed(_handle: Handle, offset: int) -> AsyncIterator[bytes]:
        if offset < size:
            yield b"x" * min(1 << 18, size - offset)

    handle = await train(site)
    size = 32 << 20
    monkeypatch.setattr(site.executor, "logs", printed)
    await site.succeed(handle)
    tracemalloc.start()
    await site.context.services.relay.tick()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (site.folder / "projects/Pets/model/training/first try/logs/train.log").stat().st_size == size
    assert peak < size // 4


async def test_a_training_that_is_run_again_elsewhere_leaves_the_outputs_of_the_first(site: Site, monkeypatch) -> None:
    monkeypatch.setattr(trainings, "_PAGE", 1)
    handle = await train(site)
    await site.succeed(handle)
    await site.context.services.relay.tick()
    again = await site.post(f"/api/v1/jobs/{handle.job_id}:retry")
    await site.context.services.dispatch.tick()
    rerun = Handle(again.json()["id"], 1)
    await site.say(rerun, site.event(1, "started", pid=1, host="here"))
    await site.succeed(rerun, artifacts=[site.leave(rerun, "other.pt", b"other")])
    await site.context.services.relay.tick()
    assert await site.parts.database.outbox.pending(10) == []
    folder = site.folder / "projects/Pets/model/training/first try"
    assert json.loads((folder / "artifacts/report.json").read_text())["job_id"] == handle.job_id
    assert (folder / "weights/best.onnx").read_bytes() == b"weights"
    assert not (folder / "weights/best.pt").exists()
    refused = await site.post(f"{URL}/export-best", json=NAMED)
    assert refused.status_code == 409
    assert handle.job_id in refused.json()["detail"]
    listed = (await site.get(f"{URL}/models", params={"project_id": 7})).json()
    assert [model["metadata"]["job_id"] for model in listed] == [handle.job_id]


async def test_a_name_can_be_used_again_however_often_it_has_failed(site: Site) -> None:
    await extract(site)
    order = JobRequest(dataset="gone", labels={"project": "Pets", "project_id": "7", "training_name": "first try"})
    for number in range(501):
        await site.context.services.jobs.refuse(order, NotFound("it is gone"), source="test", key=str(number))
    first = await start(site)
    await site.post(f"{URL}/stop", json=NAMED)
    second = await start(site)
    assert second.json()["status"] == "queued", second.text
    assert first.json()["job_id"] != second.json()["job_id"]


async def test_labels_of_a_training_that_name_no_project_are_labels_only_too(site: Site) -> None:
    await site.add_dataset()
    handle = await site.launch(labels={"project_id": "7", "training_name": "first try"})
    await site.say(handle, site.event(1, "started", pid=1, host="here"))
    await site.succeed(handle)
    assert (await site.post(f"{URL}/export-best", json=NAMED)).status_code == 404
    assert (await site.get(f"{URL}/models", params={"project_id": 7})).json() == []


async def test_files_of_one_name_keep_the_folders_that_they_came_in(site: Site) -> None:
    handle = await train(site)
    made = {path: site.leave(handle, path, path.encode()) for path in ("best.onnx", "cpu/a.bin", "gpu/a.bin")}
    await site.succeed(handle, artifacts=list(made.values()))
    await site.context.services.relay.tick()
    weights = site.folder / "projects/Pets/model/training/first try/weights"
    assert (weights / "cpu/a.bin").read_bytes() == b"cpu/a.bin"
    assert (weights / "gpu/a.bin").read_bytes() == b"gpu/a.bin"


async def test_two_who_put_the_best_weights_there_at_once_do_not_disturb_each_other(site: Site, monkeypatch) -> None:
    def slowly(source: Any, target: Any, *rest: Any) -> Any:
        done = honest(source, target, *rest)
        time.sleep(0.05)
        return done

    handle = await train(site)
    await site.succeed(handle)
    honest = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", slowly)
    show = site.context.services.project_tree.show
    shown = await asyncio.gather(*(show(handle.job_id) for _ in range(4)))
    assert set(shown) == {"projects/Pets/model/training/first try/weights/best.onnx"}


async def test_labels_that_name_no_place_are_labels_only(site: Site) -> None:
    await site.add_dataset()
    job = await site.order(labels={"project": "team/a", "training_name": "../x"})
    assert (await site.post(f"/api/v1/jobs/{job.id}:cancel")).status_code == 200
    await site.context.services.relay.tick()
    assert await site.parts.database.outbox.pending(10) == []
    assert not list((site.folder / "projects").rglob("training"))


async def test_the_best_weights_are_exported_again_and_listed_as_a_model(site: Site) -> None:
    handle = await train(site)
    early = await site.post(f"{URL}/export-best", json=NAMED)
    assert early.status_code == 409
    await site.succeed(handle)
    model = (await site.post(f"{URL}/export-best", json=NAMED)).json()
    path = "projects/Pets/model/training/first try/weights/best.onnx"
    assert (model["file_path"], model["project_id"], model["status"]) == (path, 7, "Ready")
    assert model["classes"] == ["cat", "dog"]
    assert (site.folder / path).read_bytes() == b"weights"
    assert (await site.get(f"{URL}/models", params={"project_id": 7})).json() == [model]
    assert (await site.get(f"{URL}/models", params={"project_id": 8})).json() == []
    assert (await site.http.delete(f"/api/v1/models/{model['id']}")).status_code == 204
    assert (await site.get(f"{URL}/models", params={"project_id": 7})).json() == []


async def test_writing_into_the_tree_never_changes_a_registered_model(site: Site) -> None:
    handle = await train(site)
    await site.succeed(handle)
    await site.post(f"{URL}/export-best", json=NAMED)
    (site.folder / "projects/Pets/model/training/first try/weights/best.onnx").write_bytes(b"other")
    served = await site.get(f"/api/v1/jobs/{handle.job_id}/artifacts/model.onnx")
    assert served.content == b"weights"


async def test_a_name_that_is_taken_is_refused_and_a_failed_one_is_free(site: Site) -> None:
    handle = await train(site)
    busy = await start(site)
    assert busy.status_code == 409
    assert "running already" in busy.json()["detail"]
    failed = site.event(2, "failed", code="nan_loss", message="diverged")
    await site.say(handle, failed)
    assert (await status(site))["status"] == "failed"
    assert (await start(site)).status_code == 202


async def test_the_outputs_of_a_completed_training_are_never_overwritten(site: Site) -> None:
    await site.succeed(await train(site))
    refused = await start(site)
    assert refused.status_code == 409
    assert "another name" in refused.json()["detail"]


async def test_the_same_order_sent_twice_at_once_is_one_training(site: Site) -> None:
    await extract(site)
    answers = await asyncio.gather(*(start(site) for _ in range(4)))
    assert len({answer.json()["job_id"] for answer in answers if answer.status_code == 202}) == 1
    assert len((await site.get("/api/v1/jobs", params={"kind": "import"})).json()["items"]) == 1


async def test_a_training_is_stopped(site: Site) -> None:
    await extract(site)
    await start(site)
    assert (await site.post(f"{URL}/stop", json=NAMED)).json()["status"] == "stopped"
    assert (await site.post(f"{URL}/stop", json=NAMED)).status_code == 409


async def test_a_training_that_is_just_being_ordered_is_not_taken_for_one_that_has_ended(site: Site) -> None:
    await extract(site)
    await start(site)
    for _ in range(5):
        await site.import_all()
    refused = await site.post(f"{URL}/stop", json=NAMED)
    assert refused.status_code == 409
    assert "stop it again" in refused.json()["detail"]


async def stopped(site: Site, **fields: Any) -> str:
    """A training that had saved a checkpoint; its job."""
    await extract(site)
    await start(site, **fields)
    handle = await go_on(site)
    await save(site, handle)
    await site.post(f"{URL}/stop", json=NAMED)
    await site.say(handle, site.event(3, "cancelled", epoch=1, step=5))
    assert (await status(site))["status"] == "stopped"
    site.executor.exit(handle, 0)
    await site.context.services.sweep.tick()
    return handle.job_id


async def test_a_stopped_training_is_resumed_from_its_checkpoint(site: Site) -> None:
    before = await stopped(site, config={"epochs": 9})
    resumed = await start(site, config={"epochs": 9, "resume": True})
    assert resumed.status_code == 202, resumed.text
    job = (await site.get(f"/api/v1/jobs/{resumed.json()['job_id']}")).json()
    assert (job["rerun_of"], job["resume_from"], job["config"]) == (before, before, {"epochs": 9})
    assert (await start(site, config={"resume": True})).status_code == 409


async def test_a_stopped_training_that_is_not_resumed_begins_anew(site: Site) -> None:
    await stopped(site)
    anew = await start(site, config={"resume": False})
    assert (await site.get(f"/api/v1/jobs/{anew.json()['job_id']}")).json()["kind"] == "import"


@pytest.mark.parametrize("changed", [{"epochs": 8}, {"model": "median"}], ids=str)
async def test_a_resumed_training_keeps_its_settings(site: Site, changed: dict[str, Any]) -> None:
    await stopped(site, config={"epochs": 9})
    refused = await start(site, config={**changed, "resume": True})
    assert refused.status_code == 409
    assert f"would change: {next(iter(changed))}." in refused.json()["detail"]


async def test_nothing_is_resumed_from_nothing(site: Site) -> None:
    await extract(site)
    never = await start(site, config={"resume": True})
    assert (never.status_code, (await site.get("/api/v1/jobs")).json()["items"]) == (409, [])
    handle = await train(site)
    await site.say(handle, site.event(2, "failed", code="nan_loss", message="diverged"))
    refused = await start(site, config={"resume": True})
    assert refused.status_code == 409
    assert "nothing to go on from" in refused.json()["detail"]


@pytest.mark.parametrize("name", ["../../etc", "a/b", ".hidden", "con", "x\u0000y", "", "a/"])
async def test_a_training_name_is_one_plain_name(site: Site, name: str) -> None:
    await extract(site)
    refused = await start(site, training_name=name)
    assert refused.status_code == 422, refused.text
    assert (await site.get("/api/v1/jobs")).json()["items"] == []


async def test_nothing_is_ordered_without_its_data_or_with_settings_that_do_not_fit(site: Site) -> None:
    missing = await start(site)
    assert missing.status_code == 404
    assert "extract-release" in missing.json()["detail"]
    await extract(site)
    wrong = await start(site, config={"epoch": 3})
    assert "Did you mean 'epochs'" in wrong.json()["detail"]
    assert (await start(site, framework="tooy")).status_code == 404
    assert (await site.get("/api/v1/jobs")).json()["items"] == []


async def logs(site: Site, **asked: int) -> dict[str, Any]:
    return (await site.get(f"{URL}/logs", params={**NAMED, **asked})).json()


async def test_logs_are_told_page_by_page_from_one_offset(site: Site) -> None:
    handle = await train(site)
    printed = [f"epoch {number} ok" for number in range(450)]
    site.executor.outputs[handle] = "".join(f"{line}\n" for line in printed).encode()
    pages = [await logs(site, page=page) for page in (1, 2, 3, 4)]
    assert [page["lines"] for page in pages] == [printed[:200], printed[200:400], printed[400:], []]
    assert (pages[0]["status"], pages[0]["page"], pages[0]["offset"]) == ("running", 1, 0)
    assert not any(page["complete"] for page in pages)


async def test_who_follows_a_log_while_the_data_come_begins_at_the_training_s_first_line(site: Site) -> None:
    await extract(site)
    await start(site)
    for _ in range(5):
        await site.import_all()
    early = await logs(site)
    assert (early["status"], early["lines"], early["next_offset"], early["complete"]) == ("queued", [], 0, False)
    handle = await go_on(site)
    site.executor.outputs[handle] = b"first\n"
    assert (await logs(site, offset=early["next_offset"]))["lines"] == ["first"]


async def test_who_follows_a_log_by_its_offset_misses_no_line_and_gets_none_in_two(site: Site) -> None:
    handle = await train(site)
    printed = [f"Bild {number} \u2192 ja" for number in range(450)]
    site.executor.outputs[handle] = "".join(f"{line}\n" for line in printed).encode() + b"broken \xff byte\r\nhal"
    followed: list[str] = []
    offset = 0
    for _ in range(4):
        told = await logs(site, offset=offset)
        followed += told["lines"]
        offset = told["next_offset"]
    assert followed == [*printed, "broken \ufffd byte"]
    site.executor.outputs[handle] += b"f"
    await site.succeed(handle)
    told = await logs(site, offset=offset)
    assert (told["lines"], told["complete"]) == (["half"], True)


async def test_who_follows_a_log_hears_of_the_next_attempt_from_its_first_line_on(site: Site) -> None:
    handle = await train(site)
    site.executor.outputs[handle] = b"".join(b"first %d\n" % number for number in range(250))
    followed = (await logs(site))["lines"]
    await site.say(handle, site.event(2, "failed", code="worker_lost", message="the machine is gone", retryable=True))
    site.executor.exit(handle, 1)
    await site.context.services.sweep.tick()
    await site.context.services.sweep.settle()
    offset = (told := await logs(site, offset=(await logs(site))["next_offset"]))["next_offset"]
    assert not told["complete"]
    followed += told["lines"]
    site.clock.advance(3600)
    await site.context.services.dispatch.tick()
    again = Handle(handle.job_id, 2)
    await site.say(again, site.event(1, "started", pid=1, host="here", versions={"toy": "1.0"}))
    site.executor.outputs[again] = b"second\n"
    followed += (told := await logs(site, offset=offset))["lines"]
    assert followed == [*(f"first {number}" for number in range(250)), "second"]
    assert (await logs(site, page=2))["lines"] == followed[200:]
    await site.succeed(again)
    await site.context.services.relay.tick()
    assert (await logs(site, offset=told["next_offset"]))["complete"]
    printed = site.folder / "projects/Pets/model/training/first try/logs/train.log"
    assert printed.read_text().splitlines() == followed


async def test_a_training_that_has_saved_nothing_has_no_checkpoints(site: Site) -> None:
    await train(site)
    assert (await site.get(f"{URL}/checkpoints", params=NAMED)).json() == []


async def test_a_training_that_nobody_ordered_is_not_found(site: Site) -> None:
    for path in ("status", "logs", "checkpoints"):
        assert (await site.get(f"{URL}/{path}", params=NAMED)).status_code == 404


async def test_without_the_operator_s_token_nobody_comes_in(site: Site) -> None:
    assert (await site.get(f"{URL}/config/default", headers={"Authorization": ""})).status_code == 401


async def test_calls_operations_and_refusals_are_logged_by_category(site: Site) -> None:
    await extract(site)
    with capture_logs() as told:
        await start(site)
        await start(site, framework="tooy", training_name="second")
        await site.post(f"{URL}/start", json={})
    assert categories(told) == [
        ("app.backend", "called"),
        ("operations.training", "ordered"),
        ("app.backend", "called"),
        ("errors.validation", "refused"),
        ("app.backend", "called"),
        ("errors.validation", "not understood"),
    ]


async def test_what_becomes_of_a_training_is_logged_with_what_it_was_ordered_with(site: Site) -> None:
    with capture_logs() as told:
        handle = await train(site)
        await site.say(handle, site.event(2, "failed", code="nan_loss", message="diverged"))
        await site.context.services.relay.tick()
    ordered = next(entry for entry in told if entry["event"] == "ordered")
    assert ordered["config"] == {"model": "mean", "epochs": 3, "lr0": 0.1, "seed": 0}
    assert ordered["command"].startswith("eyebright train")
    changes = [each for each in categories(told) if each[1].startswith(("import ", "training "))]
    assert changes[-2:] == [("operations.training", "training failed"), ("errors.system", "training failed")]
    assert ("operations.training", "training running") in changes
    assert ("operations.training", "import succeeded") in changes


async def test_what_breaks_is_logged_as_such(site: Site, monkeypatch) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(site.context.services.releases, "look", breaks)
    with capture_logs() as told:
        answer = await site.get(f"{URL}/check-extracted", params={"zip_path": RELEASE})
    assert answer.status_code == 500
    assert ("errors.system", "broke") in categories(told)


def categories(told: Any) -> list[tuple[str, str]]:
    return [(entry["category"], entry["event"]) for entry in told if "category" in entry]
