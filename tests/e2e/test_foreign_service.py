"""A platform's whole journey through a training service that is not ours: it knows three routes and the callback, no more."""

import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.emulated_s3 import bucket, endpoint
from harness.foreign_service import ForeignService
from harness.live import LiveServer, pets

from eyebright.client import running_server

__all__ = ["bucket", "endpoint"]


@pytest.fixture
def there(tmp_path: Path, endpoint: str, bucket: Any) -> Iterator[ForeignService]:
    with ForeignService(tmp_path / "foreign", endpoint).started() as made:
        yield made


@pytest.fixture
def live(tmp_path: Path, endpoint: str, there: ForeignService) -> Iterator[LiveServer]:
    """With the names that such a platform's settings have."""
    theirs = {"TRAINER_SERVICE_URL": there.url, "S3_ENDPOINT": endpoint, "BUCKET_NAME": "bucket"}
    with LiveServer(tmp_path / "data", **theirs) as live:
        yield live


@pytest.fixture
def http(live: LiveServer) -> Iterator[httpx.Client]:
    server = running_server(live.settings)
    assert server is not None
    headers = {"Authorization": f"Bearer {live.token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def address(tmp_path: Path, bucket: Any) -> str:
    for file in pets(tmp_path / "pets").rglob("*.png"):
        bucket.upload_file(str(file), "datasets", f"pets/{file.relative_to(tmp_path / 'pets').as_posix()}")
    return "s3://datasets/pets/"


def started(http: httpx.Client, address: str, **config: Any) -> str:
    order = {
        "user_id": "ann",
        "framework": "pixels",
        "model_name": "median",
        "dataset_s3_uri": address,
        "config": config,
    }
    job = http.post("/training/jobs", json=order)
    assert job.status_code == 200, job.text
    assert http.post(f"/training/jobs/{job.json()['id']}/start").json() == {"status": "started"}
    return job.json()["id"]


def until(
    http: httpx.Client, job_id: str, holds: Callable[[dict[str, Any]], Any], seconds: float = 90
) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not holds(job := http.get(f"/training/jobs/{job_id}").json()):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def has_ended(job: dict[str, Any]) -> bool:
    return job["status"] in ("completed", "failed", "cancelled")


@pytest.mark.timeout(300)
def test_it_trains_what_was_ordered_on_the_data_where_they_lie(http: httpx.Client, address: str, bucket: Any) -> None:
    job = until(http, started(http, address, epochs=4), has_ended)
    assert (job["status"], job["progress"], job["error"]) == ("completed", 1.0, None)
    assert job["metrics"]["epoch"] == 3
    bucket_name, _, key = job["checkpoint_s3_uri"].removeprefix("s3://").partition("/")
    assert bucket_name == "bucket", "it was brought into the platform's own place"
    pictures = bucket.list_objects_v2(Bucket="datasets", Prefix="pets/")["KeyCount"]
    assert bucket.get_object(Bucket="bucket", Key=key)["Body"].read() == f"median {pictures}".encode()
    (trainer,) = (each for each in http.get("/api/v1/trainers").json() if each["name"] == "pixels")
    assert trainer["executors"] == ["service:trainer"]


@pytest.mark.timeout(300)
def test_what_was_uploaded_here_is_read_there(tmp_path: Path, http: httpx.Client) -> None:
    pets(tmp_path / "pets")
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as packed:
        for file in (tmp_path / "pets").rglob("*.png"):
            packed.write(file, file.relative_to(tmp_path / "pets"))
    with (tmp_path / "pets.zip").open("rb") as file:
        form = {"user_id": "ann", "dataset_name": "pets"}
        uploaded = http.post("/datasets/upload", data=form, files={"file": ("pets.zip", file)}).json()
    job = until(http, started(http, uploaded["s3_uri"], epochs=1), has_ended)
    assert job["status"] == "completed", job


@pytest.mark.timeout(300)
def test_why_it_failed_is_told_in_its_own_words(http: httpx.Client, address: str) -> None:
    job = until(http, started(http, address, say="fail"), has_ended)
    assert (job["status"], job["error"]) == ("failed", "ValueError: the loss is no number")


@pytest.mark.timeout(300)
def test_killed_and_started_again_it_is_given_the_training_again(
    http: httpx.Client, address: str, there: ForeignService, live: LiveServer
) -> None:
    """Its death is seen as silence: the lease runs out, and the next attempt waits for the service."""
    job_id = started(http, address, epochs=4, say="wait")
    until(http, job_id, lambda job: job["progress"] > 0 and (there.folder / "waited").exists())
    there.kill()
    until(http, job_id, lambda job: "cannot be reached" in job["message"] or "no sign of life" in job["message"], 150)
    there.start()
    job = until(http, job_id, has_ended, 120)
    assert job["status"] == "completed", (job, (live.data_dir / "server.log").read_text()[-3000:])


@pytest.mark.timeout(300)
def test_once_cancelled_whatever_it_still_says_is_refused(
    http: httpx.Client, address: str, there: ForeignService
) -> None:
    job_id = started(http, address, epochs=400, step_seconds=0.1)
    until(http, job_id, lambda job: job["progress"] > 0)
    assert http.delete(f"/training/jobs/{job_id}").status_code == 200
    assert until(http, job_id, has_ended, 30)["status"] == "cancelled"
    deadline = time.monotonic() + 30
    while "nobody takes the callback" not in there.log.read_text():
        assert time.monotonic() < deadline, there.log.read_text()
        time.sleep(0.1)
    assert http.get(f"/training/jobs/{job_id}").json()["status"] == "cancelled"
