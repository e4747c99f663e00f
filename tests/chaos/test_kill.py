"""kill -9 of server and trainers at random moments: every job ends, one model each, no event lost or doubled.

Everything is real: server processes over one data folder, toy trainers as children, the client over HTTP. CHAOS_JOBS and
CHAOS_SEED make it longer or different.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from PIL import Image

from eyebright import Client
from eyebright.errors import EyebrightError
from eyebright.settings import Settings
from eyebright_wire.jobs import JobKind, JobRequest

JOBS = {"sqlite": int(os.environ.get("CHAOS_JOBS", "100")), "postgresql": int(os.environ.get("CHAOS_JOBS", "30"))}
SEED = int(os.environ.get("CHAOS_SEED", "7"))
KILL_EVERY_SECONDS = (0.15, 0.9)
SERVER_SHARE = 0.15  # of the blows
DEADLINE_SECONDS = 420


class World:
    """One data folder and whichever server process serves it at the moment."""

    def __init__(self, data_dir: Path, database_url: str, jobs: int) -> None:
        self.data_dir = data_dir
        self.jobs = jobs
        self.enough = max(25, jobs // 2)  # kills
        self.random = random.Random(SEED)
        self.kills: Counter[str] = Counter()
        self.log = (data_dir / "server.log").open("ab")
        self.environment = {
            **os.environ,
            "EYEBRIGHT_DATA_DIR": str(data_dir),
            "EYEBRIGHT_DATABASE_URL": database_url,
            "EYEBRIGHT_PORT": "0",
            "EYEBRIGHT_LOCAL__CPU_SLOTS": "4",
            "EYEBRIGHT_JOBS__HEARTBEAT_SECONDS": "1",
            "EYEBRIGHT_JOBS__STOP_GRACE_SECONDS": "2",
            # The monkey is far more violent than the world: with the default budgets jobs would fail, as they should.
            "EYEBRIGHT_RETRY__LOSSES": "1000",
            "EYEBRIGHT_RETRY__FAILURES": "1000",
            "EYEBRIGHT_RETRY__BARREN": "1000",
            "EYEBRIGHT_RETRY__BASE_SECONDS": "0.05",
            "EYEBRIGHT_RETRY__CAP_SECONDS": "0.2",
        }
        self.server = self.start()

    def start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "eyebright", "serve"]
        return subprocess.Popen(command, env=self.environment, stdout=self.log, stderr=self.log)

    def client(self) -> Client:
        """Waits until a server answers."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.server.poll() is not None:
                self.server = self.start()
            try:
                client = Client(settings=Settings(data_dir=self.data_dir), tries=1)
                client.ready()
            except EyebrightError:
                time.sleep(0.05)
            else:
                return client
        raise AssertionError(f"no server within 60 s:\n{(self.data_dir / 'server.log').read_text()[-3000:]}")

    def trainers(self) -> list[psutil.Process]:
        """By the folder that their spec lies in: other tests run trainers too."""
        ours = str(self.data_dir)
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(part.startswith(ours) and part.endswith("spec.json") for part in process.info["cmdline"] or [])
        ]

    def strike(self) -> None:
        """The server when its share is due: not by lot, for while it starts there may be no trainer to be struck."""
        if self.kills["server"] < SERVER_SHARE * self.kills.total():
            self.kill_server()
        elif victims := self.trainers():
            with contextlib.suppress(psutil.NoSuchProcess):
                self.random.choice(victims).kill()
                self.kills["trainer"] += 1

    def kill_server(self) -> None:
        """At any moment of its life, its start included; then give it time to get somewhere before the next blow."""
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        self.kills["server"] += 1
        time.sleep(self.random.uniform(0, 0.5))  # trainers go on without anybody listening
        self.server = self.start()
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0.2, 1.5))
            self.server.send_signal(signal.SIGKILL)
            self.server.wait()
            self.server = self.start()
        self.client().close()

    def close(self) -> None:
        self.server.terminate()
        self.server.wait(20)
        for trainer in self.trainers():
            trainer.kill()
        self.log.close()


@pytest.fixture(params=JOBS)
def world(tmp_path, request, fresh_url):
    world = World(tmp_path, fresh_url(request.param), JOBS[request.param])
    yield world
    world.close()


@pytest.mark.timeout(600)
def test_every_job_ends_with_exactly_one_model(world, tmp_path, record_property):
    dataset = import_all(world, pictures(tmp_path / "pictures"))
    ids = submit_all(world, dataset)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and world.kills.total() < world.enough:
        world.strike()
        if unfinished(world) == 0:  # the trainers were quicker than the blows
            ids.append(submit_surely(world, dataset, len(ids)))
        time.sleep(world.random.uniform(*KILL_EVERY_SECONDS))
    while unfinished(world):
        assert time.monotonic() < deadline + 120, "the jobs did not end even after the killing stopped"
        time.sleep(0.3)
    record_property("kills", json.dumps(world.kills))
    check(world, ids)
    assert world.kills["server"] >= 2
    assert world.kills["trainer"] >= world.enough // 2


def import_all(world: World, folder: Path) -> str:
    with world.client() as client:
        return client.import_dataset(folder).id


def submit_all(world: World, dataset: str) -> list[str]:
    ids = []
    for number in range(world.jobs):
        ids.append(submit_surely(world, dataset, number))
        if number % 10 == 5:
            world.strike()  # orders too must survive: the same key is the same job
    assert len(set(ids)) == world.jobs
    return ids


def submit_surely(world: World, dataset: str, number: int) -> str:
    request = JobRequest(
        dataset=dataset,
        trainer="toy",
        config={"epochs": 3, "checkpoint_steps": 1, "step_seconds": 0.03},
        labels={"number": str(number)},
    )
    while True:
        try:
            with world.client() as client:
                return client.submit(request, key=f"job-{number}").id
        except EyebrightError:
            time.sleep(0.05)


def unfinished(world: World) -> int:
    try:
        with world.client() as client:
            return sum(not job.state.final for job in client.jobs())
    except EyebrightError:
        return -1  # killed while it answered: nobody knows


def check(world: World, ids: list[str]) -> None:
    with world.client() as client:
        jobs = {job.id: job for job in client.jobs(kind=JobKind.TRAINING)}
        assert set(jobs) == set(ids), "an order was lost or doubled"
        assert Counter(str(job.state) for job in jobs.values()) == {"succeeded": len(ids)}, {
            job.id: (str(job.state), job.reason, job.message) for job in jobs.values() if job.state != "succeeded"
        }
        models = list(client.models())
        assert Counter(model.job_id for model in models) == dict.fromkeys(ids, 1)
        assert {model.id for model in models} == {job.model_id for job in jobs.values()}
        for job in jobs.values():
            check_events(client, job.id, world.data_dir / "runs" / job.id)


def check_events(client: Client, job_id: str, runs: Path) -> None:
    """What is stored is what each attempt wrote down, to the last event, once."""
    events = list(client.events(job_id))
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    stored: dict[int, list[tuple[int, str]]] = {}
    for event in events:
        stored.setdefault(event.attempt, []).append((event.seq, event.kind))
    written = {int(folder.name[1:]): spooled(folder / "spool.jsonl") for folder in runs.iterdir()}
    assert stored == {attempt: events for attempt, events in written.items() if events}
    assert [event.kind for event in events].count("succeeded") == 1
    assert events[-1].kind == "succeeded"


def spooled(spool: Path) -> list[tuple[int, str]]:
    """The whole lines of a spool; the last one may be torn."""
    lines = spool.read_text().split("\n")[:-1] if spool.exists() else []
    return [(event["seq"], event["kind"]) for event in map(json.loads, lines)]


def pictures(folder: Path) -> Path:
    """Two kinds of grey that even a toy can tell apart."""
    for split, count in (("train", 8), ("val", 4)):
        for shade, label in ((60, "dark"), (190, "light")):
            target = folder / split / label
            target.mkdir(parents=True)
            for number in range(count):
                Image.new("L", (16, 16), shade + number).save(target / f"{number}.png")
    return folder
