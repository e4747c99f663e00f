"""`serve` for real: a service in its own process, killed and started again, and back ends that lose what they are told."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydantic import BaseModel

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_toy.manifest import MANIFEST
from eyebright_wire.events import LAST_WORDS

TOKEN = "token-of-this-attempt-and-no-other"
KEY = "key-in-the-callback-url"
ENDLESS = {
    "epochs": 1_000,
    "step_seconds": 0.02,
    "checkpoint_steps": 8,
}  # outlasts what a test does meanwhile, on the slowest machine


def until(holds: Callable[[], Any], seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
    return found


class Metrics(BaseModel):
    epoch: int | None = None
    loss: float | None = None
    accuracy: float | None = None


class Update(BaseModel):
    """The body as a Vision AI Training Platform declares it: nothing of numbers, and a metric per epoch."""

    job_id: str
    status: str
    progress: float | None = None
    message: str | None = None
    metrics: Metrics | None = None
    checkpoint_s3_uri: str | None = None
    error: str | None = None


class Backend:
    """A platform's back end with POST /training/jobs/{id}/callback → {"status": "ok"}. `status` is what it answers instead,
    `losing` how many answers get lost after it has taken the update."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.status, self.losing = 200, 0
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = backend.take(body, self.headers.get("Authorization"))
                if backend.losing > 0:
                    backend.losing -= 1
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/training/jobs/tiny/callback?key={KEY}"

    def take(self, body: dict[str, Any], authorization: str | None) -> tuple[int, dict[str, Any]]:
        if self.status != 200:
            return self.status, {"detail": "Not Found"}
        Update.model_validate(body)
        self.heard.append(body)
        self.tokens.add(authorization)
        return 200, {"status": "ok"}

    def statuses(self) -> list[str]:
        return [body["status"] for body in self.heard]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class ControlPlane(Backend):
    """One that keeps the numbers, as ours does: next in order or not at all, the same again is no harm."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[int, dict[str, Any]] = {}
        self.beats: list[dict[str, Any]] = []
        self.cancel = False

    def take(self, body: dict[str, Any], authorization: str | None) -> tuple[int, dict[str, Any]]:
        if self.status != 200:
            return self.status, {}
        assert authorization == f"Bearer {TOKEN}"
        self.beats += [body["heartbeat"]] if "heartbeat" in body else []
        for event in body.get("events", ()):
            if event["seq"] > len(self.events) + 1:
                return 409, {"code": "gap", "expected": len(self.events) + 1}
            assert self.events.setdefault(event["seq"], event) == event
        return 200, {"status": "ok", "acked": len(self.events), "cancel": self.cancel}

    def kinds(self) -> list[str]:
        return [self.events[seq]["kind"] for seq in sorted(self.events)]


class Service:
    """`python -m eyebright_toy serve` on a free port."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.log = folder.parent / "serve.log"
        self._more = more
        self.start()

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "eyebright_toy",
            "serve",
            "--port",
            "0",
            "--folder",
            str(self.folder),
            *self._more,
        ]
        before = self.text().count("listens on")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        until(lambda: self.text().count("listens on") > before)
        self.client = httpx.Client(base_url=re.findall(r"listens on (\S+)", self.text())[-1], timeout=60)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.client.close()

    def order(
        self, root: Path, callback_url: str, attempt: int = 1, token: str = TOKEN, **config: Any
    ) -> httpx.Response:
        spec = (
            TinyJob(root, MANIFEST, heartbeat_seconds=0.2).spec(attempt, **config).model_copy(update={"token": token})
        )
        body = {"job_id": "tiny", "config": {}, "dataset_s3_uri": "s3://datasets/tiny/", "callback_url": callback_url}
        return self.client.post("/training/start", json={**body, "spec": spec.model_dump(mode="json")})

    def get(self, path: str) -> Any:
        return self.client.get(path).raise_for_status().json()

    def run(self) -> dict[str, Any]:
        (run,) = self.get("/runs")["runs"]
        return run

    def trainer(self, attempt: int = 1) -> int:
        """Its pid, once it says so itself."""
        path = self.folder / "runs" / "tiny" / f"a{attempt}" / "process.json"
        until(path.exists)
        return json.loads(path.read_text())["pid"]

    def close(self) -> None:
        if self.process.poll() is not None:
            self.start()
        for run in self.get("/runs")["runs"]:
            self.client.delete(f"/runs/{run['name']}?grace=0")
        self.client.close()
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "service", "--places", "1")
    yield made
    made.close()


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()
    yield made
    made.close()


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    made = ControlPlane()
    yield made
    made.close()


def test_a_platform_hears_of_a_training_from_its_start_to_its_model(service: Service, backend: Backend, tmp_path: Path):
    answer = service.order(tmp_path, backend.url, epochs=3, step_seconds=0.05)
    assert (answer.status_code, answer.json()) == (200, {"status": "started", "job_id": "tiny"})
    until(lambda: "completed" in backend.statuses())
    first, last = backend.heard[0], backend.heard[-1]
    assert (first["job_id"], first["status"]) == ("tiny", "running")
    assert backend.statuses() == ["running"] * (len(backend.heard) - 1) + ["completed"]
    assert last["progress"] == 1.0
    assert last["checkpoint_s3_uri"].startswith("file:///")
    assert Path(last["checkpoint_s3_uri"].removeprefix("file://")).is_file()
    shares = [body["progress"] for body in backend.heard if "progress" in body]
    assert shares == sorted(shares)


def test_epochs_are_counted_from_0_and_every_one_has_its_metrics(service: Service, backend: Backend, tmp_path: Path):
    service.order(tmp_path, backend.url, epochs=3, step_seconds=0.1)
    until(lambda: "completed" in backend.statuses())
    epochs = [body["metrics"]["epoch"] for body in backend.heard if body["status"] == "running" and "metrics" in body]
    assert sorted(set(epochs)) == [0, 1, 2]


def test_a_service_that_is_killed_loses_nothing_and_the_next_one_goes_on(
    service: Service, plane: ControlPlane, tmp_path: Path
):
    service.order(tmp_path, plane.url, **ENDLESS)
    until(lambda: plane.kinds().count("progress") >= 3)
    trainer = service.trainer()
    service.kill()
    spool = service.folder / "runs" / "tiny" / "a1" / "spool.jsonl"
    until(lambda: len(spool.read_text().splitlines()) > len(plane.events) + 3)
    told = len(plane.events)
    service.start()
    assert "took over 1 running training\n" in service.text()
    assert service.run()["vital"] == "alive"
    until(lambda: len(plane.events) > told + 3)
    assert service.trainer() == trainer
    assert psutil.pid_exists(trainer)
    plane.cancel = True
    until(lambda: set(plane.kinds()) & LAST_WORDS)
    assert sorted(plane.events) == list(range(1, len(plane.events) + 1))


def test_answers_that_get_lost_are_asked_for_again_and_nothing_is_doubled(
    service: Service, plane: ControlPlane, tmp_path: Path
):
    plane.losing = 3
    service.order(tmp_path, plane.url)
    until(lambda: "succeeded" in plane.kinds() and plane.losing == 0)  # one post may hold all, and its answer get lost
    written = (service.folder / "runs" / "tiny" / "a1" / "spool.jsonl").read_text().splitlines()
    assert [plane.events[seq] for seq in sorted(plane.events)] == [_plain(json.loads(line)) for line in written]


def test_a_control_plane_that_is_away_holds_up_no_training(service: Service, plane: ControlPlane, tmp_path: Path):
    plane.status = 503
    service.order(tmp_path, plane.url)
    until(lambda: service.run()["vital"] == "gone")
    assert service.run()["exit_code"] == 0
    assert plane.events == {}
    plane.status = 200
    until(lambda: "succeeded" in plane.kinds())


def test_one_that_forgot_what_it_heard_is_told_from_there(service: Service, plane: ControlPlane, tmp_path: Path):
    service.order(tmp_path, plane.url, **ENDLESS)
    until(lambda: len(plane.events) > 6)
    plane.events = {seq: plane.events[seq] for seq in (1, 2, 3)}
    until(lambda: len(plane.events) > 6)
    plane.cancel = True
    until(lambda: set(plane.kinds()) & LAST_WORDS)
    assert sorted(plane.events) == list(range(1, len(plane.events) + 1))


def test_signs_of_life_go_out_while_there_is_nothing_else_to_say(service: Service, plane: ControlPlane, tmp_path: Path):
    service.order(tmp_path, plane.url, hang_at_step=3)
    before = until(lambda: len(plane.beats))
    until(lambda: len(plane.beats) > before + 3)
    times = [beat["at_ms"] for beat in plane.beats]
    assert times == sorted(times)


def test_what_is_refused_for_good_is_a_dead_letter_until_it_is_replayed(
    service: Service, plane: ControlPlane, tmp_path: Path
):
    plane.status = 404
    service.order(tmp_path, plane.url)
    (letter,) = until(lambda: service.get("/dead")["letters"])
    assert (letter["run"], letter["update"]["job_id"]) == ("tiny-a1", "tiny")
    assert "HTTP 404" in letter["reason"]
    until(lambda: service.run()["exit_code"] == 0)
    service.kill()
    service.start()
    assert [other["id"] for other in service.get("/dead")["letters"]] == [letter["id"]]
    plane.status = 200
    assert service.client.post(f"/dead/{letter['id']}/replay").status_code == 200
    until(lambda: "succeeded" in plane.kinds())
    assert service.get("/dead")["letters"] == []
    assert service.client.post(f"/dead/{letter['id']}/replay").status_code == 404


def test_the_same_start_again_is_one_run_and_another_order_is_refused(
    service: Service, plane: ControlPlane, tmp_path: Path
):
    answers = [service.order(tmp_path, plane.url, **ENDLESS) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"status": "started", "job_id": "tiny"}] * 2
    service.trainer()
    assert len(_trainers(service)) == 1
    assert service.order(tmp_path, plane.url, token="another", **ENDLESS).status_code == 409
    full = service.order(tmp_path, plane.url, attempt=2, **ENDLESS)
    assert (full.status_code, full.json()["code"]) == (503, "no_capacity")
    assert int(full.headers["Retry-After"]) > 0


def test_what_was_over_long_ago_is_removed_when_the_service_starts(
    service: Service, plane: ControlPlane, tmp_path: Path
):
    service.order(tmp_path, plane.url)
    told = service.folder / "runs" / "tiny" / "a1" / "told.json"
    until(lambda: told.exists() and json.loads(told.read_text())["over"])
    until(lambda: service.run()["exit_code"] == 0)
    os.utime(told, (0, 0))
    service.kill()
    service.start()
    until(lambda: not any((service.folder / "runs").iterdir()))
    assert service.get("/runs")["runs"] == []


def test_a_place_is_free_again_once_its_training_is_over(service: Service, plane: ControlPlane, tmp_path: Path):
    service.order(tmp_path, plane.url, **ENDLESS)
    assert service.get("/health")["free"] == 0
    plane.cancel = True
    until(lambda: service.get("/health")["free"] == 1)
    assert service.order(tmp_path, "http://127.0.0.1:9/", attempt=2).status_code == 200


def test_who_hears_may_ask_it_to_stop(service: Service, plane: ControlPlane, tmp_path: Path):
    service.order(tmp_path, plane.url, **ENDLESS)
    until(lambda: plane.kinds().count("progress") >= 2)
    plane.cancel = True
    until(lambda: set(plane.kinds()) & LAST_WORDS)
    until(lambda: service.run()["vital"] == "gone")
    assert service.run()["exit_code"] == 83


def test_a_run_that_is_deleted_leaves_in_order_and_its_platform_hears_cancelled(
    service: Service, backend: Backend, tmp_path: Path
):
    service.order(tmp_path, backend.url, **ENDLESS)
    until(lambda: len(backend.heard) > 3)
    trainer = service.trainer()
    answer = service.client.delete("/runs/tiny-a1?grace=30")
    assert (answer.status_code, answer.json()["exit_code"]) == (200, 83)
    assert not psutil.pid_exists(trainer)
    until(lambda: backend.statuses()[-1] == "cancelled")
    assert service.get("/runs/tiny-a1/spool?after=0")["events"][-1]["kind"] == "preempted"


def test_a_platform_hears_of_a_trainer_that_was_killed(service: Service, backend: Backend, tmp_path: Path):
    service.order(tmp_path, backend.url, **ENDLESS)
    until(lambda: len(backend.heard) > 3)
    os.kill(service.trainer(), signal.SIGKILL)
    until(lambda: backend.statuses()[-1] == "failed")
    assert "137" in backend.heard[-1]["error"]
    time.sleep(1)
    assert backend.statuses().count("failed") == 1


def test_a_control_plane_asks_itself_how_a_killed_trainer_ended(service: Service, plane: ControlPlane, tmp_path: Path):
    service.order(tmp_path, plane.url, **ENDLESS)
    until(lambda: len(plane.events) > 3)
    os.kill(service.trainer(), signal.SIGKILL)
    until(lambda: service.run()["vital"] == "gone")
    assert service.run()["exit_code"] == 137
    assert not set(plane.kinds()) & LAST_WORDS


def test_neither_token_nor_key_is_told_to_anybody(service: Service, plane: ControlPlane, tmp_path: Path):
    plane.status = 404
    service.order(tmp_path, plane.url, **ENDLESS)
    until(lambda: service.get("/dead")["letters"])
    trainer = psutil.Process(service.trainer())
    seen = (
        json.dumps([service.get("/dead"), service.get("/runs"), trainer.cmdline(), trainer.environ()]) + service.text()
    )
    assert TOKEN not in seen
    assert KEY not in seen
    folder = service.folder / "runs" / "tiny" / "a1"
    for private in (service.folder, folder, folder / "spec.json", folder / "ticket.json"):
        assert private.stat().st_mode & 0o077 == 0, private


def test_two_services_never_work_in_one_folder(service: Service):
    command = [sys.executable, "-m", "eyebright_toy", "serve", "--port", "0", "--folder", str(service.folder)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (second.returncode, "another service works in" in second.stderr) == (64, True)


def _trainers(service: Service) -> list[int]:
    runs = str(service.folder / "runs")
    return [
        process.pid for process in psutil.process_iter(["cmdline"]) if runs in " ".join(process.info["cmdline"] or ())
    ]


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if value is not None}
