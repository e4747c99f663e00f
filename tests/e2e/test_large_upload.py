"""An upload far larger than what the server may take of the memory."""

import os
from pathlib import Path

import psutil
import pytest
from harness.live import LiveServer

from eyebright.client import Client, uploading

MIB = 2**20
SIZE = 300 * MIB


@pytest.mark.parametrize("pieces", [16 * MIB, SIZE], ids=["in pieces", "in one request"])
def test_the_memory_of_the_server_does_not_grow_with_the_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    monkeypatch.setattr(uploading, "PIECE_BYTES", pieces)
    photos = tmp_path / "photos.zip"
    with photos.open("wb") as file:
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))
    with LiveServer(tmp_path / "data") as live, Client(settings=live.settings) as client:
        client.ready()
        before = peak(live.pid)
        upload_id = client.upload(photos)
        grown = peak(live.pid) - before
        assert (tmp_path / "data" / "resumable" / f"{upload_id}.bytes").stat().st_size == SIZE
    assert grown < 50 * MIB, f"300 MiB made the server grow by {grown / MIB:.0f} MiB"


def peak(pid: int) -> int:
    """The most that the process has ever had in memory, in bytes; where that is not told, what it has now."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return psutil.Process(pid).memory_info().rss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
