"""Import data sets: inspect, then keep what was found as an immutable version."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp
from threading import Event
from typing import Any

from eyebright.core.records import Dataset, Version
from eyebright.core.resolve import nearest
from eyebright.errors import DatasetInvalid, InvalidRequest, NotFound
from eyebright.ports.clock import Clock
from eyebright.ports.objects import ObjectStore, blob_key
from eyebright.ports.registry import DatasetStore
from eyebright.services.views import dataset_view, version_view
from eyebright_kit.archive import ArchiveRejected
from eyebright_kit.data.findings import BROKEN
from eyebright_kit.data.inspect import Rules
from eyebright_kit.data.version import PreparedVersion, prepare
from eyebright_wire.datasets import Finding, dataset_name
from eyebright_wire.resources import DatasetVersionView, DatasetView, Page

#: Imports that read images at the same time; more would only fight over the disk.
IMPORTS_AT_ONCE = 2
#: Data sets among which a mistyped name is looked for.
NAMES_LOOKED_AT = 200


class Datasets:
    def __init__(self, store: DatasetStore, objects: ObjectStore, clock: Clock, *, scratch: Path) -> None:
        self._store = store
        self._objects = objects
        self._clock = clock
        self._scratch = scratch
        self._importing = asyncio.Semaphore(IMPORTS_AT_ONCE)

    async def import_path(
        self, path: Path, name: str | None = None, *, leave_out_broken: bool = False
    ) -> DatasetVersionView:
        """Inspect a folder or zip and keep it as the next version of `name` (default: the file's own name).

        The same content is the same version. A set that is not ready for any task is kept too, with the reasons in its
        report. One with files that mean to be images and cannot be used is refused unless they are left out, and so is one
        without a single usable image. Raises DatasetInvalid, with these files in its errors; nothing is kept then.
        """
        async with self._importing, self._workshop() as (work, abandoned):
            prepared = await asyncio.to_thread(_prepare, path, work, leave_out_broken, abandoned)
            _require_keepable(prepared, path, leave_out_broken)
            return await self._keep(prepared, name or dataset_name(path.name), work)

    async def get(self, name: str) -> DatasetView:
        """Raises NotFound with the nearest names."""
        return dataset_view(await find(self._store, name))

    async def version(self, version_id: str) -> DatasetVersionView:
        return version_view(await self._store.version(version_id))

    async def list(self, after: str | None = None, limit: int = 50) -> Page[DatasetView]:
        found = await self._store.list(after, limit + 1)
        page = found[:limit]
        more = page[-1].name if len(found) > limit else None
        return Page[DatasetView](items=tuple(dataset_view(dataset) for dataset in page), next=more)

    @asynccontextmanager
    async def _workshop(self) -> AsyncGenerator[tuple[Path, Event]]:
        """A folder to unpack into, and a flag that ends the thread at work there once nobody waits for it any more."""
        abandoned = Event()
        work = Path(await asyncio.to_thread(mkdtemp, dir=self._scratch, prefix="import-"))
        try:
            yield work, abandoned
        finally:
            abandoned.set()
            # In a thread too: a million unpacked pictures take minutes to remove.
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, work, ignore_errors=True))

    async def _keep(self, prepared: PreparedVersion, name: str, work: Path) -> DatasetVersionView:
        images = await asyncio.to_thread(_by_key, prepared)
        for ours in (True, False):  # a person's own folder may change later: never link to it
            files = [(key, path) for key, path in images if path.is_relative_to(work) == ours]
            await self._objects.put(files, owned=ours)
        await self._objects.put([(blob_key(prepared.sha256), prepared.manifest_path)], owned=True)
        version = Version(
            id=f"dsv_{prepared.sha256[:24]}",
            dataset=name,
            number=0,  # the store gives the next one
            manifest_sha256=prepared.sha256,
            report=prepared.report.model_dump(mode="json"),
            created_at_ms=self._clock.now_ms(),
        )
        return version_view(await self._store.add_version(version))


async def find(store: DatasetStore, name: str) -> Dataset:
    """A data set by name. Raises NotFound with the nearest names."""
    try:
        return await store.get(name)
    except NotFound as error:
        known = [dataset.name for dataset in await store.list(None, NAMES_LOOKED_AT)]
        raise NotFound(f"{error.message}.{nearest(name, known)}") from None


def _prepare(path: Path, work: Path, leave_out_broken: bool, abandoned: Event) -> PreparedVersion:
    def give_up_when_abandoned(*_: object) -> None:
        if abandoned.is_set():
            raise InterruptedError("the import was abandoned")

    if not path.exists():
        raise InvalidRequest(f"there is no file or folder {path} on the server")
    rules = Rules(leave_out_broken=leave_out_broken)
    try:
        return prepare(path, work=work, rules=rules, progress=give_up_when_abandoned)
    except ArchiveRejected as error:
        raise DatasetInvalid(str(error)) from error


def _by_key(prepared: PreparedVersion) -> list[tuple[str, Path]]:
    return [(blob_key(sha256), path) for sha256, path in prepared.blobs]


def _require_keepable(prepared: PreparedVersion, path: Path, leave_out_broken: bool) -> None:
    """A version is named by its content alone, so it could not tell a set that lacks a file from one that never had it."""
    report = prepared.report
    broken = [finding for finding in report.findings if finding.code in BROKEN]
    if not report.images or (broken and not leave_out_broken):
        reasons = dict.fromkeys(reason for readiness in report.readiness for reason in readiness.missing)
        message = "; ".join(reasons) or f"no image was found in {path}"
        raise DatasetInvalid(message, errors=[_error_of(finding) for finding in broken])


def _error_of(finding: Finding) -> dict[str, Any]:
    return finding.model_dump(mode="json", include={"code", "message", "count", "examples"})
