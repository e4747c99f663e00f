"""Make an immutable version of a folder or zip: `prepare(source, work=…)`.

A version is its manifest, and the sha256 of the manifest is its identity: the same images with the same annotations under the
same names and classes are the same version, in whatever order, at whatever date, on whatever machine they were read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eyebright_kit.archive import ArchiveLimits, extract
from eyebright_kit.data.annotator import with_split
from eyebright_kit.data.inspect import Inspection, Rules, inspect_into
from eyebright_kit.data.manifest import Manifest, line_of, write_manifest
from eyebright_kit.data.survey import Progress
from eyebright_kit.data.workplace import Workplace
from eyebright_wire.datasets import DatasetPlan, DatasetReport


@dataclass(frozen=True, slots=True)
class PreparedVersion:
    """Everything that a server needs to keep a version.

    `blobs` are the distinct images, masks and the list of changes by sha256, each with a file that had this content when it was
    read; whoever stores one verifies that it still has. A version that is not ready for any task is prepared all the same,
    without the files that cannot be used; look at the report.
    """

    report: DatasetReport
    manifest_path: Path
    sha256: str
    blobs: tuple[tuple[str, Path], ...] = field(repr=False)

    @property
    def manifest(self) -> Manifest:
        return Manifest(self.manifest_path)


def prepare(
    source: Path,
    *,
    work: Path,
    progress: Progress | None = None,
    archive_limits: ArchiveLimits | None = None,
    rules: Rules | None = None,
    plan: DatasetPlan | None = None,
) -> PreparedVersion:
    """Inspect a folder or a zip, and make a version of what can be used of it, as the plan says.

    The manifest, masks and what a zip holds are written below `work`, which must outlive the use of `blobs` and belongs to the
    caller, who removes it. A folder is read where it is. Raises ArchiveRejected for a file that is no sound zip, PlanInvalid,
    OSError when source or work cannot be used.
    """
    root = source if source.is_dir() else _unpack(source, work, archive_limits, progress)
    with Workplace(work / "read") as place:
        return written(inspect_into(place, root, rules=rules, plan=plan, progress=progress), place)


def written(inspection: Inspection, place: Workplace) -> PreparedVersion:
    """The version of what was inspected; its files lie at `place`."""
    path = place.folder / "manifest.jsonl"
    masks: dict[str, Path] = {}
    sha256 = write_manifest(path, inspection.header, _lines(inspection, place, masks))
    blobs = {picture.sha256: Path(picture.path) for picture in reversed(inspection.pictures)} | masks
    if changes := inspection.report.changes:
        blobs[changes.sha256] = place.changes.path
    return PreparedVersion(inspection.report, path, sha256, tuple(sorted(blobs.items())))


def _lines(inspection: Inspection, place: Workplace, masks: dict[str, Path]) -> Iterator[bytes]:
    for picture in inspection.pictures:
        assert picture.split is not None
        sample = with_split(place.spool.sample(picture.place), picture.split)
        if sample.mask is not None:
            masks[sample.mask.sha256] = place.mask(sample.mask.sha256)
        yield line_of(sample)


def _unpack(archive: Path, work: Path, limits: ArchiveLimits | None, progress: Progress | None) -> Path:
    into = work / "unpacked"
    extract(
        archive,
        into,
        limits=limits,
        progress=(lambda done, total: progress("unpacking", done, total)) if progress else None,
    )
    return into
