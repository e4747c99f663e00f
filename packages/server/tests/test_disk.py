"""Files that survive a power cut."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from eyebright.folder import DataFolder
from eyebright.testing import ManualClock
from eyebright_kit import disk
from eyebright_kit.keeping.run_directory import RunDirectory
from eyebright_wire.runs import Handle


def spec_of(folder: Path) -> Path:
    directory = RunDirectory(folder, Handle("job", 1))
    directory.claim(0)
    directory.write_spec("{}")
    return directory.spec


def token_of(folder: Path) -> Path:
    DataFolder(folder).token(ManualClock())
    return folder / "token"


def announcement_of(folder: Path) -> Path:
    DataFolder(folder).announce({"url": "http://127.0.0.1:1"})
    return folder / "server.json"


def plain(folder: Path) -> Path:
    disk.replace_durably(folder / "file", b"words")
    return folder / "file"


@pytest.mark.parametrize("write", [plain, spec_of, token_of, announcement_of])
def test_both_the_content_and_the_name_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Path]
) -> None:
    synced, names = [], {}

    def fsync(descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        synced.append(inode)
        names[inode] = set(os.listdir(descriptor)) if stat.S_ISDIR(os.fstat(descriptor).st_mode) else set()

    monkeypatch.setattr(os, "fsync", fsync)
    path = write(tmp_path)
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino], "first the content, then the entry"
    assert path.name in names[synced[1]], "the folder was synced before the file had its name"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.replace_durably(tmp_path / "file", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        disk.replace_durably(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"
