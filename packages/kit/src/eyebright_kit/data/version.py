"""Make an immutable version of a folder or zip: `prepare(source, work=…)`.

A version is its manifest, and the sha256 of the manifest's canonical JSON is its identity: the same images under the same names
and classes are the same version, in whatever order, at whatever date, on whatever machine they were read.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from eyebright_kit.archive import ArchiveLimits, extract
from eyebright_kit.data.inspect import Inspection, Rules, inspect_images
from eyebright_kit.data.survey import Progress
from eyebright_wire.datasets import DatasetReport, VersionManifest


@dataclass(frozen=True, slots=True)
class PreparedVersion:
    """Everything that a server needs to keep a version.

    `blobs` are the distinct images by sha256, each with a file that had this content when it was read; whoever stores one
    verifies that it still has. A version that is not ready for any task is prepared all the same, without the files that cannot
    be used; look at the report.
    """

    report: DatasetReport
    manifest: VersionManifest
    manifest_bytes: bytes = field(repr=False)
    sha256: str
    blobs: tuple[tuple[str, Path], ...] = field(repr=False)


def prepare(
    source: Path,
    *,
    work: Path,
    progress: Progress | None = None,
    archive_limits: ArchiveLimits | None = None,
    rules: Rules | None = None,
) -> PreparedVersion:
    """Inspect a folder or a zip, and make a version of what can be used of it.

    A zip is unpacked into `work`, which must outlive the use of `blobs` and belongs to the caller, who removes it. A folder is
    read where it is. Raises ArchiveRejected for a file that is no sound zip, OSError when source or work cannot be used.
    """
    root = source if source.is_dir() else _unpack(source, work, archive_limits, progress)
    return _version(inspect_images(root, rules=rules, progress=progress))


def canonical(manifest: VersionManifest) -> bytes:
    """The one way to write a manifest down. Fields at their default are left out, so that a field which the wire gains later
    does not rename the versions that do not use it."""
    content = manifest.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _unpack(archive: Path, work: Path, limits: ArchiveLimits | None, progress: Progress | None) -> Path:
    into = work / "unpacked"
    extract(
        archive,
        into,
        limits=limits,
        progress=(lambda done, total: progress("unpacking", done, total)) if progress else None,
    )
    return into


def _version(inspection: Inspection) -> PreparedVersion:
    report, images = inspection.report, inspection.images
    manifest = VersionManifest(
        format=report.format, classes=report.classes, samples=tuple(image.sample() for image in images)
    )
    written = canonical(manifest)
    blobs = {image.sha256: image.path for image in reversed(images)}
    return PreparedVersion(report, manifest, written, hashlib.sha256(written).hexdigest(), tuple(sorted(blobs.items())))
