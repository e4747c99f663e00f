"""Objects as files below one folder.

A file is seen only once it is whole and on the disk: it is written under a passing name, synced, and then linked to its key.
"""

import asyncio
import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from eyebright.errors import Conflict, NotFound, StorageFull, Unavailable, is_full
from eyebright.ports.objects import ObjectInfo
from eyebright_kit.disk import sync
from eyebright_wire.artifacts import Grant

CHUNK_BYTES = 1 << 20
#: Files on their way to the disk at the same time: their syncs share one commit of the file system's journal.
SYNCS_AT_ONCE = 16

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*/?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})
_NO_CLONE = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.EBADF})
_READ_ONLY = 0o444  # a blob is linked into the data sets of trainers that only read


class FileObjectStore:
    """ObjectStore on a disk that the control plane and its trainers share."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._passing = self._root / ".incoming"

    def tidy(self) -> None:
        """Remove what a killed process was still writing. Only while nobody else writes here."""
        shutil.rmtree(self._passing, ignore_errors=True)

    async def put(self, files: Sequence[tuple[str, Path]], *, owned: bool = False) -> int:
        return await asyncio.to_thread(self._put_all, files, owned)

    async def absent(self, keys: Sequence[str]) -> list[str]:
        return await asyncio.to_thread(lambda: [key for key in keys if not self._path(key).exists()])

    async def keys(self, prefix: str) -> list[str]:
        return await asyncio.to_thread(lambda: sorted(self._below(prefix)))

    async def remove(self, keys: Sequence[str]) -> None:
        await asyncio.to_thread(self._remove_all, keys)

    async def stat(self, key: str) -> ObjectInfo:
        return await asyncio.to_thread(self._stat, key)

    async def open(self, key: str, offset: int = 0) -> AsyncIterator[bytes]:
        path = await asyncio.to_thread(self._existing, key)
        if path.is_dir():
            raise NotFound(f"{key} is a folder, not an object")
        with await asyncio.to_thread(path.open, "rb") as file:
            file.seek(offset)
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def local(self, key: str) -> Path:
        return await asyncio.to_thread(self._existing, key)

    def grant(self, prefix: str) -> Grant:
        if not prefix.endswith("/"):
            raise ValueError(f"a grant opens a folder: {prefix!r} must end with a slash")
        return Grant(uri=f"{self._path(prefix).as_uri()}/")

    def _path(self, key: str) -> Path:
        """Where a key lies. Raises ValueError for anything that is not a plain relative path."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no object key: expected letters, digits, . _ - and single slashes")
        return self._root / key

    def _existing(self, key: str) -> Path:
        """A key that is there, and is not a link that leads out of the store."""
        path = self._path(key)
        if not path.exists() or not path.resolve().is_relative_to(self._root.resolve()):
            raise NotFound(f"there is no object {key}")
        return path

    def _stat(self, key: str) -> ObjectInfo:
        path = self._existing(key)
        if not path.is_file():
            raise NotFound(f"{key} is a folder, not an object")
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                return ObjectInfo(key=key, size_bytes=file.tell(), sha256=digest)
        except OSError as error:
            raise Unavailable(f"cannot read {path}: {error}; check the disk and its permissions") from error

    def _put_all(self, files: Sequence[tuple[str, Path]], owned: bool) -> int:
        targets = {self._path(key): source for key, source in files}
        new = {target: source for target, source in targets.items() if not target.exists()}
        if not new:
            return 0
        folders = {folder for target in new for folder in self._folders(target)}
        with self._translated():
            for folder in (self._passing, *sorted(folders)):
                folder.mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(min(SYNCS_AT_ONCE, len(new))) as pool:
                placed = list(pool.map(lambda target: self._place(target, new[target], owned), new))
                list(pool.map(sync, folders))
        return sum(placed)

    def _below(self, prefix: str) -> Iterator[str]:
        for folder, _, names in os.walk(self._path(prefix)):
            yield from ((Path(folder) / name).relative_to(self._root).as_posix() for name in names)

    def _remove_all(self, keys: Sequence[str]) -> None:
        paths = [self._path(key) for key in keys]
        there = [path for path in paths if path.exists()]
        with self._translated():
            for path in there:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            for folder in {path.parent for path in there}:
                sync(folder)

    def _folders(self, target: Path) -> Iterator[Path]:
        """Every folder whose entries change when the target and its folders appear."""
        for folder in target.parents:
            yield folder
            if folder == self._root:
                return

    def _place(self, target: Path, source: Path, owned: bool) -> bool:
        """Whether it was new."""
        if owned:
            _check_name(source, target, source)
            if (linked := _link(source, target)) is not None:
                return linked
        return self._copy(target, source)

    def _copy(self, target: Path, source: Path) -> bool:
        passing = self._passing / uuid.uuid4().hex
        try:
            _clone(source, passing)
            _check_name(passing, target, source)
            linked = _link(passing, target)
            if linked is None:
                passing.rename(target)
            return linked is not False
        finally:
            passing.unlink(missing_ok=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise  # a source that is not there: the caller's mistake
        except OSError as error:
            if is_full(error):
                raise StorageFull(f"the disk that holds {self._root} is full; free some space and try again") from error
            raise Unavailable(
                f"cannot write below {self._root}: {error}; check the disk and its permissions"
            ) from error


def _clone(source: Path, target: Path) -> None:
    """A copy that shares its blocks with the original where the file system can (Btrfs, XFS): changing one leaves the other."""
    with source.open("rb") as reader, target.open("wb") as writer:
        if not _copied_inside(reader.fileno(), writer.fileno(), os.fstat(reader.fileno()).st_size):
            shutil.copyfileobj(reader, writer, CHUNK_BYTES)


def _copied_inside(reader: int, writer: int, size: int) -> bool:
    """Copied by the kernel itself; False, and nothing is written, where it cannot."""
    copy_file_range = getattr(os, "copy_file_range", None)  # Linux
    if copy_file_range is None:
        return False
    done = 0
    while done < size:
        try:
            copied = copy_file_range(reader, writer, size - done)
        except OSError as error:
            if done == 0 and error.errno in _NO_CLONE:
                return False
            raise
        if copied == 0:  # it was cut while we read: its sha256 will tell
            break
        done += copied
    return True


def _check_name(copy: Path, target: Path, source: Path) -> None:
    """A blob is named by its content: a file that was edited since it was inspected must not get in under its old name."""
    if not _SHA256.fullmatch(target.name):
        return
    with copy.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != target.name:
            raise Conflict(f"{source} changed while it was being imported; import it again")


def _link(file: Path, target: Path) -> bool | None:
    """Sync a file and let it appear under a key. False: the key was there already. None: it can't be linked there."""
    try:
        file.chmod(_READ_ONLY)
        sync(file)
        os.link(file, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NO_LINK:
            return None
        raise
    return True
