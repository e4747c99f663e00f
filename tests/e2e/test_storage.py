"""How much the store of a working server holds, told by it and by a command, and compared with what lies there."""

from pathlib import Path

from harness.laboratory import until
from harness.live import LiveServer, pets

from eyebright.client import Client
from eyebright_wire.jobs import JobRequest, JobState


def test_what_a_server_tells_is_what_lies_in_its_store(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "server") as live, Client(settings=live.settings) as client:
        data = client.import_dataset(pets(tmp_path / "pets")).id
        done = client.wait(client.submit(JobRequest(dataset=data, trainer="toy", name="pets")).id, timeout_seconds=90)
        assert done.state is JobState.SUCCEEDED
        while client.storage().walked_at_ms is None or live.run("admin", "storage", "--check").code:
            pass
        lying = [path for path in (live.data_dir / "objects").rglob("*") if path.is_file()]
        told = client.storage()
        assert (told.files, told.size_bytes) == (len(lying), sum(path.stat().st_size for path in lying))
        assert {each.kind for each in told.kinds} >= {"blobs", "jobs"}
        assert live.run("admin", "storage", "--json").document["size_bytes"] == told.size_bytes
        stray = live.data_dir / "objects/uploads/upl_1/dataset.zip"
        stray.parent.mkdir(parents=True)
        stray.write_bytes(b"past us")
        checked = live.run("admin", "storage", "--check", "--json")
        assert (checked.code, checked.document["examples"]) == (1, ["uploads/upl_1/dataset.zip"])
        mended = live.run("admin", "storage", "--mend")
        assert (mended.code, "1 rows did not say what the store does" in mended.out) == (0, True), mended.err
        assert client.storage().size_bytes == told.size_bytes + 7


def test_what_a_cancelled_training_has_left_is_counted(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "server") as live, Client(settings=live.settings) as client:
        data = client.import_dataset(pets(tmp_path / "pets")).id
        slow = {"step_seconds": 0.3, "epochs": 50, "checkpoint_steps": 1}
        job_id = client.submit(JobRequest(dataset=data, trainer="toy", name="pets", config=slow)).id
        until(lambda: list(client.checkpoints(job_id)))
        client.cancel(job_id)
        assert client.wait(job_id, timeout_seconds=60).state is JobState.CANCELLED
        until(lambda: live.run("admin", "storage", "--check").code == 0)
