"""The disk begins early where the system can, and nothing is different where it cannot."""

import sys
from pathlib import Path

import pytest

from eyebright_kit import writeback


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such a call")
def test_the_disk_begins_with_what_was_written(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.write(b"content")
        assert writeback.begin(file)
        assert (tmp_path / "a").read_bytes() == b"content"


def test_what_no_disk_holds_is_no_error() -> None:
    with Path("/dev/null").open("wb") as file:
        assert not writeback.begin(file)


def test_a_system_without_such_a_call_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writeback, "_sync_file_range", None)
    with (tmp_path / "a").open("wb") as file:
        assert not writeback.begin(file)
