"""Three servers on one Postgres and one bucket, behind a balancer: any may die at any time, and nothing is lost or doubled."""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from harness.balancer import Balancer, balancer_before, is_ready
from harness.live import environment, pets
from harness.object_stores import BUCKET, Endpoints, endpoints
from harness.ports import free_ports

from eyebright import Client
from eyebright.errors import EyebrightError
from eyebright.settings import Settings
from eyebright_wire.jobs import JobRequest

__all__ = ["endpoints"]

JOBS = int(os.environ.get("CHAOS_JOBS", "12"))
SEED = int(os.environ.get("CHAOS_SEED", "7"))
KILLS = 6
DEADLINE_SECONDS = 300
LEASE_SECONDS = 15  # a trainer that is slow to begin must not look lost
READY_SECONDS = 120


class Replicas:
    """Each with a folder and a port of its own."""

    def __init__(self, folder: Path, variables: dict[str, str], ports: list[int], url: str) -> None:
        self.folders = [folder / f"replica{number}" for number in range(len(ports))]
        self.ports = ports
        self.variables = {**variables, "EYEBRIGHT_PUBLIC_URL": url}
        for place in self.folders:
            place.mkdir(parents=True)
        self.processes = [self.start(number) for number in range(len(ports))]

    def start(self, number: int) -> "subprocess.Popen[bytes]":
        variables = environment(self.folders[number], **self.variables) | {"EYEBRIGHT_PORT": str(self.ports[number])}
        with (self.folders[number] / "server.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "eyebright", "serve"], env=variables, stdout=log, stderr=log)

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number].wait(30)

    def restart(self, number: int) -> None:
        self.processes[number] = self.start(number)

    def await_ready(self, number: int) -> None:
        until(lambda: self.is_ready(number), self.log(number), READY_SECONDS)

    def is_ready(self, number: int) -> bool:
        assert self.processes[number].poll() is None, self.log(number)()
        return is_ready(self.ports[number])

    def log(self, number: int) -> Callable[[], str]:
        return lambda: (self.folders[number] / "server.log").read_text()[-4000:]

    def trainers(self) -> list[psutil.Process]:
        ours = tuple(map(str, self.folders))
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(part.startswith(ours) and part.endswith("spec.json") for part in process.info["cmdline"] or [])
        ]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(30)
        for trainer in self.trainers():
            trainer.kill()


class World:
    def __init__(self, replicas: Replicas, balancer: Balancer, token: str) -> None:
        self.replicas = replicas
        self.balancer = balancer
        self.token = token

    def client(self, number: int | None = None) -> Client:
        """Of any server, or of this one."""
        url = self.balancer.url if number is None else f"http://127.0.0.1:{self.replicas.ports[number]}"
        return Client(settings=Settings(url=url, token=self.token), tries=1)


@pytest.fixture
def world(
    tmp_path: Path, fresh_url: Callable[[str], str], endpoints: Endpoints, request: pytest.FixtureRequest
) -> Iterator[World]:
    token = secrets.token_urlsafe(32)
    (tmp_path / "token").write_text(token)
    variables = {
        "EYEBRIGHT_DATABASE_URL": fresh_url("postgresql"),
        "EYEBRIGHT_TOKEN_FILE": str(tmp_path / "token"),
        "EYEBRIGHT_STORAGE__PLACE": f"s3://{BUCKET}/{request.node.name}",
        "EYEBRIGHT_STORAGE__ENDPOINT": endpoints["moto"],
        "EYEBRIGHT_LOCAL__CPU_SLOTS": "2",
        "EYEBRIGHT_DRAIN_SECONDS": "15",
        "EYEBRIGHT_JOBS__LEASE_SECONDS": str(LEASE_SECONDS),
        "EYEBRIGHT_JOBS__HEARTBEAT_SECONDS": "1",
        "EYEBRIGHT_JOBS__STOP_GRACE_SECONDS": "2",
        "EYEBRIGHT_RETRY__LOSSES": "1000",
        "EYEBRIGHT_RETRY__FAILURES": "1000",
        "EYEBRIGHT_RETRY__BARREN": "1000",
        "EYEBRIGHT_RETRY__BASE_SECONDS": "0.05",
        "EYEBRIGHT_RETRY__CAP_SECONDS": "0.2",
    }
    ports = free_ports(3)
    with balancer_before(ports) as balancer:
        replicas = Replicas(tmp_path, variables, ports, balancer.url)
        try:
            for number in range(3):
                replicas.await_ready(number)
            yield World(replicas, balancer, token)
        finally:
            replicas.close()


@pytest.mark.timeout(900)
def test_any_server_may_be_killed_and_nothing_is_lost_or_doubled(world: World, tmp_path: Path) -> None:
    dice, replicas = random.Random(SEED), world.replicas
    with world.client(0) as client:
        dataset = client.import_dataset(pets(tmp_path / "pets")).id
    ids = [surely(world, lambda client, n=n: order(client, dataset, n)) for n in range(JOBS)]
    assert len(set(ids)) == JOBS
    for blow in range(KILLS):
        number = dice.randrange(3)
        replicas.kill(number)
        # Every third time it stays away until others have taken its runs over.
        time.sleep(dice.uniform(0, 1) if blow % 3 else 3 * LEASE_SECONDS)
        replicas.restart(number)
        replicas.await_ready(number)
        if blow == KILLS // 2:
            ids += [surely(world, lambda client, n=n: order(client, dataset, n)) for n in range(JOBS, JOBS + 4)]
        time.sleep(dice.uniform(0, 1))
    until(lambda: not unfinished(world), lambda: "jobs did not end", DEADLINE_SECONDS)
    check(world, ids)


@pytest.mark.timeout(600)
def test_servers_are_restarted_one_by_one_without_a_failed_request(world: World, tmp_path: Path) -> None:
    with world.client(0) as client:
        dataset = client.import_dataset(pets(tmp_path / "pets")).id
    with calling(world, dataset) as callers:
        for number in range(3):
            before = callers.done
            world.replicas.processes[number].send_signal(signal.SIGTERM)
            require_farewell(world, number)
            world.replicas.processes[number].wait(60)
            world.replicas.restart(number)
            world.replicas.await_ready(number)
            until(lambda since=before: callers.done > since + 20, world.replicas.log(number))
    assert callers.failed == []
    until(lambda: not unfinished(world), lambda: "jobs did not end", DEADLINE_SECONDS)
    with world.client() as client:
        assert Counter(job.id for job in client.jobs() if job.trainer == "toy") == dict.fromkeys(callers.ordered, 1)


def require_farewell(world: World, number: int) -> None:
    """It tells balancers that it leaves, and still answers whoever has not heard."""
    until(lambda: not world.replicas.is_ready(number), world.replicas.log(number))
    url, headers = (
        f"http://127.0.0.1:{world.replicas.ports[number]}/api/v1/jobs",
        {"Authorization": f"Bearer {world.token}"},
    )
    answer = httpx.get(url, headers=headers, timeout=20, trust_env=False)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


class Callers:
    """Programs that keep their connection and never try twice."""

    def __init__(self, world: World, dataset: str) -> None:
        self.failed: list[str] = []
        self.ordered: list[str] = []
        self.done = 0
        self.over = threading.Event()
        self._headers = {"Authorization": f"Bearer {world.token}"}
        self._url = f"{world.balancer.url}/api/v1/jobs"
        self._order = {"dataset": dataset, "trainer": "toy", "config": {"epochs": 1}}

    def call(self) -> None:
        with httpx.Client(headers=self._headers, timeout=20, trust_env=False) as http:
            while not self.over.wait(0.1):
                try:
                    self._ask(http)
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                self.done += 1

    def _ask(self, http: httpx.Client) -> None:
        orders = self.done % 150 == 0
        answer = http.post(self._url, json=self._order) if orders else http.get(self._url)
        if not answer.is_success:
            self.failed.append(answer.text)
        elif orders:
            self.ordered.append(answer.json()["id"])


@contextmanager
def calling(world: World, dataset: str) -> Iterator[Callers]:
    callers = Callers(world, dataset)
    threads = [threading.Thread(target=callers.call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        callers.over.set()
        for thread in threads:
            thread.join()


def order(client: Client, dataset: str, number: int) -> str:
    config = {"epochs": 3, "checkpoint_steps": 1, "step_seconds": 0.05}
    return client.submit(JobRequest(dataset=dataset, trainer="toy", config=config), key=f"job-{number}").id


def surely(world: World, verb: Callable[[Client], str]) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            with world.client() as client:
                return verb(client)
        except EyebrightError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def unfinished(world: World) -> int:
    try:
        with world.client() as client:
            return sum(not job.state.final for job in client.jobs())
    except EyebrightError:
        return -1


def check(world: World, ids: list[str]) -> None:
    with world.client() as client:
        jobs = {job.id: job for job in client.jobs() if job.trainer == "toy"}
        assert set(jobs) == set(ids), "an order was lost or doubled"
        ended = Counter(str(job.state) for job in jobs.values())
        assert ended == {"succeeded": len(ids)}, [(job.id, job.reason, job.message) for job in jobs.values()]
        models = list(client.models())
        assert Counter(model.job_id for model in models) == dict.fromkeys(ids, 1)
        for job in jobs.values():
            check_events(world, client, job.id)


def check_events(world: World, client: Client, job_id: str) -> None:
    """Each attempt ran in one folder, and what is stored of it is the beginning of what it wrote down there."""
    events = list(client.events(job_id))
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events].count("succeeded") == 1
    assert events[-1].kind == "succeeded"
    folders = [path for place in world.replicas.folders for path in (place / "runs" / job_id).glob("a*")]
    assert len({path.name for path in folders}) == len(folders), "two servers launched one attempt"
    for path in folders:
        stored = [(event.seq, event.kind) for event in events if f"a{event.attempt}" == path.name]
        assert stored == spooled(path / "spool.jsonl")[: len(stored)]


def spooled(spool: Path) -> list[tuple[int, str]]:
    lines = spool.read_text().split("\n")[:-1] if spool.exists() else []
    return [(event["seq"], event["kind"]) for event in map(json.loads, lines)]


def until(holds: Callable[[], object], what: Callable[[], str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.5)
