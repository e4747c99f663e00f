"""A server that its trainers reach by another address than the one that it listens on."""

import json
from pathlib import Path

from harness.live import LiveServer, pets
from harness.ports import free_port

from eyebright.client import Client
from eyebright_wire.jobs import JobRequest, JobState


def test_trainers_report_to_the_address_that_the_server_is_known_by(tmp_path: Path) -> None:
    port = free_port()
    known = f"http://localhost:{port}"
    variables = {"EYEBRIGHT_PORT": str(port), "EYEBRIGHT_PUBLIC_URL": f"{known}/"}
    with LiveServer(tmp_path / "server", **variables) as live, Client(settings=live.settings) as client:
        data = client.import_dataset(pets(tmp_path / "pets")).id
        job = client.submit(JobRequest(dataset=data, trainer="toy", name="pets", config={"epochs": 1}))
        job = client.wait(job.id, timeout_seconds=90)
    assert job.state is JobState.SUCCEEDED, job.message
    (spec,) = (tmp_path / "server" / "runs").rglob(f"{job.id}*/**/spec.json")
    assert json.loads(spec.read_text())["events_url"].startswith(f"{known}/api/v1/jobs/{job.id}/")
