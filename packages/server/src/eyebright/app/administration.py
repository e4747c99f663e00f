"""What the operator's own verbs work on: the database and the objects of the settings, without a server."""

import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyebright.app.parts import bucket_store, object_store
from eyebright.core.scope import EVERYTHING, within
from eyebright.folder import DataFolder
from eyebright.ports.clock import Clock, SystemClock
from eyebright.ports.executor import Executor
from eyebright.ports.objects import ObjectStore
from eyebright.services.backups import Backups
from eyebright.services.charts import Charts
from eyebright.services.collection import Collection
from eyebright.services.compaction import Compaction
from eyebright.services.ledgered import LedgeredObjectStore
from eyebright.services.old_runs import OldRuns
from eyebright.services.removal import Removal
from eyebright.services.storage import Storage
from eyebright.settings import Settings

if TYPE_CHECKING:
    from eyebright.stores.sql.database import Database


@asynccontextmanager
async def to_copy(settings: Settings) -> AsyncIterator[Backups]:
    """A server may be at work on them meanwhile. Raises Unavailable where they cannot be reached."""
    async with _objects(settings) as objects, _backups(settings, objects) as backups:
        yield backups


@asynccontextmanager
async def to_measure(settings: Settings) -> AsyncIterator[Storage]:
    """A server may be at work on them meanwhile. Raises Unavailable where they cannot be reached, Conflict for a
    database of another version."""
    clock = SystemClock()
    async with _objects(settings) as objects, _database(settings) as database:
        with within(EVERYTHING):
            yield storage(database, ledgered(settings, objects, database, clock), clock)


def storage(database: Any, objects: LedgeredObjectStore, clock: Clock) -> Storage:
    """`database`: as the parts have it."""
    return Storage(objects, database.stored, database.jobs, database.markers, database.leases, clock)


def ledgered(settings: Settings, objects: ObjectStore, database: Any, clock: Clock) -> LedgeredObjectStore:
    """The store, with a row in the database for each object."""
    return LedgeredObjectStore(objects, database.stored, clock, url_seconds=settings.storage.expires_seconds)


@asynccontextmanager
async def to_compact(settings: Settings) -> AsyncIterator[Compaction]:
    """A server may be at work on it meanwhile. Raises Unavailable and Conflict as above."""
    from eyebright.executors.local import LocalExecutor

    clock = SystemClock()
    async with _objects(settings) as lying, _database(settings) as database:
        objects = ledgered(settings, lying, database, clock)
        charts = Charts(database.jobs, database.history, database.curves)
        holder, executors = clock.new_id("cmp"), [LocalExecutor.for_imports(settings)]
        with within(EVERYTHING):
            yield compaction(settings, database, charts, objects, executors, clock, holder)


def compaction(
    settings: Settings,
    database: Any,
    charts: Charts,
    objects: ObjectStore,
    executors: Iterable[Executor],
    clock: Clock,
    holder: str,
) -> Compaction:
    """`database`: as the parts have it."""
    chosen = settings.retention
    runs = OldRuns(database.jobs, database.history, objects, executors, clock, days=chosen.runs_days)
    return Compaction(
        database.compaction, charts, database.leases, clock, runs, holder=holder, events_days=chosen.events_days
    )


@asynccontextmanager
async def to_collect(settings: Settings) -> AsyncIterator[Collection]:
    """A server may be at work on them meanwhile. Raises Unavailable where they cannot be reached."""
    clock = SystemClock()
    async with _objects(settings) as lying, _database(settings) as database:
        objects = ledgered(settings, lying, database, clock)
        removal = Removal(database.datasets, objects, database.markers, database.leases, clock)
        with within(EVERYTHING):
            yield collection(database, objects, removal, clock)


def collection(database: Any, objects: ObjectStore, removal: Removal, clock: Clock) -> Collection:
    """`database`: as the parts have it."""
    stores = database.jobs, database.datasets, database.kept_uploads
    return Collection(*stores, objects, database.markers, removal, clock)


@asynccontextmanager
async def to_fill(settings: Settings) -> AsyncIterator[Backups]:
    """No server may be at work on them. Raises FolderTaken or Conflict where one is, Unavailable as above."""
    with DataFolder(settings.data_dir) as folder:
        async with object_store(settings, folder) as objects, _backups(settings, objects, owned=True) as backups:
            yield backups


@asynccontextmanager
async def _objects(settings: Settings) -> AsyncIterator[ObjectStore]:
    """Beside a server, whose own copies are the server's."""
    from eyebright.stores.objects.files import FileObjectStore

    if settings.storage.place is None:
        yield FileObjectStore(settings.objects_dir)
        return
    with tempfile.TemporaryDirectory(prefix="eyebright-admin-") as scratch:
        async with bucket_store(settings, Path(scratch), Path(scratch)) as objects:
            yield objects


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator["Database"]:
    """With this version's schema."""
    from eyebright.stores.sql.database import Database

    database = Database.unopened(settings.database)
    try:
        await database.require_newest()
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _backups(settings: Settings, objects: ObjectStore, *, owned: bool = False) -> AsyncIterator[Backups]:
    from eyebright.stores.sql.database import Database

    database = Database.unopened(settings.database)
    try:
        backups = Backups(database.copies, objects, SystemClock(), version("eyebright"))
        if not owned:
            yield backups
            return
        async with database.owned():
            yield backups
    finally:
        await database.close()
