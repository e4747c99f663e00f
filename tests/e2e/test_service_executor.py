"""A server and a training service, each a process of its own: work, death of either, and a service that is away."""

import os
import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.line import line_to
from harness.live import LiveServer, pets
from harness.ports import free_port
from harness.training_service import TrainingService, training_service

from eyebright.client import Client, running_server
from eyebright_wire.jobs import JobRequest, JobState, PreflightRequest
from eyebright_wire.resources import JobView

SERVICE = "service:toy"


def variables(made: TrainingService) -> dict[str, str]:
    urls = f"toy={made.url}"
    return {"EYEBRIGHT_EXECUTORS": f"local,{SERVICE}", "EYEBRIGHT_SERVICES__URLS": urls}


def until(holds: Any, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def order(client: Client, dataset: str, **config: Any) -> str:
    asked = {"dataset": dataset, "trainer": "toy", "name": "pets", "executor": SERVICE, "config": config}
    return client.submit(JobRequest.model_validate(asked)).id


def progressed(client: Client, job_id: str) -> None:
    until(lambda: (now := client.job(job_id).progress) and now.epoch > 1, "an epoch")


def waits(job: JobView) -> bool:
    """In the queue again, between two tries."""
    return job.state is JobState.QUEUED and "cannot be reached" in job.message


def ended_well(client: Client, job_id: str) -> JobView:
    job = client.wait(job_id, timeout_seconds=120)
    assert job.state is JobState.SUCCEEDED, job.message
    return job


def breaker(live: LiveServer) -> str:
    """Its state, by the server's own metrics."""
    server = running_server(live.settings)
    assert server is not None
    headers = {"Authorization": f"Bearer {live.token}"}
    text = httpx.get(f"{server.url}/metrics", headers=headers, timeout=60, trust_env=False).text
    (state,) = re.findall(rf'eyebright_breaker{{executor="{SERVICE}",state="([a-z-]+)"}} 1', text)
    return state


def looked_at(live: LiveServer, there: TrainingService) -> dict[str, str]:
    """What `eyebright doctor` finds of the service."""
    checks = live.run("doctor", "--json", **variables(there)).document["checks"]
    return next(check for check in checks if check["name"] == "services")


def test_a_training_goes_through_a_service_though_both_are_killed(tmp_path: Path) -> None:
    with training_service(tmp_path / "service") as there:
        port = str(free_port())
        chosen = {**variables(there), "EYEBRIGHT_PORT": port}
        with LiveServer(tmp_path / "server", **chosen) as live, Client(settings=live.settings) as client:
            data = client.import_dataset(pets(tmp_path / "pets")).id
            job_id = order(client, data, epochs=40, step_seconds=0.05)
            progressed(client, job_id)
            pid = next(event.data["pid"] for event in client.events(job_id) if event.kind == "started")
            there.kill()
            time.sleep(1)
            there.start()
            live.kill()
        with LiveServer(tmp_path / "server", **chosen) as live, Client(settings=live.settings) as client:
            job = ended_well(client, job_id)
            assert job.attempt == 1, "nothing of it was done twice"
            told = list(client.events(job_id))
            assert [event.data["pid"] for event in told if event.kind == "started"] == [pid]
            assert [event.seq for event in told] == list(range(1, len(told) + 1))
            assert live.run("jobs", "logs", job_id).out.strip(), "what it printed is read from the service"
            assert client.model(job.model_id or "").metrics


def test_jobs_wait_for_a_service_that_is_away_and_are_not_charged_for_it(tmp_path: Path) -> None:
    with training_service(tmp_path / "service") as there:
        there.kill()
        with LiveServer(tmp_path / "server", **variables(there)) as live, Client(settings=live.settings) as client:
            data = client.import_dataset(pets(tmp_path / "pets")).id
            job_id = order(client, data, epochs=1)
            until(lambda: waits(client.job(job_id)), "a word about the service")
            until(lambda: breaker(live) == "open", "the service to be left alone")
            assert looked_at(live, there)["verdict"] == "warn"
            there.start()
            ended_well(client, job_id)
            assert breaker(live) == "closed"
            assert looked_at(live, there)["found"] == "toy: toy 0.1.0"


def test_a_job_is_cancelled_at_its_service(tmp_path: Path) -> None:
    with (
        training_service(tmp_path / "service") as there,
        LiveServer(tmp_path / "server", **variables(there)) as live,
        Client(settings=live.settings) as client,
    ):
        data = client.import_dataset(pets(tmp_path / "pets")).id
        job_id = order(client, data, epochs=500, step_seconds=0.2)
        progressed(client, job_id)
        pid = next(event.data["pid"] for event in client.events(job_id) if event.kind == "started")
        client.cancel(job_id)
        assert client.wait(job_id, timeout_seconds=60).state is JobState.CANCELLED
        until(lambda: not Path(f"/proc/{pid}").exists(), "the trainer to be gone")


def test_a_trainer_that_is_killed_at_its_service_is_tried_again(tmp_path: Path) -> None:
    with (
        training_service(tmp_path / "service") as there,
        LiveServer(tmp_path / "server", **variables(there)) as live,
        Client(settings=live.settings) as client,
    ):
        data = client.import_dataset(pets(tmp_path / "pets")).id
        # The first attempt waits to be killed.
        job_id = order(client, data, epochs=5, hang_at_step=12, misbehave_attempts=1)
        progressed(client, job_id)
        os.kill(next(event.data["pid"] for event in client.events(job_id) if event.kind == "started"), 9)
        job = ended_well(client, job_id)
        assert job.attempt == 2
        assert "worker_lost" in [change.reason for change in job.status_transitions]


def test_a_server_without_trainers_has_those_of_its_services(tmp_path: Path) -> None:
    """It remembers them, so that it takes orders while its service is away."""
    (tmp_path / "none").mkdir()
    with training_service(tmp_path / "service") as there:
        alone = {**variables(there), "EYEBRIGHT_EXECUTORS": SERVICE, "EYEBRIGHT_TRAINERS_DIR": str(tmp_path / "none")}
        with LiveServer(tmp_path / "server", **alone) as live, Client(settings=live.settings) as client:
            (toy,) = [view for view in client.trainers() if view.installed]
            assert (toy.name, toy.executors) == ("toy", (SERVICE,))
            data = client.import_dataset(pets(tmp_path / "pets")).id
            told = client.preflight(PreflightRequest(dataset=data))
            assert (told.trainer, told.executor, told.ok) == ("toy", SERVICE, True)
            assert "place_unknown" in [finding.code for finding in told.findings]
        there.kill()
        with LiveServer(tmp_path / "server", **alone) as live, Client(settings=live.settings) as client:
            job_id = client.submit(JobRequest(dataset=data, config={"epochs": 1})).id
            assert client.job(job_id).executor == SERVICE
            there.start()
            ended_well(client, job_id)


def test_a_training_that_is_cut_off_for_good_ends_with_all_its_events(tmp_path: Path) -> None:
    """Its callbacks lead nowhere, and its service goes out of reach once it has begun."""
    with training_service(tmp_path / "service") as there, ExitStack() as ways:
        line = ways.enter_context(line_to(there.url))
        cut = {
            **variables(there),
            "EYEBRIGHT_SERVICES__URLS": f"toy={line.url}",
            "EYEBRIGHT_PUBLIC_URL": "http://127.0.0.1:9",
            "EYEBRIGHT_JOBS__HEARTBEAT_SECONDS": "3",
            "EYEBRIGHT_JOBS__LEASE_SECONDS": "30",
        }
        with LiveServer(tmp_path / "server", **cut) as live, Client(settings=live.settings) as client:
            data = client.import_dataset(pets(tmp_path / "pets")).id
            job_id = order(client, data, epochs=40, step_seconds=0.1)
            until(lambda: client.job(job_id).state is not JobState.QUEUED, "its start")
            until(lambda: list((tmp_path / "service").glob("runs/*/a1/spool.jsonl")), "its first word")
            line.up.cuts += [line.up.passed] * 1000
            ended_well(client, job_id)
            told = [event.seq for event in client.events(job_id)]
            assert told == list(range(1, len(told) + 1))
            assert len(told) > 40


@pytest.mark.parametrize("executors", ["local,service:toys", "local,service"])
def test_a_service_that_no_address_is_known_of_stops_the_start(tmp_path: Path, executors: str) -> None:
    from harness.live import eyebright

    refused = eyebright(
        tmp_path, "serve", EYEBRIGHT_EXECUTORS=executors, EYEBRIGHT_SERVICES__URLS="toy=http://127.0.0.1:9"
    )
    assert refused.code == 2, refused.err
    assert "EYEBRIGHT_SERVICES__URLS has toy" in refused.err
