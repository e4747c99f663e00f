"""Bring the bytes of a version to where a file is wanted: as a hard link or as a copy."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from eyebright_kit.errors import StorageUnavailable

#: Where the bytes with a sha256 lie.
Find = Callable[[str], Path]
#: How they come to a place: `linked` or `copied`.
Place = Callable[[Path, str, int, Path, str], Path]

# Where a hard link cannot be made, a copy still can: another file system, too many links, no links at all.
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
)

#: Share the blocks of another file until one of them is written to: FICLONE of Linux' fs.h, which Python does not name.
_CLONE = 0x40049409


def stored_at(blob_root: Path) -> Find:
    return lambda sha256: blob_path(blob_root, sha256)


def blob_path(blob_root: Path, sha256: str) -> Path:
    """Where the blob of this sha256 lies below the blob root."""
    return blob_root / sha256[:2] / sha256


def linked(blob: Path, sha256: str, size_bytes: int, target: Path, name: str) -> Path:
    """Make `target` a file with the bytes of a blob, for readers who write nothing. The size is always verified, the content
    when no link could be made.

    Raises StorageUnavailable, calling the blob by `name`, when it is missing or differs from what the version says.
    """
    _verify_size(blob, size_bytes, name)
    try:
        os.link(blob, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _copy(blob, sha256, target, name)
    return target


def copied(blob: Path, sha256: str, size_bytes: int, target: Path, name: str) -> Path:
    """The same for somebody who may write there: never a link. Where the file system can, the two files share their blocks until
    then, which costs neither time nor space; otherwise the content is verified too."""
    _verify_size(blob, size_bytes, name)
    if not _cloned(blob, target):
        _copy(blob, sha256, target, name)
    return target


def _verify_size(blob: Path, expected: int, name: str) -> None:
    try:
        size = blob.stat().st_size
    except FileNotFoundError:
        raise StorageUnavailable(f"the stored image of {name} is missing ({blob}); import the data set again") from None
    if size != expected:
        raise StorageUnavailable(
            f"the stored image of {name} has {size} bytes where the version says {expected} ({blob}); "
            "import the data set again"
        )


def _cloned(blob: Path, target: Path) -> bool:
    """Btrfs, XFS and others can, between files of one volume. Whatever else is the matter, a copy finds out."""
    with blob.open("rb") as source, target.open("wb") as clone:
        try:
            fcntl.ioctl(clone, _CLONE, source.fileno())
        except OSError:
            return False
    return True


def _copy(blob: Path, sha256: str, target: Path, name: str) -> None:
    """Copying reads every byte anyway, so here the content is verified too."""
    digest = hashlib.sha256()
    with blob.open("rb") as source, target.open("wb") as copy:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != sha256:
        target.unlink()
        raise StorageUnavailable(
            f"the stored image of {name} is damaged: its sha256 is {digest.hexdigest()} ({blob}); import the data set again"
        )
