"""The data folder as one running server owns it: the lock, the operator's token, and where the server can be reached."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from eyebright.errors import EyebrightError, FolderTaken, StorageFull, Unavailable, is_full, is_quota
from eyebright.ports.clock import Clock
from eyebright_kit.disk import replace_durably

TOKEN = "token"  # noqa: S105 - the name of the file
REPLICA = "replica"
SERVER = "server.json"
LOCK = "server.lock"


class DataFolder:
    """Use as `with DataFolder(path):`; only one process at a time can be inside.

    Raises FolderTaken when another server works on it, Unavailable when it can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / LOCK, timeout=0)

    def __enter__(self) -> "DataFolder":
        make_private(self.path)
        try:
            self._lock.acquire()
        except Timeout:
            raise FolderTaken(self._taken()) from None
        except OSError as error:
            raise _unwritable(self.path, error) from error
        (self.path / SERVER).unlink(missing_ok=True)  # left by a server that was killed
        return self

    def __exit__(self, *_: object) -> None:
        (self.path / SERVER).unlink(missing_ok=True)
        self._lock.release()

    def token(self, clock: Clock, given: str | None = None) -> str:
        """The operator's token, readable only by the owner of the folder: the given one, else one made at the first start."""
        if given is not None and given != self._kept(TOKEN, lambda: given):
            _write(self.path / TOKEN, given + "\n")
        return self._kept(TOKEN, clock.new_token)

    def replica(self, clock: Clock) -> str:
        """What the servers of this folder, of which there is one at a time, are called among all servers of a database."""
        return self._kept(REPLICA, lambda: clock.new_id("rep"))

    def announce(self, about: dict[str, Any]) -> None:
        """Tell the commands of this machine where the server is. Removed when the folder is left."""
        _write(self.path / SERVER, json.dumps(about) + "\n")

    def folder(self, name: str) -> Path:
        """A sub-folder, made if need be."""
        path = self.path / name
        make_private(path)
        return path

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        path = self.path / name
        try:
            kept = path.read_text().strip()
            path.chmod(0o600)
        except FileNotFoundError:
            kept = ""
        except OSError as error:
            raise _unwritable(path, error) from error
        if not kept:
            kept = make()
            _write(path, kept + "\n")
        return kept

    def _taken(self) -> str:
        try:
            other = json.loads((self.path / SERVER).read_text())
            who = f"the server at {other['url']} (process {other['pid']})"
        except (OSError, ValueError, KeyError):
            who = "another server"
        return (
            f"{who} already works on {self.path}. Use that one, stop it first, "
            "or give this one a folder of its own with EYEBRIGHT_DATA_DIR"
        )


def make_private(path: Path) -> None:
    """A folder that can be written and that nobody else can look into. Raises Unavailable or StorageFull."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    probe(path)


def probe(path: Path) -> None:
    """Try to write in a folder, leaving nothing. Raises Unavailable or StorageFull."""
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x")
    except OSError as error:
        raise _unwritable(path, error) from error


def nearest_existing(path: Path) -> Path:
    """The path itself, or the folder in which it would be made."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _close(path: Path) -> None:
    """One of ours that was made wider, by hand or by an older umask. A sticky one, such as /tmp, is shared on purpose."""
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o077 and not found.st_mode & stat.S_ISVTX:
        path.chmod(0o700)


def _write(path: Path, text: str) -> None:
    try:
        replace_durably(path, text.encode())
    except OSError as error:
        raise _unwritable(path, error) from error


def storage_full(path: Path) -> StorageFull:
    """`path` must exist."""
    free = shutil.disk_usage(path).free
    return StorageFull(f"the disk of {path} is full ({free / 1e6:.1f} MB free); free some space and try again")


def _unwritable(path: Path, error: OSError) -> EyebrightError:
    if is_quota(error):
        return StorageFull(f"your quota on the disk of {path} is used up; free some space and try again")
    if is_full(error):
        return storage_full(nearest_existing(path))
    if isinstance(error, FileExistsError | NotADirectoryError):
        return Unavailable(
            f"the data folder {path} cannot be used: {nearest_existing(path)} is not a folder. "
            "Choose another one with EYEBRIGHT_DATA_DIR"
        )
    return Unavailable(
        f"the data folder {path} cannot be written ({error.strerror}). "
        "Make it writable for this user, or choose another one with EYEBRIGHT_DATA_DIR"
    )
