"""What is old is told by a command beside a server at work, and only what is old."""

from pathlib import Path

from harness.live import LiveServer, eyebright, pets

from eyebright.client import Client
from eyebright_wire.jobs import JobRequest


def test_nothing_that_ended_a_moment_ago_goes(tmp_path: Path) -> None:
    with (
        LiveServer(tmp_path / "server", EYEBRIGHT_RETENTION__RUNS_DAYS="1") as live,
        Client(settings=live.settings) as client,
    ):
        data = client.import_dataset(pets(tmp_path / "pets")).id
        job = client.wait(client.submit(JobRequest(dataset=data, trainer="toy", name="pets")).id, timeout_seconds=90)
        nothing = {"jobs": 0, "events": 0, "size_bytes": 0, "runs": 0, "runs_bytes": 0, "removed": False}
        assert live.run("admin", "compact", "--dry-run", "--days", "1", "--json").document == nothing
        assert live.run("admin", "compact", "--days", "0").code == 2
        assert list((live.data_dir / "runs" / job.id).iterdir())
        assert {"started", "progress", "succeeded"} <= {str(event.kind) for event in client.events(job.id)}


def test_how_old_is_old_has_to_be_said(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "server"):
        pass
    refused = eyebright(tmp_path / "server", "admin", "compact")
    assert refused.code == 2
    assert "EYEBRIGHT_RETENTION__EVENTS_DAYS" in refused.err
