from collections.abc import Callable
from pathlib import Path

import pytest

from eyebright_kit.disk import copy_durably, publish_durably, replace, replace_durably


@pytest.mark.parametrize(
    "write",
    [
        lambda path: replace(path, b"new"),
        lambda path: replace_durably(path, b"new"),
        lambda path: publish_durably(path, b"new"),
        lambda path: copy_durably(Path(__file__), path),
    ],
    ids=["replace", "replace_durably", "publish_durably", "copy_durably"],
)
def test_what_cannot_take_its_name_leaves_nothing_behind(tmp_path: Path, write: Callable[[Path], object]):
    """A heartbeat is written every few seconds: on a full disk that would be a new file each time."""
    taken = tmp_path / "heartbeat.json"
    taken.mkdir()
    with pytest.raises(IsADirectoryError):
        write(taken)
    assert list(tmp_path.iterdir()) == [taken]


def test_a_full_disk_is_left_with_the_old_content_and_nothing_else(tiny_disk: Path):
    path = tiny_disk / "heartbeat.json"
    replace(path, b"old")
    with pytest.raises(OSError, match="No space left"):
        replace(path, bytes(64 << 20))
    assert path.read_bytes() == b"old"
    assert list(tiny_disk.iterdir()) == [path]
