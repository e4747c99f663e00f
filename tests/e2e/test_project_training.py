"""Project Training on a real server with real trainers: a release comes in as a zip, and its folder shows a model."""

import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import yaml
from harness.live import LiveServer, pets
from PIL import Image

from eyebright.client import running_server

RELEASE = "projects/Pets/releases/v1.zip"
NAMED = {"project_id": 3, "training_name": "nightly"}


def test_a_release_becomes_a_model_in_the_folder_of_its_project(tmp_path: Path) -> None:
    release(tmp_path / "server", pets(tmp_path / "pets"))
    with LiveServer(tmp_path / "server") as live, caller(live) as http:
        target = posted(http, "extract-release", zip_path=RELEASE)["target_dir"]
        order = {"framework": "toy", "task": "classification", "dataset_path": target, "config": {"epochs": 3}}
        assert posted(http, "start", **NAMED, **order)["status"] == "queued"
        ended = until_it_ends(http)
        assert (ended["status"], ended["progress"]) == ("completed", 100.0), ended
        assert any("epoch" in line for line in got(http, "logs")["lines"]) or got(http, "logs")["complete"]
        assert [saved["best"] for saved in got(http, "checkpoints")].count(True) == 1
        model = posted(http, "export-best", **NAMED)
    folder = tmp_path / "server/projects/Pets/model/training/nightly"
    assert (tmp_path / "server" / model["file_path"]).parent == folder / "weights"
    assert json.loads((folder / "artifacts/report.json").read_text())["metrics"]["top1"] == ended["metrics"]["top1"]
    assert "epochs: 3" in (folder / "artifacts/config.yaml").read_text()
    assert (folder / "logs/train.log").is_file()


#: Long enough that nobody has finished it before it is stopped.
SMALL = {"epochs": 8, "imgsz": 64, "batch": 4, "amp": False, "early_stop": False, "save_best": True, "device": "cpu"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("framework", "model", "more"),
    [("ultralytics", "yolo11n.yaml", {"plots": False}), ("mmdetection", "yolox_nano", {})],
)
def test_a_detector_is_stopped_and_resumed_and_its_best_weights_exported(
    tmp_path: Path, framework: str, model: str, more: dict[str, Any]
) -> None:
    release(tmp_path / "server", squares(tmp_path / "squares"))
    with LiveServer(tmp_path / "server") as live, caller(live) as http:
        unpacked = posted(http, "extract-release", zip_path=RELEASE)
        assert unpacked["classes"] == ["square"]
        config = resolved(http, framework, {**SMALL, **more, "model": model, "exports": []})
        order = {"framework": framework, "task": "detection", "dataset_path": unpacked["target_dir"], "config": config}
        posted(http, "start", **NAMED, **order)
        eventually(lambda: got(http, "checkpoints"))
        posted(http, "stop", **NAMED)
        assert (stopped := until_it_ends(http))["status"] == "stopped", stopped
        posted(http, "start", **NAMED, **{**order, "config": {**config, "resume": True}})
        assert (ended := until_it_ends(http))["status"] == "completed", ended
        said = "".join(got(http, "logs")["lines"])
        assert "epoch 8/8 done" in said
        assert "epoch 1/8" not in said
        exported = posted(http, "export-best", **NAMED)
    folder = tmp_path / "server/projects/Pets/model/training/nightly"
    assert exported["file_path"] == "projects/Pets/model/training/nightly/weights/best.pt"
    told = {key: exported[key] for key in ("project_id", "type", "format", "training_input_size", "classes", "status")}
    assert told == {
        "project_id": 3,
        "type": "detection",
        "format": "pt",
        "training_input_size": 64,
        "classes": ["square"],
        "status": "Ready",
    }
    assert (folder / "weights/best.pt").stat().st_size > 100_000
    report = json.loads((folder / "artifacts/report.json").read_text())
    assert (report["state"], report["resumed_from"]) == ("succeeded", stopped["job_id"])
    assert yaml.safe_load((folder / "artifacts/config.yaml").read_text()) == config


def resolved(http: httpx.Client, framework: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """As a screen does it: from the base configuration with what was set there."""
    base = got(http, "config/default", framework=framework, task="detection")["base_config"]
    return posted(http, "config/resolve", base_config=base, overrides=overrides)["resolved_config"]


def squares(folder: Path, images: int = 12) -> Path:
    """White squares on noise, in YOLO's layout."""
    for number in range(images):
        random = Random(number)
        picture = Image.frombytes("RGB", (8, 8), random.randbytes(192)).resize((64, 64))
        left, top = random.randrange(40), random.randrange(40)
        picture.paste((255, 255, 255), (left, top, left + 24, top + 24))
        split = "val" if number % 3 == 2 else "train"
        (folder / "images" / split).mkdir(parents=True, exist_ok=True)
        (folder / "labels" / split).mkdir(parents=True, exist_ok=True)
        picture.save(folder / "images" / split / f"{number}.png")
        label = f"0 {(left + 12) / 64} {(top + 12) / 64} {24 / 64} {24 / 64}\n"
        (folder / "labels" / split / f"{number}.txt").write_text(label)
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [square]\n")
    return folder


def release(root: Path, folder: Path) -> None:
    (root / RELEASE).parent.mkdir(parents=True)
    with zipfile.ZipFile(root / RELEASE, "w") as archive:
        for file in sorted(filter(Path.is_file, folder.rglob("*"))):
            archive.write(file, file.relative_to(folder))


def caller(live: LiveServer) -> httpx.Client:
    server = running_server(live.settings)
    assert server is not None
    headers = {"Authorization": f"Bearer {live.token}"}
    return httpx.Client(base_url=f"{server.url}/api/v1/training/", headers=headers, timeout=60, trust_env=False)


def posted(http: httpx.Client, path: str, **said: Any) -> dict[str, Any]:
    answer = http.post(path, json=said)
    assert answer.is_success, answer.text
    return answer.json()


def got(http: httpx.Client, path: str, **asked: str) -> Any:
    answer = http.get(path, params=asked or NAMED)
    assert answer.is_success, answer.text
    return answer.json()


def until_it_ends(http: httpx.Client) -> dict[str, Any]:
    return eventually(lambda: told if (told := got(http, "status"))["status"] not in ("queued", "running") else None)


def eventually(look: Callable[[], Any], seconds: float = 240) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found
