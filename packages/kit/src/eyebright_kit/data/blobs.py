"""Bring the stored bytes of a version to where a file is wanted: as a hard link or, failing that, as a copy."""

import errno
import hashlib
import os
from pathlib import Path

from eyebright_kit.errors import StorageUnavailable

# Where a hard link cannot be made, a copy still can: another file system, too many links, no links at all.
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
)


def blob_path(blob_root: Path, sha256: str) -> Path:
    """Where the blob of this sha256 lies below the blob root."""
    return blob_root / sha256[:2] / sha256


def place(blob_root: Path, sha256: str, size_bytes: int, target: Path, name: str) -> Path:
    """Make `target` a file with the bytes of a blob. The size is always verified, the content when copied.

    Raises StorageUnavailable, calling the blob by `name`, when it is missing or differs from what the version says.
    """
    blob = blob_path(blob_root, sha256)
    _verify_size(blob, size_bytes, name)
    try:
        os.link(blob, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
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
