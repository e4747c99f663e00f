"""The composition root: settings in, running product out. The only place where the pieces meet.

`serve(settings)` is the whole server; `running(settings, parts, …)` is everything but its sockets and files, for tests.
"""

import asyncio
import gc
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
import uvloop
from fastapi import FastAPI

from eyebright import plugins, telemetry
from eyebright.core.retry import RetryLimits
from eyebright.doors.door import Door, DoorContext, RunningDoor
from eyebright.doors.traffic import Footfall
from eyebright.errors import InvalidRequest, Unavailable
from eyebright.folder import DataFolder
from eyebright.listener import Listener
from eyebright.loops import idle
from eyebright.loops.running import Loops
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.catalog import Catalog
from eyebright.ports.clock import Clock, SystemClock
from eyebright.ports.executor import Environment, Executor, Predictor
from eyebright.ports.objects import ObjectStore
from eyebright.ports.shelf import Shelf
from eyebright.ports.subscriber import Subscriber
from eyebright.ports.webhooks import Sender
from eyebright.services import Services
from eyebright.services.announce import Announcer
from eyebright.services.datasets import IMPORTS, Datasets, Source
from eyebright.services.dispatch import Dispatch
from eyebright.services.durations import Durations
from eyebright.services.export_files import ExportFiles
from eyebright.services.exports import Exports
from eyebright.services.finalise import Finaliser
from eyebright.services.forecasts import Forecasts
from eyebright.services.grants import Grants
from eyebright.services.history import History
from eyebright.services.ingest import Ingest
from eyebright.services.intake import Intake
from eyebright.services.jobs import Jobs
from eyebright.services.models import Models
from eyebright.services.orders import Orders
from eyebright.services.pictures import Pictures
from eyebright.services.preflights import Preflights
from eyebright.services.project_journal import ProjectJournal
from eyebright.services.project_tree import ProjectTree
from eyebright.services.publishing import Publishing
from eyebright.services.recipes import Recipes
from eyebright.services.registering import Registering
from eyebright.services.relay import Relay
from eyebright.services.releases import Releases
from eyebright.services.seal import Seal
from eyebright.services.sequel import Sequel
from eyebright.services.staging import Staging
from eyebright.services.sweep import Patience, Sweep
from eyebright.services.training_agent import TrainingAgent
from eyebright.services.training_agent.allowance import Allowance
from eyebright.services.training_agent.checks import Checks
from eyebright.services.training_agent.handover import Handover
from eyebright.services.training_agent.ledger import Ledger
from eyebright.services.training_agent.orders import Defaults
from eyebright.services.training_agent.standing import Standings
from eyebright.services.training_agent.starting import Starting
from eyebright.services.uploads import Uploads
from eyebright.services.watch import Watch
from eyebright.services.webhooks import training_server
from eyebright.services.webhooks.deliverer import Deliverer, Limits
from eyebright.services.webhooks.deliveries import Deliveries
from eyebright.services.webhooks.dialects import STANDARD, Dialect, Standard
from eyebright.services.webhooks.endpoints import Declared, Endpoints
from eyebright.services.webhooks.telling import Telling
from eyebright.settings import LEVELS, Settings, ignored_level, process_environment, unknown_variables
from eyebright.stores.projects import callers_database_at
from eyebright.stores.shelves import shelf_at
from eyebright.website import installed_doors, web
from eyebright_kit.importing.manifest import MANIFEST
from eyebright_wire.jobs import IMPORTER
from eyebright_wire.resources import HealthView

log = structlog.stdlib.get_logger(__name__)

EXECUTORS, SUBSCRIBERS, TRAINERS = (f"eyebright.{group}" for group in ("executors", "subscribers", "trainers"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The adapters behind the sockets. `database` has the attributes jobs, history, outbox, markers, datasets, models and
    webhooks."""

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
    instruments: telemetry.Instruments = field(default_factory=telemetry.Instruments.make)
    footfall: Footfall = field(default_factory=Footfall)


def serve(settings: Settings) -> None:
    """Run the server until a signal; running trainers go on and are found again at the next start.

    Raises Conflict (port taken, data folder in use), Unavailable or StorageFull (folder, database), InvalidRequest (address).
    """
    telemetry.configure(settings.log)
    for name, nearest in unknown_variables().items():
        log.warning("this variable is no setting", variable=name, nearest=nearest or None)
    if level := ignored_level():
        log.warning("LOG_LEVEL is no level of ours and is ignored", found=level, expected=LEVELS)
    signals = _Signals()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signals)
    with DataFolder(settings.data_dir) as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_in(settings, folder, asked_to_leave=lambda: signals.came))


class _Signals:
    """Notes a signal that comes while the server starts; from then on uvicorn listens itself and leaves orderly.

    At its end uvicorn raises the signal once more for whoever listened before: noting it again does no harm.
    """

    def __init__(self) -> None:
        self.came = False

    def __call__(self, *_: object) -> None:
        self.came = True


async def serve_in(
    settings: Settings, folder: DataFolder, *, asked_to_leave: Callable[[], bool] = lambda: False
) -> None:
    clock = SystemClock()
    token = folder.token(clock)
    async with AsyncExitStack() as stack:
        listener = Listener(settings.host, settings.port)
        stack.callback(listener.close)
        parts = await stack.enter_async_context(opened(settings, folder))
        app = await stack.enter_async_context(running(settings, parts, token=token, base_url=listener.url))
        if settings.embedded:
            stack.push_async_callback(_cancelled, asyncio.create_task(_leave_when_idle(settings, parts, listener)))
        else:
            stack.push_async_callback(_cancelled, asyncio.create_task(_tell_stale(parts.catalog)))
        ready = _Ready(settings, folder, listener)
        await listener.serve(app, ready=ready, asked_to_leave=asked_to_leave, access_log=settings.log.access)
        log.info("stopping; trainers go on by themselves")


#: Rarer than Python's own 700, 10, 10: with reporters at work that took a sixth of the time, and found next to nothing.
_COLLECT = (50_000, 20, 20)


@dataclass(frozen=True, slots=True)
class _Ready:
    """Tells everybody, once the first request can be answered."""

    settings: Settings
    folder: DataFolder
    listener: Listener

    def __call__(self) -> None:
        url, now = self.listener.url, SystemClock().now_ms()
        about = {"url": url, "pid": os.getpid(), "created": now / 1000, "version": version("eyebright")}
        self.folder.announce({**about, "embedded": self.settings.embedded})
        log.info("ready", docs=f"{url}/docs", token_file=str(self.folder.path / "token"))
        gc.collect()
        gc.freeze()  # what lives now lives to the end: later collections need not look at it again
        gc.set_threshold(*_COLLECT)
        gc.enable()


@asynccontextmanager
async def opened(settings: Settings, folder: DataFolder) -> AsyncIterator[Parts]:
    """The adapters that the settings ask for."""
    from eyebright.catalog.trainers import CatalogSettings, TrainerCatalog
    from eyebright.executors.local import LocalExecutor
    from eyebright.executors.prediction import ChildProcessPredictor, PredictionSettings
    from eyebright.stores.sql.database import Database

    environment = process_environment()
    instruments = telemetry.Instruments.make()
    sources = [plugins.load(TRAINERS, name) for name in plugins.names(TRAINERS)]
    executors = {name: plugins.load(EXECUTORS, name).configured(settings) for name in settings.executors}
    subscribers = {
        name: plugins.load(SUBSCRIBERS, name)(instruments)
        for name in settings.subscribers or plugins.names(SUBSCRIBERS)
    }
    _empty(folder.folder(settings.uploads_dir.name))
    async with AsyncExitStack() as stack:
        objects = await stack.enter_async_context(object_store(settings, folder))
        database = await Database.open(settings.database)
        stack.push_async_callback(database.close)
        await stack.enter_async_context(database.owned())
        callers = callers_database_at(settings.training_agent)
        if callers is not None and not settings.training_agent.has_place:
            log.warning("GCP_BUCKET_NAME is not set: models of projects stay here", folder=settings.agents_models)
        if callers is not None:
            stack.push_async_callback(callers.close)
        yield Parts(
            database=database,
            callers=callers,
            objects=objects,
            catalog=TrainerCatalog(
                sources, CatalogSettings(trainers_dir=settings.trainers_dir, environment=environment)
            ),
            executors=executors,
            imports=LocalExecutor.for_imports(settings),
            predictor=ChildProcessPredictor(PredictionSettings(environment=environment)),
            subscribers=subscribers,
            instruments=instruments,
        )


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
    from eyebright.stores.objects import bucket_at
    from eyebright.stores.objects.bucket import BucketFailed, Manners
    from eyebright.stores.objects.bucket_store import BucketObjectStore, Terms
    from eyebright.stores.objects.cache import Cache, Room

    manners = Manners(chosen.connect_seconds, chosen.idle_seconds, chosen.patience_seconds)
    try:
        bucket, prefix = bucket_at(chosen.place, chosen.endpoint, manners)
    except BucketFailed as error:
        raise Unavailable(f"{chosen.place} cannot be used: {error}") from error
    room = Room(limit_bytes=chosen.cache_bytes, spare_bytes=chosen.spare_bytes)
    cache = Cache(folder.folder(settings.copies_dir.name), room)
    terms = Terms(expires_seconds=chosen.expires_seconds, object_bytes=chosen.object_bytes)
    work = folder.folder(settings.work_dir.name)
    with closing(BucketObjectStore(bucket, prefix, cache, work, terms, "EYEBRIGHT_STORAGE__PLACE")) as store:
        await store.probe()
        yield store


@asynccontextmanager
async def running(
    settings: Settings, parts: Parts, *, token: str, base_url: str, loops: bool = True
) -> AsyncIterator[FastAPI]:
    """The web application over the parts, with its loops going round (unless a test turns them by hand)."""
    announcer = Announcer()
    services = compose(settings, parts, announcer, base_url)
    turning = Loops(services, announcer, parts.clock, parts.database.markers, parts.instruments)
    doors = installed_doors(settings)
    context = DoorContext(
        services=services,
        settings=settings,
        clock=parts.clock,
        instruments=parts.instruments,
        health=lambda: _health(turning, doors),
        measure=lambda: _measure(parts, turning),
    )
    app = web(settings, token, doors, parts.instruments, parts.footfall, parts.clock)
    app.state.context = context
    await services.webhooks.declare(declared(settings))
    if loops:
        turning.start()
    try:
        async with _run(doors, context):
            yield app
    finally:
        await turning.stop()
        await services.sweep.close()
        await services.publishing.close()
        if services.training_agent is not None:
            await services.training_agent.ledger.close()
        await services.deliverer.close()


def compose(settings: Settings, parts: Parts, announcer: Announcer, base_url: str) -> Services:
    """The verbs over the adapters."""
    database, objects, catalog, clock = parts.database, parts.objects, parts.catalog, parts.clock
    executors = {**parts.executors, IMPORTS: parts.imports}
    limits = RetryLimits(**settings.retry.model_dump())
    lease_ms = int(1000 * settings.jobs.lease_seconds)
    history = History(database.jobs, database.history, database.models, objects, executors)
    orders = Orders(database.datasets, database.models, catalog, parts.executors, settings.licence_deny)
    exports = Exports(database.models, database.jobs, catalog, clock, announcer, licence_deny=settings.licence_deny)
    durations = Durations(database.jobs, database.history, database.datasets, parts.executors, clock)
    forecasts = Forecasts(database.jobs, database.history, objects, parts.executors, clock)
    jobs = Jobs(database.jobs, database.history, orders, exports, durations, forecasts, catalog, clock, announcer)
    ingest = Ingest(database.jobs, clock, announcer, lease_ms=lease_ms, limits=limits)
    seal = Seal(
        database.history,
        database.datasets,
        objects,
        catalog,
        importer(),
        models=database.models,
        rules=import_rules(settings),
        egress=lambda: egress(settings),
        fetching=lambda: fetching_rules(settings),
        base_url=lambda: base_url,
        heartbeat_seconds=settings.jobs.heartbeat_seconds,
    )
    uploads = Uploads(settings.resumable_dir, clock, settings.uploads)
    staging = Staging(database.jobs, objects)
    registering = Registering(objects, staging, clock)
    dispatch = Dispatch(database.jobs, executors, seal, clock, announcer, lease_ms=lease_ms, limits=limits)
    sweep = Sweep(
        database.jobs,
        database.history,
        database.markers,
        executors,
        ingest,
        dispatch,
        Finaliser(
            database.jobs,
            objects,
            registering,
            ExportFiles(database.models, objects),
            clock,
            announcer,
            limits=limits,
        ),
        objects,
        staging,
        clock,
        announcer,
        patience=patience(settings),
        limits=limits,
    )
    project_tree = ProjectTree(settings.projects, database.jobs, history)
    publishing = Publishing(shelf(settings), database.jobs, history)
    datasets = Datasets(
        database.datasets,
        database.jobs,
        database.history,
        objects,
        clock,
        announcer,
        uploads=uploads,
        remote=remote(settings),
        remote_image=remote_image(settings),
        check=orders.check,
    )
    recipes, watch = Recipes(catalog, settings.licence_deny), Watch(jobs, history, announcer)
    agent = None
    if parts.callers is not None:
        agent = training_agent(settings, parts, parts.callers, history, jobs, datasets, recipes, watch)
    webhooks, spoken, wake = database.webhooks, dialects(publishing), announcer.webhooks
    sender = parts.sender or posting(settings)
    deliverer = Deliverer(webhooks, sender, spoken, clock, wake, delivery_limits(settings))
    telling = Telling(webhooks, database.jobs, database.datasets, database.models, spoken, clock, wake)
    return Services(
        jobs=jobs,
        preflights=Preflights(orders, forecasts, durations, parts.executors),
        history=history,
        ingest=ingest,
        grants=Grants(
            database.jobs,
            database.history,
            database.datasets,
            database.models,
            objects,
            seconds=settings.storage.expires_seconds,
        ),
        watch=watch,
        datasets=datasets,
        pictures=Pictures(database.datasets, objects),
        uploads=uploads,
        models=Models(database.models, database.jobs, objects, catalog, parts.predictor, clock),
        exports=exports,
        recipes=recipes,
        training_agent=agent,
        intake=Intake(database.jobs, jobs, datasets, database.parked, clock),
        dispatch=dispatch,
        sweep=sweep,
        releases=Releases(settings.projects),
        project_tree=project_tree,
        publishing=publishing,
        relay=Relay(
            database.outbox,
            {
                "sequel": Sequel(database.jobs, jobs),
                "project journal": ProjectJournal(database.jobs),
                "project tree": project_tree,
                "publishing": publishing,
                "webhooks": telling,
                **({"training agent": agent.ledger} if agent else {}),
                **parts.subscribers,
            },
            clock,
        ),
        webhooks=Endpoints(webhooks, sender, spoken, clock, changed=deliverer.forgive),
        deliveries=Deliveries(
            webhooks,
            deliverer,
            clock,
            wake,
            delivered_kept_seconds=settings.webhooks.delivered_kept_seconds,
            dead_kept_seconds=settings.webhooks.dead_kept_seconds,
        ),
        deliverer=deliverer,
        telling=telling,
    )


def training_agent(
    settings: Settings,
    parts: Parts,
    callers: CallersDatabase,
    history: History,
    jobs: Jobs,
    datasets: Datasets,
    recipes: Recipes,
    watch: Watch,
) -> TrainingAgent:
    """The verbs for projects in a database of their callers'."""
    chosen, database, clock = settings.training_agent, parts.database, parts.clock
    place, give_up = agents_shelf(settings), chosen.give_up_seconds
    handover = Handover(place, database.jobs, history, clock, give_up_seconds=give_up)
    checks = Checks(callers, place, clock)
    ledger = Ledger(
        callers,
        database.jobs,
        database.history,
        database.datasets,
        history,
        handover,
        database.markers,
        clock,
        completed=chosen.completed_status,
    )
    defaults = Defaults(
        epochs=chosen.epochs, batch=chosen.batch, learning_rate=chosen.learning_rate, pretrained=chosen.pretrained
    )
    starting = Starting(callers, database.jobs, jobs, datasets, recipes, watch, ledger, handover, checks, defaults)
    return TrainingAgent(
        Allowance(chosen.starts_per_minute, clock), starting, Standings(callers, ledger, clock), ledger, checks
    )


def dialects(publishing: Publishing) -> dict[str, Dialect]:
    """In which words webhooks can be told, by name."""
    return {STANDARD: Standard(), training_server.NAME: training_server.TrainingServer(publishing.soon)}


def declared(settings: Settings) -> list[Declared]:
    """The webhooks that the settings themselves ask for."""
    chosen = settings.training_server
    if chosen.backend_url is None:
        return []
    return [
        Declared(
            name=training_server.NAME,
            url=chosen.backend_url,
            secret=chosen.secret,
            events=training_server.EVENTS,
            description="The callers of a Training Server",
            dialect=training_server.NAME,
            progress_seconds=chosen.progress_seconds,
        )
    ]


def posting(settings: Settings) -> Sender:
    from eyebright.posting import sender  # here, because it brings an HTTP client

    return sender(settings)


def delivery_limits(settings: Settings) -> Limits:
    chosen = settings.webhooks
    return Limits(
        at_once=chosen.at_once, at_once_each=chosen.at_once_each, give_up_ms=int(1000 * chosen.give_up_seconds)
    )


def remote(settings: Settings) -> Callable[[str], Source]:
    """What there is to say of an address without calling anybody."""

    def look(url: str) -> Source:
        from eyebright.fetching import egress_rules, sources  # here, because few who import name an address
        from eyebright_kit.egress import shown
        from eyebright_kit.remote.fetch import FetchFailed, default_name, require_fetchable

        try:
            require_fetchable(url, rules=egress_rules(settings.egress), sources=sources(settings.sources))
        except FetchFailed as error:
            raise InvalidRequest(error.message) from None
        return Source(shown(url), default_name(url), url=url)

    return look


def shelf(settings: Settings) -> Shelf:
    """Where finished LoRAs are put. The operator's stores are the same as those that data sets come from."""
    endpoints = {"s3": settings.sources.s3_endpoint, "gs": settings.sources.gs_endpoint}
    return shelf_at(settings.models, endpoints, "EYEBRIGHT_TRAINING_SERVER__MODELS")


def agents_shelf(settings: Settings) -> Shelf:
    """Where the models of projects are put."""
    endpoints = {"s3": settings.sources.s3_endpoint, "gs": settings.sources.gs_endpoint}
    setting = "EYEBRIGHT_TRAINING_AGENT__MODELS" if settings.training_agent.models else "GCP_BUCKET_NAME"
    return shelf_at(settings.agents_models, endpoints, setting)


def remote_image(settings: Settings) -> Callable[[str], str]:
    """The same of the address of one image."""

    def look(url: str) -> str:
        from eyebright.fetching import egress_rules, sources
        from eyebright_kit.remote.fetch import FetchFailed
        from eyebright_kit.remote.images import require_image

        try:
            return require_image(url, rules=egress_rules(settings.egress), sources=sources(settings.sources)).shown
        except FetchFailed as error:
            raise InvalidRequest(error.message) from None

    return look


def egress(settings: Settings) -> dict[str, Any]:
    """What a rehearsal that is to try an address is told."""
    from eyebright import fetching

    return fetching.egress(settings)


def fetching_rules(settings: Settings) -> dict[str, Any]:
    """What a trainer is told that fetches what its orders name."""
    from eyebright import fetching

    return fetching.rules(settings)


def import_rules(settings: Settings) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """What an import is told beside its order: what it may take, and how it may fetch from an address."""

    def told(order: Mapping[str, Any]) -> dict[str, Any]:
        limits = {"limits": settings.imports.model_dump(exclude={"at_once"})}
        if order.get("url") is None and order.get("images") is None:
            return limits
        from eyebright.fetching import rules

        return {**limits, "fetching": rules(settings)}

    return told


def importer() -> Environment:
    """The trainer of every import: a module of the kit, run by the Python that runs the server."""
    return Environment(IMPORTER, MANIFEST.module, Path(sys.executable), "", MANIFEST)


def patience(settings: Settings) -> Patience:
    return Patience(
        heartbeat=settings.jobs.heartbeat_seconds,
        hang=settings.jobs.hang_seconds,
        launch=settings.jobs.launch_seconds,
        stop_grace=settings.jobs.stop_grace_seconds,
    )


async def _measure(parts: Parts, turning: Loops) -> None:
    parts.instruments.queued.set(len(await parts.database.jobs.queue_positions()))
    runs = await parts.database.jobs.unfinished()
    parts.instruments.live.set(sum(run.current for run in runs))
    turning.measure()


@asynccontextmanager
async def _run(doors: Sequence[Door], context: DoorContext) -> AsyncIterator[None]:
    """Those that have a life of their own."""
    running = [asyncio.create_task(_kept(door, context)) for door in doors if isinstance(door, RunningDoor)]
    try:
        yield
    finally:
        for task in running:
            await _cancelled(task)


async def _kept(door: RunningDoor, context: DoorContext) -> None:
    """The server goes on without one that fails."""
    try:
        await door.run(context)
    except Exception:
        log.exception("a door has failed; it is closed until the next start", door=type(door).__name__)


async def _health(turning: Loops, doors: Sequence[Door]) -> HealthView:
    """Doors are told of, but the server takes work through the others too."""
    view = await turning.health()
    conditions = {name_of(door): door.condition() for door in doors if isinstance(door, RunningDoor)}
    told = {name: condition for name, condition in conditions.items() if condition is not None}
    return view.model_copy(update={"checks": {**view.checks, **told}})


def name_of(door: Door) -> str:
    """`AmqpDoor` → `amqp`, `TrainingAgentDoor` → `training_agent`."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", type(door).__name__.removesuffix("Door")).lower()


async def _leave_when_idle(settings: Settings, parts: Parts, listener: Listener) -> None:
    async def unfinished() -> bool:
        jobs = parts.database.jobs
        return bool(await jobs.queue_positions() or await jobs.unfinished())

    await idle.run(
        lambda: parts.footfall.quiet_seconds,
        unfinished,
        listener.leave,
        parts.clock,
        patience_seconds=settings.embedded_idle_seconds,
    )


async def _tell_stale(catalog: Catalog) -> None:
    """Once, while the server answers already: trainers that have changed are asked about themselves, which takes seconds."""
    if stale := [view.name for view in await catalog.list() if view.stale]:
        log.warning(
            "trainers must be installed anew; their jobs wait",
            trainers=stale,
            run=f"eyebright trainers install {' '.join(stale)}",
        )


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _empty(folder: Path) -> None:
    """What a killed server was still receiving is of no use to anybody."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as rubbish:
        for leftover in folder.iterdir():
            leftover.rename(Path(rubbish) / leftover.name)
