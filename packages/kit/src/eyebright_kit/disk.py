"""Files that survive a crash: replaced as a whole, and on the disk before anybody is told. The server uses it too."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: What is left of the error's number in the text of a library that is not written in Python, as safetensors.
_FULL_TEXTS = tuple(text for number in sorted(_FULL) for text in (os.strerror(number).lower(), f"os error {number})"))
#: Below this a disk counts as full even where a library hid the error's number (torch raises a bare RuntimeError).
_NOTHING_LEFT_BYTES = 1 << 20


def replace(path: Path, content: bytes) -> None:
    """Readers see the old content or the new one. After a power cut it may be the old one.

    Never readable by others, not even for a moment. Raises OSError; then the old content is still there, and nothing else.
    """
    with _appearing_at_once(path) as temporary:
        _write_private(temporary, content)


def replace_durably(path: Path, content: bytes) -> None:
    """As `replace`, and on the disk when it returns."""
    with _appearing_at_once(path) as temporary:
        _write_private(temporary, content)
        sync(temporary)
    sync(path.parent)


def publish_durably(path: Path, content: bytes) -> None:
    """As `replace_durably`, but for others to read, as far as the umask lets them."""
    with _appearing_at_once(path) as temporary:
        temporary.write_bytes(content)
        sync(temporary)
    sync(path.parent)


def copy_durably(source: Path, target: Path) -> tuple[int, str]:
    """Copies a file as a whole and answers its size and sha256, both of the bytes that were written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _appearing_at_once(target) as temporary:
        size, sha256 = _copy(source, temporary)
        sync(temporary)
    sync(target.parent)
    return size, sha256


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """fsync of a file's content or a folder's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folders(folder: Path) -> None:
    """fsync of the entries of a folder and of every folder below it."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync(path)
    sync(folder)


def is_full(error: BaseException, *folders: Path) -> bool:
    """Is a full disk behind this error? Looks at what caused it and, given folders, at the room that is left there."""
    return any(_says_full(link) for link in _chain(error)) or any(_nothing_left(folder) for folder in folders)


def free_bytes(folder: Path) -> int:
    """The room that is left for this folder, which may not be made yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    return any(text in str(error).lower() for text in _FULL_TEXTS)


def _nothing_left(folder: Path) -> bool:
    """A place that cannot even be asked is in another trouble than being full."""
    try:
        return free_bytes(folder) < _NOTHING_LEFT_BYTES
    except OSError:
        return False


@contextmanager
def _appearing_at_once(path: Path) -> Generator[Path]:
    """A file beside `path` that takes its name at the end, or vanishes. Its own name is one for each writer: two may replace
    the same file at once."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _copy(source: Path, target: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(1 << 20):
            digest.update(chunk)
            size += writer.write(chunk)
    return size, digest.hexdigest()


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
