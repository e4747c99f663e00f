"""Which upload belongs to which file, from one command to the next: a small note for each, in the state folder."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from eyebright.client.files import below
from eyebright_kit import disk

#: By then no server still has the upload.
_KEPT = timedelta(days=30)


class Unfinished:
    """The notes of one server. What cannot be noted is no failure: then a later command begins anew."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder = folder / "uploads"
        self._server = server

    def key_of(self, path: Path) -> str:
        """The same for the same file or folder until something in it changes its name, size or date."""
        parts = (self._server, str(path.resolve()), *_state(path))
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()

    def get(self, key: str) -> str | None:
        """The id of the upload, if one was noted."""
        with suppress(OSError):
            return (self._folder / key).read_text().strip() or None
        return None

    def put(self, key: str, upload_id: str) -> None:
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._forget_old()
            disk.replace(self._folder / key, upload_id.encode())

    def drop(self, key: str) -> None:
        with suppress(OSError):
            (self._folder / key).unlink(missing_ok=True)

    def _forget_old(self) -> None:
        limit = (datetime.now().astimezone() - _KEPT).timestamp()
        for note in self._folder.iterdir():
            if note.stat().st_mtime < limit:
                note.unlink(missing_ok=True)


def _state(path: Path) -> Iterator[str]:
    yield _about("", path.stat())
    if path.is_dir():
        yield from (_about(str(found.relative_to(path)), found.lstat()) for found in sorted(below(path)))


def _about(name: str, found: os.stat_result) -> str:
    return f"{name}:{found.st_size}:{found.st_mtime_ns}:{found.st_mode}"
