"""The Vision AI Training Platform's door with all that is real: server, trainer, a bucket, and the requests of the guide."""

import json
import re
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.emulated_s3 import bucket, endpoint
from harness.live import LiveServer, pets
from harness.places import Place, place

from eyebright.client import running_server

__all__ = ["bucket", "endpoint", "place"]

GUIDE = Path(__file__).parents[2] / "docs/guide/vision-platform.md"


@pytest.fixture
def live(tmp_path: Path, endpoint: str, bucket: Any) -> Iterator[LiveServer]:
    place = {"EYEBRIGHT_STORAGE__PLACE": "s3://bucket/mine", "EYEBRIGHT_STORAGE__ENDPOINT": endpoint}
    with LiveServer(tmp_path / "data", **place, EYEBRIGHT_SOURCES__S3_ENDPOINT=endpoint) as live:
        yield live


def url_of(live: LiveServer) -> str:
    server = running_server(live.settings)
    assert server is not None
    return server.url


def client(live: LiveServer) -> httpx.Client:
    headers = {"Authorization": f"Bearer {live.token}"}
    return httpx.Client(base_url=url_of(live), headers=headers, timeout=60, trust_env=False)


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(folder))
    return target


def lines_of_the_guide() -> list[str]:
    (block,) = re.findall(r"```bash\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return re.split(r"\n(?=curl )", block.strip())


def asked(line: str, folder: Path, url: str) -> Any:
    done = subprocess.run(
        ["bash", "-c", line.replace("http://localhost:8000", url).replace("curl ", "curl -sS ", 1)],
        cwd=folder,
        env={"CURL_HOME": str(folder), "PATH": "/usr/bin:/bin", "no_proxy": "*"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def ended(http: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while (found := http.get(f"/training/jobs/{job['id']}").json())["status"] == "running":
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


@pytest.mark.timeout(300)
def test_what_is_uploaded_becomes_a_checkpoint_in_the_bucket(tmp_path: Path, place: Place) -> None:
    """By the lines of the guide as they stand there, but for the server's port and a trainer that needs no framework. Where data
    sets come from is not set: what was uploaded is fetched from where it was put."""
    zipped(pets(tmp_path / "pets"), tmp_path / "sample.zip")
    root = place.variables["EYEBRIGHT_STORAGE__PLACE"]
    with LiveServer(tmp_path / "data", **place.variables) as live:
        (tmp_path / ".curlrc").write_text(f'header = "Authorization: Bearer {live.token}"\n')
        url = url_of(live)
        health, upload, create = lines_of_the_guide()
        assert asked(health, tmp_path, url)["status"] == "healthy"
        uploaded = asked(upload, tmp_path, url)
        assert uploaded["size"] == (tmp_path / "sample.zip").stat().st_size
        assert re.fullmatch(rf"{root}/uploads/upl_\w+/dataset\.zip", uploaded["s3_uri"])
        order = create.replace("yolo11n", "softmax").replace("ultralytics", "toy")
        job = asked(order.replace("s3://datasets/test/my-dataset/", uploaded["s3_uri"]), tmp_path, url)
        assert job["status"] == "pending"
        with client(live) as http:
            assert http.post(f"/training/jobs/{job['id']}/start").json() == {"status": "started"}
            done = ended(http, job)
    assert (done["status"], done["progress"], done["error"]) == ("completed", 1.0, None)
    assert done["metrics"]["epoch"] >= 0
    assert len(place.read(done["checkpoint_s3_uri"].removeprefix(f"{root}/"))) > 0


@pytest.mark.timeout(300)
def test_what_lies_in_another_bucket_is_trained_on_and_what_is_ours_is_not(
    tmp_path: Path, live: LiveServer, bucket: Any
) -> None:
    for file in pets(tmp_path / "pets").rglob("*.png"):
        key = f"test/my-dataset/{file.relative_to(tmp_path / 'pets').as_posix()}"
        bucket.upload_file(str(file), "datasets", key)
    order = {"user_id": "test", "model_name": "softmax", "framework": "toy"}
    with client(live) as http:
        job = http.post("/training/jobs", json={**order, "dataset_s3_uri": "s3://datasets/test/my-dataset/"}).json()
        http.post(f"/training/jobs/{job['id']}/start")
        assert ended(http, job)["status"] == "completed"
        for ours in ("s3://bucket/mine/jobs/", "s3://bucket/", "s3://bucket/mine/uploads/upl_0/dataset.zip"):
            assert http.post("/training/jobs", json={**order, "dataset_s3_uri": ours}).status_code == 404
