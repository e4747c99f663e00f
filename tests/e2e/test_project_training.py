"""Project Training on a real server with a real trainer: a release comes in as a zip, and its folder shows a model."""

import json
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
from harness.live import LiveServer, pets

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


def release(root: Path, folder: Path) -> None:
    (root / RELEASE).parent.mkdir(parents=True)
    with zipfile.ZipFile(root / RELEASE, "w") as archive:
        for image in sorted(folder.rglob("*.png")):
            archive.write(image, image.relative_to(folder))


def caller(live: LiveServer) -> httpx.Client:
    server = running_server(live.settings)
    assert server is not None
    headers = {"Authorization": f"Bearer {live.token}"}
    return httpx.Client(base_url=f"{server.url}/api/v1/training/", headers=headers, timeout=60, trust_env=False)


def posted(http: httpx.Client, path: str, **said: Any) -> dict[str, Any]:
    answer = http.post(path, json=said)
    assert answer.is_success, answer.text
    return answer.json()


def got(http: httpx.Client, path: str) -> Any:
    answer = http.get(path, params=NAMED)
    assert answer.is_success, answer.text
    return answer.json()


def until_it_ends(http: httpx.Client) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while (told := got(http, "status"))["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    return told
