"""Everything that a server keeps, copied while it works, and brought back elsewhere."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.live import LiveServer, eyebright, pets

from eyebright.client import Client
from eyebright_wire.jobs import JobRequest, JobState


@pytest.fixture
def empty_url(postgres: Any, tmp_path: Path) -> Callable[[str], str]:
    return lambda kind: postgres.create() if kind == "postgresql" else f"sqlite:///{tmp_path / 'restored.db'}"


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server that has trained, failed and cancelled, and trains meanwhile."""
    folder = tmp_path_factory.mktemp("backup")
    with LiveServer(folder / "server") as live, Client(settings=live.settings) as client:
        data = client.import_dataset(pets(folder / "pets")).id
        order = {"dataset": data, "trainer": "toy", "name": "pets"}
        trained = client.wait(client.submit(JobRequest.model_validate(order)).id, timeout_seconds=90)
        assert trained.model_id, trained.message
        client.set_alias(trained.model_id, "production")
        broken = client.submit(JobRequest.model_validate({**order, "config": {"fail_at_step": 2}}))
        client.wait(broken.id, timeout_seconds=90)
        under_way = client.submit(JobRequest.model_validate({**order, "config": {"epochs": 500, "step_seconds": 1}}))
        while client.job(under_way.id).state is not JobState.RUNNING:
            pass
        done = live.run("admin", "backup", folder / "monday", "--json")
        assert done.code == 0, done.err
        assert done.document["objects_copied"]
        client.cancel(under_way.id)
    return folder / "monday"


def tables(backup: Path) -> dict[str, Any]:
    return json.loads((backup / "backup.json").read_text())["tables"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_server_goes_on_elsewhere_with_all_that_another_kept(
    backup: Path, tmp_path: Path, kind: str, empty_url: Callable[[str], str]
) -> None:
    there, database = tmp_path / "there", {"EYEBRIGHT_DATABASE_URL": empty_url(kind)}
    restored = eyebright(there, "admin", "restore", backup, **database)
    assert restored.code == 0, restored.err
    again = eyebright(there, "admin", "backup", tmp_path / "again", **database)
    assert again.code == 0, again.err
    assert tables(tmp_path / "again") == tables(backup)
    assert (tmp_path / "again" / "objects.jsonl").read_bytes() == (backup / "objects.jsonl").read_bytes()
    with LiveServer(there, **database) as live, Client(settings=live.settings) as client:
        model = client.model("pets@production")
        assert client.download_model(model.id, tmp_path / "model")
        jobs = {job.state for job in client.jobs()}
        assert {JobState.SUCCEEDED, JobState.FAILED} <= jobs
        new = client.submit(JobRequest(dataset=model.dataset_version, trainer="toy", name="pets"))
        assert client.wait(new.id, timeout_seconds=90).state is JobState.SUCCEEDED
        assert client.model(client.job(new.id).model_id or "").number == 2


def test_a_backup_is_restored_into_a_new_server_only(backup: Path, tmp_path: Path) -> None:
    assert eyebright(tmp_path / "used", "admin", "restore", backup).code == 0
    again = eyebright(tmp_path / "used", "admin", "restore", backup)
    assert again.code == 5
    assert "has been used already" in again.err
    taken = eyebright(tmp_path / "used", "admin", "backup", backup)
    assert (taken.code, "is not empty" in taken.err) == (5, True)


@pytest.mark.parametrize("harm", ["a row", "a picture", "the list", "an end"])
def test_what_is_not_whole_is_not_restored_and_leaves_the_server_new(backup: Path, tmp_path: Path, harm: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(backup, broken)
    victim = {
        "a row": broken / "tables" / "jobs.jsonl",
        "a picture": next(path for path in sorted((broken / "objects" / "blobs").rglob("*")) if path.is_file()),
        "the list": broken / "objects.jsonl",
        "an end": broken / "backup.json",
    }[harm]
    victim.chmod(0o600)
    victim.write_bytes(victim.read_bytes()[:-2])
    refused = eyebright(tmp_path / "there", "admin", "restore", broken)
    assert refused.code == 2, refused.err
    assert str(victim) in refused.err
    assert eyebright(tmp_path / "there", "admin", "restore", backup).code == 0


def test_a_running_server_is_not_filled(backup: Path, tmp_path: Path) -> None:
    with LiveServer(tmp_path) as live:
        refused = live.run("admin", "restore", backup)
    assert refused.code == 5
    assert "already works on" in refused.err
