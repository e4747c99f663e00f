"""How many trainings end well while everything around them fails, and whether those that do not say why.

A real server on Postgres and radosgw, and two training services, each a process of its own, all on this machine. 200 trainings
go to the services by turns. Meanwhile every twentieth trainer is killed (-9) once it has finished an epoch, a twentieth of what
services report is lost on the way, Postgres crashes when a quarter has ended, and the gateway of the store is killed when half
has. Ten more orders cannot end well, and how each must end is known: told to fail, to run out of memory, or to exit each time.

A training that was to end well and did not is an untrue reason unless it names one of what was done to it.
"""

import itertools
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import tenacity

from benchmarks.beside import gateway, postgres_server
from benchmarks.figure import Family, Figure
from benchmarks.ingest import asked, drawn
from benchmarks.lossy import losing
from benchmarks.server import Server, serving
from benchmarks.spread import say

_MEANWHILE = "5 % of trainers killed, 5 % of what they report lost, Postgres crashed once, the object store killed once"
WELL = Figure(
    name="faults_ended_well",
    unit="ratio",
    bar=0.99,
    against=f"200 trainings on two services; {_MEANWHILE}",
)
TRUE = Figure(
    name="faults_true_reasons",
    unit="ratio",
    bar=1.0,
    against="of those that failed, ten of which had to: the code of the error is that of what was done to them",
)

JOBS, EVERY, PLACES, PATIENCE_SECONDS = 200, 20, 3, 3600.0
CONFIG = {"epochs": 12, "step_seconds": 0.5}
DOOMED: tuple[tuple[Mapping[str, Any], str], ...] = (
    ({"fail_at_step": 2}, "trainer_error"),
    ({"memory_at_step": 2}, "out_of_memory"),
    ({"exit_at_step": 2, "exit_code": 9}, "trainer_error"),
)
DONE_TO_THEM = frozenset({"worker_lost", "storage_error"})
_FINAL = frozenset({"succeeded", "failed", "cancelled"})


@dataclass
class Trainings:
    """What was ordered, and how each must end: None = well."""

    http: httpx.Client
    expected: dict[str, str | None] = field(default_factory=dict)
    victims: set[str] = field(default_factory=set)
    killed: int = 0

    def order(self, dataset: str) -> None:
        services = itertools.cycle(("service:a", "service:b"))
        base = {"dataset": dataset, "trainer": "toy", "name": "faults"}
        doomed = itertools.islice(itertools.cycle(DOOMED), JOBS // EVERY)
        orders = [(CONFIG, None) for _ in range(JOBS)] + [({**CONFIG, **config}, code) for config, code in doomed]
        for number, (config, code) in enumerate(orders):
            order = {**base, "config": config, "executor": next(services)}
            job_id = _patiently(lambda order=order: self.http.post("/jobs", json=order))["id"]
            self.expected[job_id] = code
            if code is None and number % EVERY == EVERY // 2:
                self.victims.add(job_id)

    def look(self) -> dict[str, dict[str, Any]]:
        """All of them, as they are now."""
        found: dict[str, dict[str, Any]] = {}
        after: str | None = None
        while True:
            params = {"limit": 100, "kind": "training", **({"after": after} if after else {})}
            page = _patiently(lambda params=params: self.http.get("/jobs", params=params))
            found |= {job["id"]: job for job in page["items"]}
            if (after := page["next"]) is None:
                return found

    def kill(self, jobs: Mapping[str, dict[str, Any]]) -> None:
        """The trainers that are to be killed, and have something to lose."""
        for job_id in sorted(self.victims):
            job = jobs[job_id]
            if job["state"] in _FINAL or ((job["progress"] or {}).get("epoch", 0) > 1 and self._kill(job_id)):
                self.victims.remove(job_id)

    def _kill(self, job_id: str) -> bool:
        events = _patiently(lambda: self.http.get(f"/jobs/{job_id}/events", params={"limit": 500}))["items"]
        pid = [event["data"]["pid"] for event in events if event["kind"] == "started"][-1]
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.killed += 1
        return True


def faults() -> Mapping[str, float]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eyebright-bench-")))
        databases, store, way = stack.enter_context(postgres_server()), stack.enter_context(gateway()), None
        way = stack.enter_context(losing(0.05))
        urls = {name: stack.enter_context(_service(folder / name, way.url)).url for name in "ab"}
        server = stack.enter_context(serving(_variables(databases.create(), store, urls, way.url)))
        way.target = ("127.0.0.1", urlsplit(server.url).port or 0)
        blows = [(JOBS // 4, "Postgres crashes", databases.crash), (JOBS // 2, "the store dies", store.restart_gateway)]
        trainings, ended = _trained(server, folder, blows)
    say(f"{trainings.killed} trainers killed, {way.lost} of {way.posts} posts lost")
    if trainings.killed < JOBS // EVERY or not way.lost:
        raise RuntimeError(f"{JOBS // EVERY} trainers were to be killed, and some posts to be lost")
    return _judged(trainings, ended)


def _variables(database: str, store: Any, services: Mapping[str, str], public_url: str) -> dict[str, str]:
    credentials = {"AWS_ACCESS_KEY_ID": store.keys["access_key"], "AWS_SECRET_ACCESS_KEY": store.keys["secret_key"]}
    bucket = boto3.client(
        "s3", endpoint_url=store.endpoint, region_name="us-east-1",
        aws_access_key_id=store.keys["access_key"], aws_secret_access_key=store.keys["secret_key"],
    )  # fmt: skip
    bucket.create_bucket(Bucket="bucket")
    return {
        **credentials,
        "AWS_EC2_METADATA_DISABLED": "true",
        "EYEBRIGHT_DATABASE_URL": database,
        "EYEBRIGHT_STORAGE__PLACE": "s3://bucket/faults",
        "EYEBRIGHT_STORAGE__ENDPOINT": store.endpoint,
        "EYEBRIGHT_EXECUTORS": "local," + ",".join(f"service:{name}" for name in services),
        "EYEBRIGHT_SERVICES__URLS": ",".join(f"{name}={url}" for name, url in services.items()),
        "EYEBRIGHT_PUBLIC_URL": public_url,
    }


def _service(folder: Path, callback: str) -> Any:
    from harness.training_service import training_service

    return training_service(folder, "--callback", f"{callback}/", places=PLACES)


def _trained(server: Server, folder: Path, blows: list[tuple[int, str, Any]]) -> tuple[Trainings, list[dict[str, Any]]]:
    headers, base = {"Authorization": f"Bearer {server.token}"}, f"{server.url}/api/v1"
    with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as http:
        path = str(drawn(folder / "pictures"))
        version = asked(http.post("/datasets:import", json={"path": path, "name": "bench"}))
        trainings = Trainings(http)
        trainings.order(str(version["id"]))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            jobs = trainings.look()
            ended = [job for job in jobs.values() if job["state"] in _FINAL]
            if len(ended) == len(trainings.expected):
                return trainings, ended
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(ended)} of {len(jobs)} had ended after {PATIENCE_SECONDS:g} s")
            trainings.kill(jobs)
            while blows and len(ended) >= blows[0][0]:
                _, what, strike = blows.pop(0)
                say(f"{len(ended)} have ended: {what}")
                strike()
            time.sleep(0.5)


def _judged(trainings: Trainings, ended: list[dict[str, Any]]) -> Mapping[str, float]:
    hoped = [job for job in ended if trainings.expected[job["id"]] is None]
    well = [job for job in hoped if job["state"] == "succeeded"]
    failed = [job for job in ended if job["state"] != "succeeded" or trainings.expected[job["id"]]]
    true = [job for job in failed if job["reason"] in _reasons(trainings.expected[job["id"]])]
    for job in failed:
        say(
            f"{job['id']} {job['state']} {job['reason']} (expected: {trainings.expected[job['id']]}): {job['message'][:200]}"
        )
    say(f"attempts: {dict(sorted(Counter(job['attempt'] for job in hoped).items()))}")
    return {WELL.name: len(well) / len(hoped), TRUE.name: len(true) / len(failed) if failed else 1.0}


def _reasons(expected: str | None) -> frozenset[str]:
    return DONE_TO_THEM if expected is None else frozenset({expected})


@tenacity.retry(
    retry=tenacity.retry_if_exception_type((httpx.TransportError, ConnectionError)),
    wait=tenacity.wait_fixed(0.5),
    stop=tenacity.stop_after_delay(120),
    reraise=True,
)
def _patiently(ask: Any) -> dict[str, Any]:
    """While the database is away the server answers 503."""
    answer = ask()
    if answer.status_code == 503:
        raise ConnectionError(answer.text)
    return asked(answer)


FAMILIES = (Family((WELL, TRUE), faults),)
