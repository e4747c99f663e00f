"""Trainers whose data sets, checkpoints and models lie in a bucket: signed URLs lead them there, and no credentials."""

import signal
import time
from pathlib import Path

import httpx
import psutil
from harness.live import LiveServer, pets
from harness.places import Place, place

from eyebright import Client
from eyebright_wire.jobs import JobRequest, JobSpec
from eyebright_wire.resources import JobView

__all__ = ["place"]

#: Longer than this machine may stand still itself.
IMPATIENT = {"EYEBRIGHT_JOBS__LEASE_SECONDS": "15", "EYEBRIGHT_JOBS__HEARTBEAT_SECONDS": "1"}
SIGNATURES = ("X-Amz-Signature", "X-Goog-Signature")


def test_a_model_is_trained_from_a_bucket_into_a_bucket_and_another_begins_from_it(tmp_path: Path, place: Place):
    with LiveServer(tmp_path / "data", **place.variables) as live, Client(settings=live.settings) as client:
        version = client.import_dataset(pets(tmp_path / "pets"))
        parent = train(client, dataset=version.id, name="pets", trainer="toy", config={"epochs": 6})
        train(client, dataset=version.id, name="pets", parent="pets@1", config={"epochs": 1, "lr0": 1e-9})
        assert client.model("pets@2").metrics["top1"] == 1.0  # it has learned nothing itself
        files = {artifact.path: artifact for artifact in client.artifacts(parent.id)}
        assert client.download_model("pets@1", tmp_path / "model")
    kept = place.keys(f"jobs/{parent.id}/a1/")
    assert {f"jobs/{parent.id}/a1/{path}" for path in files} <= {*kept}
    assert any("/checkpoints/" in key for key in kept)
    run = tmp_path / "data" / "runs" / parent.id / "a1"
    assert place.read(f"jobs/{parent.id}/a1/spool.jsonl") == (run / "spool.jsonl").read_bytes()
    assert not (run / "output").exists()
    assert not (tmp_path / "data" / "objects").exists()
    told = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and is_signed(path)]
    assert told == []


def test_a_frozen_trainer_is_replaced_by_one_that_goes_on_from_the_bucket(tmp_path: Path, place: Place):
    with (
        LiveServer(tmp_path / "data", **place.variables, **IMPATIENT) as live,
        Client(settings=live.settings) as client,
    ):
        version = client.import_dataset(pets(tmp_path / "pets"))
        # The first attempt waits to be frozen.
        config = {"epochs": 8, "hang_at_step": 8, "misbehave_attempts": 1}
        job = client.submit(JobRequest(dataset=version.id, trainer="toy", config=config))
        spec, frozen = frozen_once_saved(client, job.id, live.data_dir)
        ended = client.wait(job.id, timeout_seconds=120)
        assert (ended.state, ended.attempt) == ("succeeded", 2), ended.message
        (again,) = [event for event in client.events(job.id) if event.kind == "started" and event.attempt == 2]
        assert again.data["resumed_from_step"] > 0
        assert not frozen.is_running()
        assert refused(spec) == "fenced"


def train(client: Client, **order: object) -> JobView:
    job = client.wait(client.submit(JobRequest.model_validate(order)).id, timeout_seconds=120)
    assert job.state == "succeeded", job.message
    return job


def frozen_once_saved(client: Client, job_id: str, data_dir: Path) -> tuple[JobSpec, psutil.Process]:
    """Stop the process once a checkpoint lies in the bucket. It has nothing of the operator's in its environment."""
    deadline = time.monotonic() + 60
    while not client.checkpoints(job_id):
        assert time.monotonic() < deadline, client.job(job_id)
        time.sleep(0.05)
    path = data_dir / "runs" / job_id / "a1" / "spec.json"
    process = next(p for p in psutil.process_iter(["cmdline"]) if str(path) in (p.info["cmdline"] or []))
    process.send_signal(signal.SIGSTOP)
    assert not [name for name in process.environ() if name.startswith(("AWS_", "GOOGLE_", "EYEBRIGHT_STORAGE"))]
    return JobSpec.model_validate_json(path.read_bytes()), process


def refused(spec: JobSpec) -> str:
    """How the server answers the attempt that was replaced."""
    assert spec.output.urls
    wanted = {"method": "PUT", "path": "model.json", "size_bytes": 2, "sha256": "0" * 64}
    answer = httpx.post(
        spec.output.urls,
        json={"uri": spec.output.uri, "wanted": [wanted]},
        headers={"Authorization": f"Bearer {spec.token}"},
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == 409
    return answer.json()["code"]


def is_signed(path: Path) -> bool:
    content = path.read_bytes()
    return any(name.encode() in content for name in SIGNATURES)
