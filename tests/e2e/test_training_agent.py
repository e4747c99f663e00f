"""The Training Agent's door with all that is real: server, trainer, Postgres with the callers' tables, and Google's store."""

import asyncio
import io
import subprocess
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from buckets import google_emulator, withhold_the_rest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from harness.agent import START, STATUS, UPLOAD, away
from harness.callers import Callers
from harness.line import Line, line_to
from harness.live import LiveServer, pets

from eyebright.client import running_server

T = TypeVar("T")

TORCH = Path(__file__).parents[2] / "packages/trainers/torchvision/.venv/bin/python"
LOAD = "import sys, torch; print(sum(map(torch.numel, torch.load(sys.argv[1], weights_only=True).values())))"
#: Of a ResNet-18 for two classes, running statistics included.
NUMBERS = 11_187_158
SMALL = {"preferred_model": "ResNet18", "epochs": 2, "batch_size": 8, "imgsz": 32, "num_classes": 2}
DATA = "gs://bucket/raw/pets.zip"


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """To Google's store."""
    withhold_the_rest(monkeypatch)
    with google_emulator() as url, line_to(url) as line:
        yield line


@pytest.fixture
def bucket(line: Line, tmp_path: Path) -> storage.Bucket:
    client = storage.Client("project", AnonymousCredentials(), client_options={"api_endpoint": line.url})
    made = client.create_bucket("bucket")
    made.blob("raw/pets.zip").upload_from_string(zipped(pets(tmp_path / "pets")))
    made.blob("raw/text.zip").upload_from_string(b"no zip")
    return made


def zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(folder))
    return content.getvalue()


@asynccontextmanager
async def served(data_dir: Path, callers: Callers, line: Line, **settings: str) -> AsyncIterator[httpx.AsyncClient]:
    known = {
        "EYEBRIGHT_TRAINING_AGENT__DATABASE_URL": callers.url,
        "EYEBRIGHT_TRAINING_AGENT__PRETRAINED": "false",
        "EYEBRIGHT_SOURCES__GS_ENDPOINT": line.url,
        "GCP_BUCKET_NAME": "bucket",
    }
    with LiveServer(data_dir, **{**known, **settings}) as live:
        server = running_server(live.settings)
        assert server is not None
        headers = {"Authorization": f"Bearer {live.token}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=300, trust_env=False) as http:
            yield http


@pytest.mark.timeout(540)
async def test_a_project_becomes_a_model_in_the_bucket(
    tmp_path: Path, callers: Callers, line: Line, bucket: storage.Bucket
) -> None:
    project = await add_project(callers)
    async with served(tmp_path / "data", callers, line) as http:
        assert (await http.get("/health")).json()["status"] == "healthy"
        answers = await asyncio.gather(*(start(http, project) for _ in range(2)))
        assert [answer.json() for answer in answers] == [
            {"success": True, "model_url": "gs://bucket/models/Flowers_model.pth", "error": None}
        ] * 2
        # The answers may be quicker than the log.
        await eventually(lambda: has_line(callers, project, "Model uploaded"))
        told = (await http.get(f"{STATUS}/{project}")).json()
    assert (told["status"], told["progress"]["percent"]) == ("completed", 100.0)
    (model,) = await callers.rows("models")
    said = model["metadata"]
    assert (model["name"], model["framework"]) == ("Flowers_model", "pytorch")
    assert model["gcs_url"] == "gs://bucket/models/Flowers_model.pth"
    assert said["epochs"] == 2
    assert said["final_loss"] > 0
    assert said["training_time_seconds"] > 0
    lines = await lines_of(callers, project)
    assert f"Epoch 2/2 completed. Loss: {said['final_loss']:.3f}" in lines
    assert lines[-1] == "Model uploaded to gs://bucket/models/Flowers_model.pth"
    assert numbers(bucket, "models/Flowers_model.pth", tmp_path) == NUMBERS


@pytest.mark.timeout(540)
async def test_a_database_and_a_bucket_that_are_away_lose_no_model(
    tmp_path: Path, callers: Callers, line: Line, bucket: storage.Bucket
) -> None:
    project = await add_project(callers)
    async with served(tmp_path / "data", callers, line, EYEBRIGHT_TRAINING_AGENT__GIVE_UP_SECONDS="3") as http:
        assert (await start(http, project, Prefer="respond-async")).status_code == 202
        await eventually(lambda: has_line(callers, project, "Training resnet18"))
        line.busy = 10**6
        async with away(callers):
            await eventually(lambda: trained(http))
            assert (await start(http, project)).status_code == 500
        await eventually(lambda: has_status(callers, project, "failed"))
        assert await has_line(callers, project, "Epoch 2/2 completed.")
        assert await callers.rows("models") == []
        line.busy = 0
        uploaded = await http.post(UPLOAD, json={"project_id": project})
        assert uploaded.json() == {
            "success": True, "model_url": "gs://bucket/models/Flowers_model.pth", "error": None,
        }  # fmt: skip
    assert await has_status(callers, project, "completed")
    assert len(await callers.rows("models")) == 1
    assert numbers(bucket, "models/Flowers_model.pth", tmp_path) == NUMBERS


@pytest.mark.timeout(120)
async def test_what_cannot_be_fetched_or_read_is_told_in_the_projects_log(
    tmp_path: Path, callers: Callers, line: Line, bucket: storage.Bucket
) -> None:
    expected = {
        "gs://bucket/raw/none.zip": 404,
        "gs://nobodys/raw/pets.zip": 404,
        "gs://bucket/raw/text.zip": 500,
        "gs://../raw/pets.zip": 400,
        "gs://bucket/..%2fraw/pets.zip": 400,
        "gs://bucket/raw/../../pets.zip": 400,
        "file:///etc/passwd": 400,
        "http://127.0.0.1/pets.zip": 400,
    }
    codes = {400: "config_invalid", 404: "dataset_invalid", 500: "dataset_invalid"}
    projects = {url: await add_project(callers, url) for url in expected}
    projects["no row"] = await callers.add_project(metadata=SMALL)
    expected["no row"] = 404
    async with served(tmp_path / "data", callers, line) as http:
        answers = await asyncio.gather(*(start(http, project) for project in projects.values()))
        for project in projects.values():
            await eventually(lambda project=project: has_line(callers, project, "Training failed"))
    assert {url: answer.status_code for url, answer in zip(expected, answers, strict=True)} == expected
    assert all(answer.json()["success"] is False for answer in answers)
    for url, project in projects.items():
        assert await has_status(callers, project, "failed")
        assert (await lines_of(callers, project))[-1].startswith(f"Training failed ({codes[expected[url]]}): ")


async def add_project(callers: Callers, gcs_url: str = DATA) -> str:
    project = await callers.add_project(metadata=SMALL)
    await callers.add_dataset(project, gcs_url=gcs_url)
    return project


async def start(http: httpx.AsyncClient, project: str, **headers: str) -> httpx.Response:
    return await http.post(START, json={"project_id": project}, headers=headers)


async def lines_of(callers: Callers, project: str) -> list[str]:
    rows = [row for row in await callers.rows("agent_logs") if row["project_id"] == project]
    return [row["message"] for row in sorted(rows, key=lambda row: row["created_at"])]


async def has_line(callers: Callers, project: str, beginning: str) -> bool:
    return any(line.startswith(beginning) for line in await lines_of(callers, project))


async def has_status(callers: Callers, project: str, status: str) -> bool:
    return any((row["id"], row["status"]) == (project, status) for row in await callers.rows("projects"))


async def trained(http: httpx.AsyncClient) -> bool:
    jobs: list[dict[str, Any]] = (await http.get("/api/v1/jobs")).json()["items"]
    return any((job["kind"], job["state"]) == ("training", "succeeded") for job in jobs)


def numbers(bucket: storage.Bucket, name: str, folder: Path) -> int:
    """How many numbers torch finds in the file, which it trusts with no code."""
    bucket.blob(name).download_to_filename(folder / "model.pth")
    done = subprocess.run([TORCH, "-c", LOAD, folder / "model.pth"], capture_output=True, text=True, check=True)
    return int(done.stdout)


async def eventually(look: Callable[[], Awaitable[T]], seconds: float = 240) -> T:
    async with asyncio.timeout(seconds):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.1)
