"""What nothing names is told and removed by a command, while a server is at work."""

from pathlib import Path

from harness.live import LiveServer, eyebright, pets

from eyebright.client import Client
from eyebright.ports.objects import blob_key


def test_what_no_data_set_names_is_told_and_removed_by_a_command(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "server") as live, Client(settings=live.settings) as client:
        client.import_dataset(pets(tmp_path / "pets"))
        blobs = live.data_dir / "objects/blobs"
        named = {path for path in blobs.rglob("*") if path.is_file()}
        orphan = live.data_dir / "objects" / blob_key("aa" * 32)
        orphan.parent.mkdir(parents=True, exist_ok=True)
        orphan.write_bytes(b"what an import was killed over")

        told = live.run("admin", "gc", "--dry-run", "--json")
        assert told.document == {"files": 1, "size_bytes": 30, "removed": False}
        assert orphan.exists()
        assert live.run("admin", "gc").code == 2, "nobody has said that it is meant"
        assert orphan.exists()

        done = live.run("admin", "gc", "--yes")
        assert (done.code, done.out) == (0, "1 files, 30 B, removed\n"), done.err
        assert {path for path in blobs.rglob("*") if path.is_file()} == named
        assert client.import_dataset(pets(tmp_path / "others", images=3)).id


def test_nothing_is_removed_beside_another_database(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "server") as live, Client(settings=live.settings) as client:
        client.import_dataset(pets(tmp_path / "pets"))
    other = {"EYEBRIGHT_DATABASE_URL": f"sqlite:///{tmp_path / 'other.db'}"}
    with LiveServer(tmp_path / "server", **other):
        refused = eyebright(tmp_path / "server", "admin", "gc", "--yes", **other)
    assert refused.code == 5
    assert "may belong to another database" in refused.err
    assert eyebright(tmp_path / "server", "admin", "gc", "--dry-run", "--json").document["files"] == 0
