"""From what an import has left in its work folder to a data set version: every file looked at, nothing believed."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from eyebright.core.job import Job, Run
from eyebright.core.records import Version
from eyebright.errors import DatasetInvalid
from eyebright.ports.clock import Clock
from eyebright.ports.objects import ObjectStore, attempt_prefix, blob_key
from eyebright.services.staging import Put, Staging
from eyebright_kit.importing.handover import MANIFEST, WORK, NotWhole, named, read_blobs, read_report
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.events import PreparedDataset


class Registering:
    def __init__(self, objects: ObjectStore, staging: Staging, clock: Clock) -> None:
        self._objects = objects
        self._staging = staging
        self._clock = clock

    @asynccontextmanager
    async def registered(self, run: Run, prepared: PreparedDataset) -> AsyncGenerator[tuple[Version, int]]:
        """The version that the attempt has prepared, to be committed inside the context, under this number of removals: only then
        do its files stay.

        Raises DatasetInvalid when the files are not what was announced, Conflict when one has changed since, StorageFull.
        """
        assert run.attempt is not None
        output = await self._objects.local(attempt_prefix(run.job.id, run.attempt.number))
        report, files = await asyncio.to_thread(_read, output / WORK, _folder(run.job), prepared)
        async with self._staging.staged(run.job.id, files) as removals:
            version = Version(
                id=f"dsv_{prepared.manifest_sha256[:24]}",
                project=run.job.project,
                dataset=run.job.name,
                number=0,  # the store gives the next one
                manifest_sha256=prepared.manifest_sha256,
                report=report.model_dump(mode="json"),
                created_at_ms=self._clock.now_ms(),
            )
            yield version, removals


def _folder(job: Job) -> Path | None:
    """The person's own folder, when that is what was imported."""
    path = Path(str(job.resolved.get("path", "")))
    return path if path.is_absolute() and path.is_dir() else None


def _read(work: Path, folder: Path | None, prepared: PreparedDataset) -> tuple[DatasetReport, list[Put]]:
    """The report, and the manifest with every file that the two name."""
    try:
        report = read_report(work)
        blobs = {blob.sha256: blob for blob in read_blobs(work, folder)}
        _compare(blobs, report, named(work), prepared)
    except NotWhole as error:
        raise DatasetInvalid(f"the import cannot be kept: {error}") from error
    files = [(blob_key(blob.sha256), blob.path, blob.own) for blob in blobs.values()]
    return report, [*files, (blob_key(prepared.manifest_sha256), work / MANIFEST, True)]


def _compare(blobs: Collection[str], report: DatasetReport, names: Iterable[str], prepared: PreparedDataset) -> None:
    """Every file that is named has come, and none besides."""
    unnamed = set(blobs)
    for sha256 in (*([report.changes.sha256] if report.changes else []), *names):
        if sha256 not in blobs:
            raise NotWhole(f"its manifest names {sha256}, which is not among its files")
        unnamed.discard(sha256)
    if unnamed or len(blobs) != prepared.blobs:
        raise NotWhole(
            f"{prepared.blobs} files were announced, {len(blobs)} came, {len(unnamed)} of them named nowhere"
        )
