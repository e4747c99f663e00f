"""From what an import has left in its work folder to a data set version: every file looked at, nothing believed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from eyebright.core.job import Job, Run
from eyebright.core.records import Version
from eyebright.errors import DatasetInvalid
from eyebright.ports.clock import Clock
from eyebright.ports.objects import ObjectStore, attempt_prefix, blob_key
from eyebright.services.staging import Put, Staging
from eyebright_kit.importing.handover import MANIFEST, REPORT, WORK, NotWhole, named, read_blobs
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.events import PreparedDataset


class Registering:
    def __init__(self, objects: ObjectStore, staging: Staging, clock: Clock) -> None:
        self._objects = objects
        self._staging = staging
        self._clock = clock

    @asynccontextmanager
    async def registered(self, run: Run, prepared: PreparedDataset) -> AsyncGenerator[Version]:
        """The version that the attempt has prepared, to be committed inside the context: only then do its files stay.

        Raises DatasetInvalid when the files are not what was announced, Conflict when one has changed since, StorageFull.
        """
        assert run.attempt is not None
        prefix = attempt_prefix(run.job.id, run.attempt.number)
        work = await self._objects.local(f"{prefix}{WORK}/")
        files = await asyncio.to_thread(_files, work, _folder(run.job), prepared)
        report = DatasetReport.model_validate_json(await self._read(prefix + REPORT))
        async with self._staging.staged(run.job.id, files):
            yield Version(
                id=f"dsv_{prepared.manifest_sha256[:24]}",
                dataset=run.job.name,
                number=0,  # the store gives the next one
                manifest_sha256=prepared.manifest_sha256,
                report=report.model_dump(mode="json"),
                created_at_ms=self._clock.now_ms(),
            )

    async def _read(self, key: str) -> bytes:
        return b"".join([chunk async for chunk in self._objects.open(key)])


def _folder(job: Job) -> Path | None:
    """The person's own folder, when that is what was imported."""
    path = Path(str(job.resolved.get("path", "")))
    return path if path.is_absolute() and path.is_dir() else None


def _files(work: Path, folder: Path | None, prepared: PreparedDataset) -> list[Put]:
    """The manifest, and every file that it names."""
    try:
        blobs = {blob.sha256: blob for blob in read_blobs(work, folder)}
        missing = next((sha256 for sha256 in named(work) if sha256 not in blobs), None)
    except NotWhole as error:
        raise DatasetInvalid(f"the import cannot be kept: {error}") from error
    if missing is not None or len(blobs) != prepared.blobs:
        raise DatasetInvalid(f"the import cannot be kept: its manifest names {missing}, which is not among its files")
    files = [(blob_key(blob.sha256), blob.path, blob.own) for blob in blobs.values()]
    return [*files, (blob_key(prepared.manifest_sha256), work / MANIFEST, True)]
