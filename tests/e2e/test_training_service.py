"""A training service behind a platform that keeps nothing but addresses: data from a bucket, the model into a bucket."""

import io
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from eyebright.catalog.builtin import toy
from eyebright.catalog.trainers import CHECKOUT

PYTHON = CHECKOUT / toy.project / ".venv" / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="the toy trainer is not installed: make trainers")
COLOURS = {"bright": 230, "dark": 20}


def until(holds: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3(store: str) -> Any:
    client = boto3.client(
        "s3", endpoint_url=store, aws_access_key_id="id", aws_secret_access_key="secret", region_name="us-east-1"
    )
    for bucket in ("datasets", "vision-platform"):
        client.create_bucket(Bucket=bucket)
    for split, count in (("train", 12), ("val", 4)):
        for label, grey in COLOURS.items():
            for number in range(count):
                picture = io.BytesIO()
                Image.new("RGB", (32, 32), (grey + number, grey, grey)).save(picture, "PNG")
                key = f"test/my-dataset/{split}/{label}/{number}.png"
                client.put_object(Bucket="datasets", Key=key, Body=picture.getvalue())
    yield client
    client.close()


class Backend:
    """Takes callbacks, and answers as such a platform does."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                backend.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "16")
                self.end_headers()
                self.wfile.write(b'{"status": "ok"}')

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/training/jobs/123/callback"

    def last(self) -> str:
        return self.heard[-1]["status"] if self.heard else ""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()
    yield made
    made.close()


class Service:
    def __init__(self, folder: Path, store: str) -> None:
        self._folder, self._store = folder, store
        self._log = folder / "serve.log"
        self.start()

    def start(self) -> None:
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._folder),
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self._store,
        }
        command = [PYTHON, "-m", "eyebright_toy", "serve", "--port", "0", "--folder", self._folder / "service"]
        command += ["--results", "s3://vision-platform/", "--places", "1"]
        before = self.text().count("listens on")
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        until(lambda: self.text().count("listens on") > before)
        self.client = httpx.Client(base_url=re.findall(r"listens on (\S+)", self.text())[-1], timeout=60)

    def text(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def kill(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def order(
        self, backend: Backend, job_id: str = "123", uri: str = "s3://datasets/test/my-dataset/", **config: Any
    ) -> Any:
        body = {"job_id": job_id, "config": config, "dataset_s3_uri": uri, "callback_url": backend.url}
        return self.client.post("/training/start", json=body)

    def trainer(self) -> psutil.Process:
        note = self._folder / "service" / "runs" / "123" / "a1" / "process.json"
        return psutil.Process(json.loads(note.read_text())["pid"])

    def close(self) -> None:
        for run in self.client.get("/runs").json()["runs"]:
            self.client.delete(f"/runs/{run['name']}?grace=0")
        self.client.close()
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def service(tmp_path: Path, store: str, s3: Any) -> Iterator[Service]:
    made = Service(tmp_path, store)
    yield made
    made.close()


def test_a_start_as_platforms_send_it_ends_with_a_model_in_their_bucket(service: Service, backend: Backend, s3: Any):
    started = service.order(backend, model="softmax", epochs=2)
    assert (started.status_code, started.json()) == (200, {"status": "started", "job_id": "123"})
    until(lambda: backend.last() in ("completed", "failed"))
    last = backend.heard[-1]
    assert (last["status"], last["progress"]) == ("completed", 1.0), last
    assert last["checkpoint_s3_uri"].startswith("s3://vision-platform/jobs/123/")
    key = last["checkpoint_s3_uri"].removeprefix("s3://vision-platform/")
    assert s3.get_object(Bucket="vision-platform", Key=key)["Body"].read()
    fields = {"job_id", "status", "progress", "message", "metrics", "checkpoint_s3_uri", "error"}
    assert all(set(body) <= fields and body["job_id"] == "123" for body in backend.heard)
    assert service.order(backend, model="softmax", epochs=2).json()["status"] == "started"
    assert service.order(backend, model="softmax", epochs=3).status_code == 409


def test_the_service_may_be_killed_meanwhile(service: Service, backend: Backend):
    service.order(backend, epochs=30, step_seconds=0.03)
    until(lambda: any("metrics" in body for body in backend.heard))
    service.kill()
    service.start()
    until(lambda: backend.last() == "completed")
    assert [body["status"] for body in backend.heard].count("completed") == 1


def test_the_trainer_has_no_key_of_the_bucket(service: Service, backend: Backend):
    """The importer may."""
    service.order(backend, hang_at_step=2)
    until(lambda: any("metrics" in body for body in backend.heard))
    assert not [name for name in service.trainer().environ() if name.startswith("AWS_")]


def test_data_that_are_not_there_are_told_in_words(service: Service, backend: Backend):
    service.order(backend, uri="s3://datasets/nothing/here/")
    until(lambda: backend.last() == "failed")
    assert "s3://datasets/nothing/here/" in backend.heard[-1]["error"]
    assert [body["status"] for body in backend.heard].count("failed") == 1


def test_an_id_that_is_a_path_becomes_neither_a_folder_nor_a_key(service: Service, backend: Backend, s3: Any):
    service.order(backend, job_id="../../x", epochs=1)
    until(lambda: backend.last() == "completed")
    assert backend.heard[-1]["job_id"] == "../../x"
    assert re.fullmatch(r"s3://vision-platform/jobs/job-[0-9a-f]{40}/[\w.-]+", backend.heard[-1]["checkpoint_s3_uri"])


@pytest.mark.parametrize(
    ("uri", "config", "word"),
    [
        ("s3://datasets/test/my-dataset/", {"model": "yolo11n"}, "model 'yolo11n' is not known"),
        ("s3://datasets/test/my-dataset/", {"epoch": 3}, "did you mean 'epochs'"),
        ("s3://datasets/test/my-dataset/", {"task": "poetry"}, "task 'poetry'"),
        ("file:///etc/", {}, "dataset_s3_uri"),
        ("http://169.254.169.254/latest/", {}, "dataset_s3_uri"),
        ("s3://", {}, "dataset_s3_uri"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(
    service: Service, backend: Backend, uri: str, config: dict[str, Any], word: str
):
    answer = service.order(backend, uri=uri, **config)
    assert answer.status_code == 422
    assert word in answer.json()["detail"]
    assert service.client.get("/runs").json() == {"runs": []}
