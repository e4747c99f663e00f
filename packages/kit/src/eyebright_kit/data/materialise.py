"""Lay an immutable version out as a local folder tree: `materialise(manifest, blob_root, into)`.

Class names and source names never become paths; numbers do.
"""

import errno
import hashlib
import os
import shutil
from pathlib import Path

from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_kit.errors import StorageUnavailable
from eyebright_wire.datasets import Sample, Split, VersionManifest

# Where a hard link cannot be made, a copy still can: another file system, too many links, no links at all.
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
)
_UNLABELLED = "unlabelled"


def blob_path(blob_root: Path, sha256: str) -> Path:
    """Where the blob of this sha256 lies below the blob root."""
    return blob_root / sha256[:2] / sha256


def materialise(manifest: VersionManifest, blob_root: Path, into: Path) -> LocalDataset:
    """Make every sample of the version a file below `into`, as a hard link to its blob or, failing that, as a copy.

    What an earlier call left below `into` is replaced. Sizes are always verified, contents when copied.
    Raises StorageUnavailable when a blob is missing or differs from the manifest.
    """
    _clear(into)
    splits = {split: _lay_out(manifest, split, blob_root, into) for split in Split}
    return LocalDataset(root=into, classes=manifest.classes, splits=splits)


def _clear(into: Path) -> None:
    """Remove only what materialise itself makes: `into` may hold other things of the caller."""
    for split in Split:
        if (into / split).exists():
            shutil.rmtree(into / split)
    into.mkdir(parents=True, exist_ok=True)


def _lay_out(manifest: VersionManifest, split: Split, blob_root: Path, into: Path) -> tuple[LocalSample, ...]:
    samples = [sample for sample in manifest.samples if sample.split == split]
    for folder in {_folder(sample) for sample in samples}:
        (into / folder).mkdir(parents=True)
    return tuple(_place(sample, number, blob_root, into) for number, sample in enumerate(samples))


def _place(sample: Sample, number: int, blob_root: Path, into: Path) -> LocalSample:
    target = into / _folder(sample) / f"{number:06d}.{sample.extension}"
    blob = blob_path(blob_root, sample.sha256)
    _verify_size(sample, blob)
    _link_or_copy(sample, blob, target)
    return LocalSample(target, sample.label, sample.source, sample.width, sample.height)


def _folder(sample: Sample) -> Path:
    return Path(sample.split) / (_UNLABELLED if sample.label is None else f"{sample.label:04d}")


def _verify_size(sample: Sample, blob: Path) -> None:
    try:
        size = blob.stat().st_size
    except FileNotFoundError:
        raise StorageUnavailable(
            f"the stored image of {sample.source or sample.sha256} is missing ({blob}); import the data set again"
        ) from None
    if size != sample.size_bytes:
        raise StorageUnavailable(
            f"the stored image of {sample.source or sample.sha256} has {size} bytes where the version says "
            f"{sample.size_bytes} ({blob}); import the data set again"
        )


def _link_or_copy(sample: Sample, blob: Path, target: Path) -> None:
    try:
        os.link(blob, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _copy(sample, blob, target)


def _copy(sample: Sample, blob: Path, target: Path) -> None:
    """Copying reads every byte anyway, so here the content is verified too."""
    digest = hashlib.sha256()
    with blob.open("rb") as source, target.open("wb") as copy:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != sample.sha256:
        target.unlink()
        raise StorageUnavailable(
            f"the stored image of {sample.source or sample.sha256} is damaged: its sha256 is {digest.hexdigest()} "
            f"({blob}); import the data set again"
        )
