"""kill -9 of servers between what is committed and what is told: every job is told to every receiver, in order, to exactly one
end; what comes twice comes under the same webhook-id with the same bytes.

Everything is real. CHAOS_KILLS and CHAOS_SEED make it longer or different.
"""

import os
import random
import time
import zlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from harness.live import LiveServer, pets
from harness.receiver import PERMITTED, Receiver, Visit

from eyebright.client import Client
from eyebright_wire.jobs import JobRequest
from eyebright_wire.webhooks import WebhookCreate

KILLS = {"sqlite": int(os.environ.get("CHAOS_KILLS", "3")), "postgresql": int(os.environ.get("CHAOS_KILLS", "2"))}
SEED = int(os.environ.get("CHAOS_SEED", "11"))
ENDS = {"job.succeeded", "job.failed", "job.cancelled"}
#: One takes everything; the other one lets some wait for their second try, so that much is on its way when a blow falls.
PATHS = ("/steady", "/moody")


class Moody(Receiver):
    """Every visit takes a moment, and /moody takes every third message only when it comes again."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def path_of(self, path: str, delivery_id: str) -> str:
        time.sleep(0.01)
        new = delivery_id not in self._seen
        self._seen.add(delivery_id)
        return "/503" if path == "/moody" and new and zlib.crc32(delivery_id.encode()) % 3 == 0 else path


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Moody() as receiver:
        yield receiver


@pytest.mark.parametrize("kind", KILLS)
def test_killed_again_and_again_it_tells_every_job_to_its_end(kind, fresh_url, receiver, tmp_path: Path):
    drawn = random.Random(SEED)
    variables = {
        **PERMITTED,
        "EYEBRIGHT_EGRESS__PORTS": str(receiver.port),
        "EYEBRIGHT_DATABASE_URL": fresh_url(kind),
        "EYEBRIGHT_JOBS__HEARTBEAT_SECONDS": "1",
    }
    jobs: list[str] = []
    for blow in range(KILLS[kind] + 1):
        with LiveServer(tmp_path / "data", **variables) as live, Client(settings=live.settings) as client:
            if blow == 0:
                version = client.import_dataset(pets(tmp_path / "pets")).id
                for path in PATHS:
                    order = WebhookCreate(url=receiver.url(path), events=("job.*",), progress_seconds=0.2)
                    receiver.secrets[path] = client.create_webhook(order).secret
            for _ in range(3):
                order = JobRequest(dataset=version, trainer="toy", config={"epochs": 3, "step_seconds": 0.005})
                jobs.append(client.submit(order).id)
            if blow < KILLS[kind]:
                time.sleep(drawn.uniform(0.2, 1.5))
                live.kill()
                continue
            for job_id in jobs:
                client.wait(job_id, timeout_seconds=120)
            _until_told(receiver, set(jobs))
    for path in PATHS:
        told = receiver.verified(path)
        visits = receiver.at(path)
        _check_ids(visits)
        _check_order([(each["data"]["id"], each["data"]["version"], each["type"]) for each in told], jobs)


def _until_told(receiver: Receiver, jobs: set[str]) -> None:
    deadline = time.monotonic() + 120
    while any(jobs - _ended(receiver, path) for path in PATHS):
        assert time.monotonic() < deadline, {path: jobs - _ended(receiver, path) for path in PATHS}
        time.sleep(0.1)


def _ended(receiver: Receiver, path: str) -> set[str]:
    taken = [visit.taken for visit in receiver.at(path)]
    told = receiver.verified(path)
    return {each["data"]["id"] for each, good in zip(told, taken, strict=False) if each["type"] in ENDS and good}


def _check_ids(visits: list[Visit]) -> None:
    """One id, one body."""
    bodies: dict[str, set[bytes]] = {}
    for visit in visits:
        bodies.setdefault(visit.id, set()).add(visit.body)
    assert all(len(each) == 1 for each in bodies.values())


def _check_order(told: list[tuple[str, int, str]], jobs: list[str]) -> None:
    """Of every job: versions never fall, the first is its creation, and the last is its one end."""
    by_job = {job_id: list(each) for job_id, each in groupby(sorted(told, key=lambda t: t[0]), key=lambda t: t[0])}
    for job_id in jobs:
        versions = [version for _, version, _ in by_job[job_id]]
        types = [kind for _, _, kind in by_job[job_id]]
        assert versions == sorted(versions), by_job[job_id]
        assert types[0] == "job.created"
        assert {kind for kind in types if kind in ENDS} == {types[-1]}
        assert len({version for _, version, kind in by_job[job_id] if kind in ENDS}) == 1
