"""Order imports, wait for what they bring, and look at data sets. The work itself is a job like any other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from eyebright.core.callers import require_unreserved
from eyebright.core.job import Job
from eyebright.core.quota import UNCOUNTED
from eyebright.core.records import Dataset, Version
from eyebright.core.resolve import nearest
from eyebright.core.scope import current_project
from eyebright.core.unsuccessful import error_of, errors_of
from eyebright.errors import InvalidRequest, NotFound, import_deleted, no_dataset
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobHistory, JobStore, Receipt
from eyebright.ports.objects import BLOBS, ObjectStore, attempt_prefix
from eyebright.ports.registry import DatasetStore
from eyebright.services.announce import Announcer
from eyebright.services.lists import kept, list_key
from eyebright.services.quotas import RequireRoom, boundless
from eyebright.services.receipts import known_order, sha256_of
from eyebright.services.views import dataset_view, job_view, version_view
from eyebright_kit.data.relabel import PlanInvalid, relabelling
from eyebright_kit.importing.handover import REPORT
from eyebright_kit.importing.manifest import MODEL, TASK
from eyebright_wire.datasets import DatasetPlan, DatasetReport
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import IMPORTER, JobState, PreflightRequest
from eyebright_wire.names import dataset_name
from eyebright_wire.resources import (
    DatasetImport,
    DatasetInspection,
    DatasetSource,
    DatasetVersionView,
    DatasetView,
    ImageSource,
    JobView,
    Page,
)

#: The executor that runs imports beside those that train. Nobody can order a training there.
IMPORTS = UNCOUNTED

#: Data sets among which a mistyped name is looked for.
NAMES_LOOKED_AT = 200
#: Addresses of a list that are named in a message.
SHOWN = 10
#: Whoever waits looks again without having been called: another process may have written the end.
LOOK_SECONDS = 2.0

log = structlog.stdlib.get_logger(__name__)

_FAILED = frozenset({str(EventKind.FAILED)})


class UploadedFile(Protocol):
    @property
    def path(self) -> Path: ...
    @property
    def filename(self) -> str: ...


class UploadedFiles(Protocol):
    async def path_of(self, upload_id: str) -> UploadedFile:
        """Where a finished upload lies. Raises NotFound, or Conflict while it is unfinished."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be imported: a path on this machine, or an address."""

    shown: str  # what people may see of it
    name: str  # what a data set of it is called by default
    path: Path | None = None
    url: str | None = None
    manifest: str | None = None  # the sha256 of a stored version's, whose blobs lie at `path`
    images: tuple[str, ...] = ()  # of a list, what people may see of the addresses


async def nothing_is_trained(request: PreflightRequest) -> PreflightRequest:
    raise InvalidRequest(f"this server trains nothing (task {request.task}); import without `train`")


def nothing_is_fetched(url: str) -> Source:
    raise InvalidRequest("this server fetches nothing; upload the data, or name a path on the server")


async def nothing_is_kept(url: str) -> Source | None:
    return None


def no_image_is_fetched(url: str) -> str:
    return nothing_is_fetched(url).shown


def imports_of(replica: str) -> str:
    """The same, of what lies on one server's machine."""
    return f"{IMPORTS}:{replica}"


class Datasets:
    def __init__(
        self,
        store: DatasetStore,
        jobs: JobStore,
        history: JobHistory,
        objects: ObjectStore,
        clock: Clock,
        announcer: Announcer,
        *,
        uploads: UploadedFiles,
        remote: Callable[[str], Source] = nothing_is_fetched,
        remote_image: Callable[[str], str] = no_image_is_fetched,
        kept: Callable[[str], Awaitable[Source | None]] = nothing_is_kept,
        check: Callable[[PreflightRequest], Awaitable[PreflightRequest]] = nothing_is_trained,
        here: str = IMPORTS,
        require_room: RequireRoom = boundless,
    ) -> None:
        """`remote` is asked what there is to say of an address before anybody is sent there; it raises InvalidRequest. So is
        `remote_image` of the address of a single image; it answers what people may see of it. `kept` is asked before both, and
        answers what lies at an address of our own, or raises NotFound. `check`
        answers the training that is to follow an import, in the names that it is kept by; it raises what is wrong with it."""
        self._store = store
        self._jobs = jobs
        self._history = history
        self._objects = objects
        self._clock = clock
        self._announcer = announcer
        self._uploads = uploads
        self._remote = remote
        self._remote_image = remote_image
        self._kept = kept
        self._here = here  # who imports what lies on this machine
        self._check = check
        self._require_room = require_room

    async def order(
        self,
        order: DatasetImport | DatasetInspection,
        *,
        source: str = "api",
        key: str | None = None,
        body_sha256: str | None = None,
    ) -> JobView:
        """Queue it; the same (source, key) is one job. Raises KeyReused; InvalidRequest or NotFound for a source that is not
        there; and whatever a training that is to follow would be refused for but its data. Nothing is kept then.

        `body_sha256` tells the order apart from another one of its key, where its caller said it in other words.
        """
        require_unreserved(_labels(order))
        body_sha256 = body_sha256 or sha256_of(order)
        if key is not None and (known := await self._taken(source, key, body_sha256)):
            return job_view((await self._jobs.get(known)).job)
        return await self.place(order, source, key, body_sha256)

    async def place(
        self,
        order: DatasetImport | DatasetInspection,
        source: str,
        key: str | None,
        body_sha256: str,
        *,
        held: bool = False,
    ) -> JobView:
        """As `order`, for whoever knows that its key is new; if it is not any more, that is one job all the same. Any label may
        be given. `held`: kept until it is released."""
        if isinstance(order, DatasetImport) and order.train is not None:
            order = order.model_copy(update={"train": await self._check(order.train)})
        if isinstance(order, DatasetImport):
            await self._require_room(0)
        job = replace(self._job(order, await self._source(order)), held=held)
        receipt = Receipt(source=source, key=key, body_sha256=body_sha256, job_id=job.id) if key else None
        return await (
            self._insert_with_list(job, receipt, order.images) if order.images else self._insert(job, receipt)
        )

    async def check(self, order: DatasetImport | DatasetInspection) -> Source:
        """What would be read. Raises as `order` does, but not for its key; nothing is kept."""
        if isinstance(order, DatasetImport) and order.train is not None:
            await self._check(order.train)
        return await self._source(order)

    async def imported(self, job_id: str) -> DatasetVersionView:
        """The version that an import brings, once it has ended.

        The same content is the same version. A set that is not ready for any task is kept too, with the reasons in its
        report. One with files that mean to be images and cannot be used is refused unless they are left out, and so is one
        without a single usable image. Raises DatasetInvalid, with these files in its errors, or what else became of the job.
        """
        job = await self._succeeded(job_id)
        with suppress(NotFound):
            for version in (await self._store.get(job.name)).versions:
                if version.id == job.imported_version:
                    return version_view(version)
        raise import_deleted(job.id, job.name)

    async def inspected(self, job_id: str) -> DatasetReport:
        """What an inspection has found, once it has ended. Raises as `imported` does, but not for files that are broken."""
        job = await self._succeeded(job_id)
        report = self._objects.open(attempt_prefix(job.id, job.attempt) + REPORT)
        return DatasetReport.model_validate_json(b"".join([chunk async for chunk in report]))

    async def get(self, name: str) -> DatasetView:
        """Raises NotFound with the nearest names."""
        return dataset_view(await find(self._store, name))

    async def version(self, version_id: str) -> DatasetVersionView:
        """Raises NotFound, also with when it was deleted."""
        return version_view(await find_version(self._store, version_id))

    async def delete(self, name: str, number: int | None = None) -> None:
        """Forget a data set, or the version of this number. Their files go with the next collection, but for those that another
        version has too. Raises NotFound, or Conflict while a job that has not ended needs one."""
        if number is None:
            await find(self._store, name)
        for version in await self._store.delete(name, number, self._clock.now_ms()):
            log.info("a data set version was deleted", version=version.id, title=version.title)

    async def list(self, after: str | None = None, limit: int = 50) -> Page[DatasetView]:
        found = await self._store.list(after, limit + 1)
        page = found[:limit]
        more = page[-1].name if len(found) > limit else None
        return Page[DatasetView](items=tuple(dataset_view(dataset) for dataset in page), next=more)

    async def _source(self, order: DatasetSource) -> Source:
        if order.url is not None:
            return await self._kept(order.url) or await asyncio.to_thread(self._remote, order.url)
        if order.upload is not None:
            upload = await self._uploads.path_of(order.upload)
            return Source(upload.filename, dataset_name(upload.filename), upload.path)
        if order.version is not None:
            version = await find_version(self._store, order.version)
            _require_classes(version, order.plan or DatasetPlan())
            blobs = await self._objects.local(BLOBS)
            return Source(version.id, version.dataset, blobs, manifest=version.manifest_sha256)
        if order.images:
            await self._require_elsewhere(order.images)
            return await asyncio.to_thread(self._listed, order.images)
        return await asyncio.to_thread(_on_this_machine, Path(order.path or ""))

    async def _require_elsewhere(self, images: Sequence[ImageSource]) -> None:
        """Raises NotFound or InvalidRequest for an address of our own, at which no image lies that anybody may name."""
        for image in images:
            if kept := await self._kept(image.url):
                raise InvalidRequest(f"{kept.shown} is a whole data set, and no image; import it by itself")

    def _listed(self, images: Sequence[ImageSource]) -> Source:
        """Raises InvalidRequest with every address that may not be called."""
        shown: list[str] = []
        refused: list[dict[str, Any]] = []
        for place, image in enumerate(images):
            try:
                shown.append(self._remote_image(image.url))
            except InvalidRequest as error:
                refused.append({"field": f"images.{place}.url", "message": error.message})
        if refused:
            raise InvalidRequest(_all_refused(refused, len(images)), errors=refused)
        return Source(f"{len(images):,} image{'s' if len(images) > 1 else ''} by list", "images", images=tuple(shown))

    def _job(self, order: DatasetImport | DatasetInspection, source: Source) -> Job:
        """`config` is for people, and shows of an address no more than they may see; `resolved` for the importer."""
        keep = isinstance(order, DatasetImport)
        shown = {"path": source.shown, "upload": order.upload, "url": source.shown, "images": _some_of(source.images)}
        asked = order.model_dump(mode="json", exclude_defaults=True)
        return Job(
            id=self._clock.new_id("job"),
            project=current_project(),
            name=(order.name if isinstance(order, DatasetImport) else None) or source.name,
            trainer=IMPORTER,
            task=TASK,
            model=MODEL,
            dataset_version="",
            config={key: shown.get(key, value) for key, value in asked.items()} | ({} if keep else {"keep": False}),
            resolved={
                "path": None if source.path is None else str(source.path),
                "manifest": source.manifest,
                "url": source.url,
                "shown": source.shown,
                "leave_out_broken": order.leave_out_broken,
                "keep": keep,
                "plan": asked.get("plan"),
            },
            executor=IMPORTS if source.url is not None else self._here,
            labels=order.labels if isinstance(order, DatasetImport) else {},
            created_at_ms=self._clock.now_ms(),
        )

    async def _taken(self, source: str, key: str, body_sha256: str) -> str | None:
        async with self._jobs.transaction() as transaction:
            return await known_order(transaction, source, key, body_sha256)

    async def _insert(self, job: Job, receipt: Receipt | None = None) -> JobView:
        async with self._jobs.transaction() as transaction:
            known = receipt and await known_order(transaction, receipt.source, receipt.key, receipt.body_sha256)
            if known is None:
                await transaction.require_version(job.needed_version)
                await transaction.insert(job, receipt)
        if known is not None:
            return job_view((await self._jobs.get(known)).job)
        self._announcer.submitted(job.id)
        return job_view(job)

    async def _insert_with_list(self, job: Job, receipt: Receipt | None, images: Sequence[ImageSource]) -> JobView:
        async with kept(self._objects, job.id, images) as file:
            view = await self._insert(replace(job, resolved={**job.resolved, "images": str(file)}), receipt)
        if view.id != job.id:  # somebody else placed the same order meanwhile
            await self._objects.remove([list_key(job.id)])
        return view

    async def _succeeded(self, job_id: str) -> Job:
        job = await self._ended(job_id)
        if job.state is JobState.SUCCEEDED:
            return job
        failed = await self._history.events(job_id, 0, job.events or 1, _FAILED)
        last = failed[-1].data if failed and failed[-1].attempt == job.attempt else None
        raise error_of(job.reason, job.message, errors_of(last or {}))

    async def _ended(self, job_id: str) -> Job:
        with self._announcer.jobs.subscribed(job_id) as news:
            while True:
                news.clear()
                job = (await self._jobs.get(job_id)).job
                if job.state.final:
                    return job
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await news.wait()


async def find(store: DatasetStore, name: str) -> Dataset:
    """A data set by name. Raises NotFound with the nearest names."""
    try:
        return await store.get(name)
    except NotFound:
        known = [dataset.name for dataset in await store.list(None, NAMES_LOOKED_AT)]
        raise no_dataset(name, f".{nearest(name, known)}" if known else "") from None


async def find_version(store: DatasetStore, version_id: str) -> Version:
    """Raises NotFound, also with when it was deleted."""
    version = await store.version(version_id)
    version.require_there()
    return version


def _all_refused(refused: Sequence[Mapping[str, str]], count: int) -> str:
    if len(refused) == count == 1:
        return refused[0]["message"]
    more = f"; and {len(refused) - SHOWN:,} more" if len(refused) > SHOWN else ""
    first = "; ".join(each["message"] for each in refused[:SHOWN])
    return f"{len(refused):,} of {count:,} addresses of images are refused: {first}{more}"


def _some_of(addresses: Sequence[str]) -> list[str]:
    """So that looking at a job costs no more for a long list."""
    rest = len(addresses) - SHOWN
    return [*addresses[:SHOWN], *([f"and {rest:,} more"] if rest > 0 else [])]


def _require_classes(version: Version, plan: DatasetPlan) -> None:
    """Said before anything runs, as the classes of a stored version are known. Raises InvalidRequest for one that it lacks."""
    try:
        relabelling(version.report["classes"], plan)
    except PlanInvalid as error:
        raise InvalidRequest(str(error)) from None


def _on_this_machine(path: Path) -> Source:
    if not path.is_absolute():
        raise InvalidRequest(
            f"{path} is not absolute; name the whole path on the server, such as {Path('/data') / path}"
        )
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidRequest(f"there is no file or folder {path} on the server") from None
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read on the server: {error.strerror}") from None
    return Source(str(path), dataset_name(path.name), path)


def _labels(order: DatasetImport | DatasetInspection) -> Iterable[str]:
    if isinstance(order, DatasetImport):
        yield from order.labels
        yield from order.train.labels if order.train else ()
