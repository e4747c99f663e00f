"""A Vision AI Training Platform's journey on all that is real, with each piece of it killed while the data come in and again
while the training runs: the server, its Postgres, its store, the training service; and the trainer, once it runs."""

import os
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import Postgres, pg_binaries
from harness.ceph import Ceph
from harness.live import LiveServer, pets
from harness.places import Place, place
from harness.ports import free_port
from harness.training_service import TrainingService, training_service

from eyebright.client import running_server

__all__ = ["place"]

pytestmark = [pytest.mark.parametrize("place", ["radosgw"], indirect=True), pytest.mark.timeout(300)]
EPOCHS = 60
CONFIG = {"epochs": EPOCHS, "step_seconds": 0.05}
#: The first attempt waits to be killed, some epochs on.
WAITS = {"hang_at_step": 20, "misbehave_attempts": 1}


@dataclass
class World:
    live: LiveServer
    service: TrainingService
    postgres: Postgres
    store: Ceph

    def ask(self, method: str, path: str, **what: Any) -> Any:
        """As a patient caller does: whatever passes is tried again."""
        deadline = time.monotonic() + 90
        while True:
            with suppress(httpx.TransportError):
                answer = self._asked(method, path, **what)
                if answer.status_code < 500:
                    assert answer.is_success, answer.text
                    return answer.json()
            assert time.monotonic() < deadline, (self.live.data_dir / "server.log").read_text()[-4000:]
            time.sleep(0.2)

    def _asked(self, method: str, path: str, **what: Any) -> httpx.Response:
        server = running_server(self.live.settings)
        if server is None:
            raise httpx.ConnectError("no server runs")
        bearer = {"Authorization": f"Bearer {self.live.token}"}
        with httpx.Client(base_url=server.url, headers=bearer, trust_env=False, timeout=30) as http:
            return http.request(method, path, **what)

    def trainings(self) -> list[dict[str, Any]]:
        """As our own callers know them."""
        return self.ask("GET", "/api/v1/jobs", params={"kind": "training"})["items"]

    def events(self) -> list[dict[str, Any]]:
        """Of the one training, once it is there."""
        jobs = self.trainings()
        path = f"/api/v1/jobs/{jobs[0]['id']}/events" if jobs else None
        return self.ask("GET", path, params={"limit": 500})["items"] if path else []

    def job(self, job_id: str) -> dict[str, Any]:
        return self.ask("GET", f"/training/jobs/{job_id}")


def kill_server(world: World) -> None:
    world.live.kill()
    world.live.__enter__()


def kill_service(world: World) -> None:
    world.service.kill()
    world.service.start()


def kill_trainer(world: World) -> None:
    (pid,) = (event["data"]["pid"] for event in world.events() if event["kind"] == "started")
    os.kill(pid, signal.SIGKILL)


PIECES: dict[str, Callable[[World], None]] = {
    "server": kill_server,
    "postgres": lambda world: world.postgres.crash(),
    "store": lambda world: world.store.restart_gateway(),
    "service": kill_service,
    "trainer": kill_trainer,
}


@pytest.fixture
def durable() -> Iterator[Postgres]:
    binaries = pg_binaries()
    if binaries is None:
        pytest.skip("no Postgres is installed")
    server = Postgres(binaries, durable=True)
    yield server
    server.stop()


@pytest.fixture
def world(tmp_path: Path, durable: Postgres, place: Place, ceph: Ceph) -> Iterator[World]:
    with training_service(tmp_path / "service") as service:
        variables = {
            **place.variables,
            "EYEBRIGHT_PORT": str(free_port()),
            "EYEBRIGHT_DATABASE_URL": durable.create(),
            "EYEBRIGHT_EXECUTORS": "service:toy",
            "EYEBRIGHT_SERVICES__URLS": f"toy={service.url}",
            "EYEBRIGHT_RETRY__BASE_SECONDS": "0.2",
        }
        with LiveServer(tmp_path / "data", **variables) as live:
            yield World(live, service, durable, ceph)


def until(holds: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
    return found


def ordered(world: World, folder: Path, config: dict[str, Any]) -> str:
    with zipfile.ZipFile(folder / "pets.zip", "w") as archive:
        for file in pets(folder / "pets").rglob("*.png"):
            archive.write(file, file.relative_to(folder / "pets"))
    content = (folder / "pets.zip").read_bytes()
    form = {"user_id": "ann", "dataset_name": "pets"}
    uploaded = world.ask("POST", "/datasets/upload", data=form, files={"file": ("pets.zip", content)})
    order = {"user_id": "ann", "framework": "toy", "model_name": "softmax", "config": config}
    job = world.ask("POST", "/training/jobs", json={**order, "dataset_s3_uri": uploaded["s3_uri"]})
    assert world.ask("POST", f"/training/jobs/{job['id']}/start") == {"status": "started"}
    return job["id"]


@pytest.mark.parametrize("piece", PIECES)
def test_a_journey_ends_well_whatever_is_killed_on_the_way(
    world: World, tmp_path: Path, place: Place, piece: str
) -> None:
    job_id = ordered(world, tmp_path, {**CONFIG, **WAITS} if piece == "trainer" else CONFIG)
    if piece != "trainer":  # which has not begun
        PIECES[piece](world)
    until(lambda: (world.job(job_id)["metrics"] or {}).get("epoch", 0) > 1, "an epoch")
    PIECES[piece](world)
    done = until(
        lambda: (job := world.job(job_id))["status"] in ("completed", "failed", "cancelled") and job, "the end"
    )
    assert (done["status"], done["progress"], done["error"]) == ("completed", 1.0, None)
    assert done["metrics"]["epoch"] == EPOCHS - 1
    root = place.variables["EYEBRIGHT_STORAGE__PLACE"]
    assert place.read(done["checkpoint_s3_uri"].removeprefix(f"{root}/"))
    attempts = 2 if piece == "trainer" else 1
    told = world.events()
    assert [event["attempt"] for event in told if event["kind"] == "started"] == [*range(1, attempts + 1)]
    assert [event["kind"] for event in told].count("succeeded") == 1
    for attempt in range(1, attempts + 1):
        said = [event["seq"] for event in told if event["attempt"] == attempt]
        assert said == [*range(1, len(said) + 1)]
    (training,), (model,) = world.trainings(), world.ask("GET", "/api/v1/models")["items"]
    assert (training["executor"], model["job_id"]) == ("service:toy", training["id"])
