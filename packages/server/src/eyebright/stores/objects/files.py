"""Objects as files below one folder.

A file is seen only once it is whole and on the disk: it is written under a passing name, synced, and then linked to its key.
"""

import asyncio
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from eyebright.errors import Conflict, InvalidRequest, NotFound, StorageFull, Unavailable, is_full
from eyebright.ports.objects import Lying, ObjectInfo, Signing
from eyebright.stores.objects.keys import checked, checked_prefix, content_of, is_key
from eyebright.stores.objects.pieces import pieces
from eyebright_kit.disk import sha256_of, sync
from eyebright_wire.artifacts import Grant

P = ParamSpec("P")
R = TypeVar("R")

CHUNK_BYTES = 1 << 20
#: Files on their way to the disk at the same time: their syncs share one commit of the file system's journal.
SYNCS_AT_ONCE = 16
_BATCH = 32  # files per task

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})
_NO_CLONE = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.EBADF})
_Pair = tuple[Path, Path]
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

    async def pour(self, key: str, blocks: AsyncIterator[bytes]) -> int:
        target = self._path(key)
        async with self._passing_file() as file:
            size = 0
            with await self._done(file.open, "wb") as writer:
                async for piece in pieces(blocks, CHUNK_BYTES):
                    size += await self._done(writer.write, piece)
            await self._done(self._appear, file, target)
        return size

    async def absent(self, keys: Sequence[str]) -> list[str]:
        return await asyncio.to_thread(lambda: [key for key in keys if not self._path(key).exists()])

    async def sizes(self, keys: Sequence[str]) -> Mapping[str, int]:
        return await asyncio.to_thread(lambda: dict(self._sizes(keys)))

    async def keys(self, prefix: str) -> list[str]:
        return await asyncio.to_thread(lambda: sorted(self._below(prefix)))

    async def listed(self, prefix: str) -> Mapping[str, Lying]:
        return await asyncio.to_thread(lambda: dict(self._lying_below(prefix)))

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
        return Grant(uri=f"{(self._root / checked_prefix(prefix)).as_uri()}/")

    async def signed(self, wanted: Sequence[Signing]) -> Sequence[str]:
        raise InvalidRequest(
            f"{len(wanted)} URLs were asked for, but objects are files of this machine; read and write them by their grants"
        )

    def workplace(self, prefix: str) -> Grant:
        return self.grant(prefix)

    async def leave(self, prefix: str) -> None:
        checked_prefix(prefix)  # a workplace is the store itself

    def _path(self, key: str) -> Path:
        return self._root / checked(key)

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
        new = [(target, source) for target, source in targets.items() if not target.exists()]
        if not new:
            return 0
        with self._translated(), self._passing_folder() as passing, ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
            folders = self._made_for({target.parent for target, _ in new})
            whole = pool.map(lambda batch: _whole(batch, owned, passing), _batches(new))
            ready = [pair for batch in whole for pair in batch]
            placed = sum(_place(file, target, passing) for file, target in ready)
            list(pool.map(sync, folders))
        return placed

    def _appear(self, file: Path, target: Path) -> None:
        file.chmod(_READ_ONLY)
        sync(file)
        folders = self._made_for({target.parent})
        if not _place(file, target, file.parent):
            raise Conflict(f"there is an object {target.relative_to(self._root)} already")
        for folder in folders:
            sync(folder)

    async def _done(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """In a thread, which a cancel waits for: nothing is written any more once this has ended."""
        future = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
        with self._translated():
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                await asyncio.gather(future, return_exceptions=True)
                raise

    @asynccontextmanager
    async def _passing_file(self) -> AsyncIterator[Path]:
        """A name for what is on its way; whatever is left there at the end goes with it."""
        folder = self._passing / uuid.uuid4().hex
        await self._done(lambda: folder.mkdir(parents=True))
        try:
            yield folder / "file"
        finally:
            await self._done(shutil.rmtree, folder)

    def _below(self, prefix: str) -> Iterator[str]:
        for folder, _, names in os.walk(self._path(prefix)):
            yield from ((Path(folder) / name).relative_to(self._root).as_posix() for name in names)

    def _lying_below(self, prefix: str) -> Iterator[tuple[str, Lying]]:
        """What goes meanwhile is left out, and so is what a killed trainer was writing: it has no name of an object yet."""
        for key in filter(is_key, sorted(self._below(prefix))):
            with suppress(FileNotFoundError):
                found = self._path(key).stat()
                yield key, Lying(found.st_size, found.st_ctime_ns // 1_000_000)  # a link keeps the time of its source

    def _sizes(self, keys: Sequence[str]) -> Iterator[tuple[str, int]]:
        for key in keys:
            with suppress(FileNotFoundError, NotADirectoryError):
                yield key, self._path(key).stat().st_size

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

    def _made_for(self, parents: Iterable[Path]) -> list[Path]:
        """Every folder whose entries change when files appear in these, made where it was missing."""
        folders = {above for parent in parents for above in (parent, *parent.parents)} - set(self._root.parents)
        for folder in sorted(folders):
            folder.mkdir(parents=True, exist_ok=True)
        return list(folders)

    @contextmanager
    def _passing_folder(self) -> Iterator[Path]:
        """For what is on its way; whatever is left there at the end goes with it."""
        folder = self._passing / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

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


def _batches(files: Sequence[_Pair]) -> Iterator[Sequence[_Pair]]:
    return (files[start : start + _BATCH] for start in range(0, len(files), _BATCH))


def _whole(batch: Sequence[_Pair], owned: bool, passing: Path) -> list[_Pair]:
    """(file, target): what is to appear as each target, with the right bytes and on the disk.

    Synced only after all were made: the first sync writes the file system's journal for the whole batch.
    """
    ready = [(_sound(target, source, owned, passing), target) for target, source in batch]
    for file, _ in ready:
        sync(file)
    return ready


def _sound(target: Path, source: Path, owned: bool, passing: Path) -> Path:
    file = source if owned else _copied(source, passing)
    _check_name(file, target, source)
    file.chmod(_READ_ONLY if owned else 0o400 | _READ_ONLY & source.stat().st_mode)
    return file


def _place(file: Path, target: Path, passing: Path) -> bool:
    """Let it appear under its key; whether it was new."""
    try:
        os.link(file, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _place_without_link(file, target, passing)
    return True


def _place_without_link(file: Path, target: Path, passing: Path) -> None:
    if file.parent != passing:
        [(file, _)] = _whole([(target, file)], False, passing)
    file.rename(target)


def _copied(source: Path, passing: Path) -> Path:
    copy = passing / uuid.uuid4().hex
    _clone(source, copy)
    return copy


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


def _check_name(file: Path, target: Path, source: Path) -> None:
    """A blob is named by its content: a file that was edited since it was inspected must not get in under its old name."""
    if content_of(target.name) not in (None, sha256_of(file)):
        raise Conflict(f"{source} changed while it was being imported; import it again")
