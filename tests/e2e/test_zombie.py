"""A trainer that freezes, as under a closed lid: it is fenced and killed, and another takes its place."""

import signal
import time
from pathlib import Path

import psutil
from harness.live import LiveServer, pets

from eyebright import Client
from eyebright_wire.jobs import JobRequest

#: Longer than this machine may stand still itself.
IMPATIENT = {"EYEBRIGHT_JOBS__LEASE_SECONDS": "15", "EYEBRIGHT_JOBS__HEARTBEAT_SECONDS": "1"}


def test_a_frozen_trainer_is_fenced_and_replaced(tmp_path):
    with LiveServer(tmp_path / "data", **IMPATIENT) as server, Client(settings=server.settings) as client:
        version = client.import_dataset(pets(tmp_path / "pets"))
        waits = {"hang_at_step": 8, "misbehave_attempts": 1}  # to be frozen: the first attempt cannot end before
        config = {"epochs": 5, "checkpoint_steps": 1, **waits}
        job = client.submit(JobRequest(dataset=version.id, trainer="toy", config=config))
        frozen = freeze_once_training(client, job.id, server.data_dir)
        ended = client.wait(job.id, timeout_seconds=90)
        assert (ended.state, ended.attempt) == ("succeeded", 2)
        assert any(change.reason == "worker_lost" for change in ended.status_transitions)
        assert not frozen.is_running(), "the frozen process was left behind"
        assert [model.job_id for model in client.models()] == [job.id]
        resumed = [event for event in client.events(job.id) if event.kind == "started" and event.attempt == 2]
        assert resumed[0].data["resumed_from_step"] > 0


def freeze_once_training(client: Client, job_id: str, data_dir: Path) -> psutil.Process:
    """Stop the process once it has saved a checkpoint."""
    deadline = time.monotonic() + 60
    while not client.checkpoints(job_id):
        assert time.monotonic() < deadline, "it never got anywhere"
        time.sleep(0.05)
    spec = str(data_dir / "runs" / job_id / "a1" / "spec.json")
    process = next(p for p in psutil.process_iter(["cmdline"]) if spec in (p.info["cmdline"] or []))
    process.send_signal(signal.SIGSTOP)
    return process
