"""The adapters that the settings ask for."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from eyebright import plugins, telemetry
from eyebright.doors.traffic import Footfall
from eyebright.errors import Unavailable
from eyebright.folder import DataFolder
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.catalog import Catalog
from eyebright.ports.clock import Clock, SystemClock
from eyebright.ports.executor import Executor, Predictor
from eyebright.ports.objects import ObjectStore
from eyebright.ports.subscriber import Subscriber
from eyebright.ports.webhooks import Sender
from eyebright.settings import Settings, process_environment
from eyebright.stores.projects import callers_database_at

log = structlog.stdlib.get_logger(__name__)

EXECUTORS, SUBSCRIBERS, TRAINERS = (f"eyebright.{group}" for group in ("executors", "subscribers", "trainers"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The adapters behind the sockets. `database` has the attributes jobs, history, outbox, markers, leases, bus, datasets,
    models, webhooks, access and audit."""

    database: Any
    objects: ObjectStore
    catalog: Catalog
    executors: Mapping[str, Executor]
    imports: Executor
    predictor: Predictor
    callers: CallersDatabase | None = None  # None: nobody has projects
    sender: Sender | None = None  # None: one that obeys settings.egress
    subscribers: Mapping[str, Subscriber] = field(default_factory=dict[str, Subscriber])
    clock: Clock = field(default_factory=SystemClock)
    replica: str = "rep_0"  # among all servers of a database
    shared: bool = False  # there may be others
    instruments: telemetry.Instruments = field(default_factory=telemetry.Instruments.make)
    footfall: Footfall = field(default_factory=Footfall)


@asynccontextmanager
async def opened(settings: Settings, folder: DataFolder) -> AsyncIterator[Parts]:
    """The adapters that the settings ask for."""
    from eyebright.catalog.served import ServedCatalog
    from eyebright.catalog.trainers import CatalogSettings, TrainerCatalog
    from eyebright.executors.local import LocalExecutor
    from eyebright.executors.prediction import ChildProcessPredictor, PredictionSettings
    from eyebright.stores.sql.database import Database

    environment = process_environment()
    instruments = telemetry.Instruments.make()
    sources = [plugins.load(TRAINERS, name) for name in plugins.names(TRAINERS)]
    executors = {name: _executor(name, settings) for name in settings.executors}
    subscribers = {
        name: plugins.load(SUBSCRIBERS, name)(instruments)
        for name in settings.subscribers or plugins.names(SUBSCRIBERS)
    }
    own = TrainerCatalog(sources, CatalogSettings(trainers_dir=settings.trainers_dir, environment=environment))
    catalog = ServedCatalog(own, executors, settings.services_file)
    _empty(folder.folder(settings.uploads_dir.name))
    async with AsyncExitStack() as stack:
        objects = await stack.enter_async_context(object_store(settings, folder))
        for executor in executors.values():
            stack.push_async_callback(executor.close)
        await stack.enter_async_context(catalog.listening())
        database = await Database.open(settings.database, settings.postgres)
        stack.push_async_callback(database.close)
        replica, shared = folder.replica(SystemClock()), database.shareable and settings.storage.place is not None
        await stack.enter_async_context(database.owned(replica if shared else None))
        callers = callers_database_at(settings.training_agent)
        if callers is not None and not settings.training_agent.has_place:
            log.warning("GCP_BUCKET_NAME is not set: models of projects stay here", folder=settings.agents_models)
        if callers is not None:
            stack.push_async_callback(callers.close)
        yield Parts(
            database=database,
            callers=callers,
            objects=objects,
            catalog=catalog,
            executors=executors,
            imports=LocalExecutor.for_imports(settings),
            predictor=ChildProcessPredictor(PredictionSettings(environment=environment)),
            subscribers=subscribers,
            instruments=instruments,
            replica=replica,
            shared=shared,
        )


def _executor(name: str, settings: Settings) -> Executor:
    """`local`, or `service:gpus`: of a plug-in that is there more than once, which one."""
    plugin, _, which = name.partition(":")
    return plugins.load(EXECUTORS, plugin).configured(settings, which)


@asynccontextmanager
async def object_store(settings: Settings, folder: DataFolder) -> AsyncIterator[ObjectStore]:
    """Files, or the bucket that the settings name. Raises Unavailable when that cannot be written to."""
    chosen = settings.storage
    if chosen.place is None:
        from eyebright.stores.objects.files import FileObjectStore

        files = FileObjectStore(folder.folder(settings.objects_dir.name))
        files.tidy()
        yield files
        return
    copies, work = folder.folder(settings.copies_dir.name), folder.folder(settings.work_dir.name)
    async with bucket_store(settings, copies, work) as store:
        yield store


@asynccontextmanager
async def bucket_store(settings: Settings, copies: Path, work: Path) -> AsyncIterator[ObjectStore]:
    """The bucket that the settings name; `copies` of objects is emptied first. Raises Unavailable as above."""
    from eyebright.stores.objects import bucket_at
    from eyebright.stores.objects.bucket import BucketFailed, Manners
    from eyebright.stores.objects.bucket_store import BucketObjectStore, Terms
    from eyebright.stores.objects.cache import Cache, Room

    chosen = settings.storage
    assert chosen.place is not None
    manners = Manners(chosen.connect_seconds, chosen.idle_seconds, chosen.patience_seconds)
    try:
        bucket, prefix = bucket_at(chosen.place, chosen.endpoint, manners)
    except BucketFailed as error:
        raise Unavailable(f"{chosen.place} cannot be used: {error}") from error
    room = Room(limit_bytes=chosen.cache_bytes, spare_bytes=chosen.spare_bytes)
    terms = Terms(expires_seconds=chosen.expires_seconds, object_bytes=chosen.object_bytes)
    with closing(
        BucketObjectStore(bucket, prefix, Cache(copies, room), work, terms, "EYEBRIGHT_STORAGE__PLACE")
    ) as store:
        await store.probe()
        yield store


def _empty(folder: Path) -> None:
    """What a killed server was still receiving is of no use to anybody."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as rubbish:
        for leftover in folder.iterdir():
            leftover.rename(Path(rubbish) / leftover.name)
