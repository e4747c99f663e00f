"""The verbs over the adapters."""

from collections.abc import Mapping
from dataclasses import replace

from eyebright.app.administration import collection, compaction, ledgered, storage
from eyebright.app.parts import Parts
from eyebright.app.rules import (
    agents_shelf,
    delivery_limits,
    egress,
    fetcher,
    fetching_rules,
    import_rules,
    importer,
    patience,
    posting,
    remote,
    remote_image,
    room_for_uploads,
    shelf,
)
from eyebright.core.retry import RetryLimits
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.executor import Executor
from eyebright.services import Services
from eyebright.services.access import Access
from eyebright.services.adoption import Adoption
from eyebright.services.announce import Announcer
from eyebright.services.audit import Audit
from eyebright.services.charts import Charts
from eyebright.services.company import Company
from eyebright.services.datasets import IMPORTS, Datasets, imports_of
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
from eyebright.services.kept_uploads import KeptUploads
from eyebright.services.logins import Logins
from eyebright.services.models import Models
from eyebright.services.neighbours import Neighbours
from eyebright.services.orders import Orders
from eyebright.services.output import Output
from eyebright.services.pictures import Pictures
from eyebright.services.places import Places
from eyebright.services.platform_jobs import PlatformJobs
from eyebright.services.preflights import Preflights
from eyebright.services.project_journal import ProjectJournal
from eyebright.services.project_tree import ProjectTree
from eyebright.services.projects import Projects
from eyebright.services.publishing import Publishing
from eyebright.services.quotas import Quotas, RequireRoom
from eyebright.services.recipes import Recipes
from eyebright.services.registering import Registering
from eyebright.services.relay import Relay
from eyebright.services.releases import Releases
from eyebright.services.removal import Removal
from eyebright.services.seal import Seal
from eyebright.services.sequel import Sequel
from eyebright.services.staging import Staging
from eyebright.services.sweep import Sweep
from eyebright.services.teams import Teams
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
from eyebright.services.webhooks.deliverer import Deliverer
from eyebright.services.webhooks.deliveries import Deliveries
from eyebright.services.webhooks.dialects import STANDARD, Dialect, Standard
from eyebright.services.webhooks.endpoints import Endpoints
from eyebright.services.webhooks.telling import Telling
from eyebright.settings import Settings


def compose(
    settings: Settings, parts: Parts, announcer: Announcer, base_url: str, company: Company | None = None
) -> Services:
    """The verbs over the adapters; `company`: where other servers may work on the database, too."""
    objects = ledgered(settings, parts.objects, parts.database, parts.clock)
    parts = replace(parts, objects=objects)
    database, catalog, clock = parts.database, parts.catalog, parts.clock
    executors = {**parts.executors, **_importing(parts)}
    output = Output(objects, executors, home=parts.replica, shared=parts.shared)
    history = History(database.jobs, database.history, database.models, objects, output)
    charts = Charts(database.jobs, database.history, database.curves)
    neighbours = Neighbours(parts.executors, trusted=settings.local.many_projects)
    orders = Orders(
        database.jobs,
        database.datasets,
        database.models,
        catalog,
        parts.executors,
        settings.licence_deny,
        may_run=neighbours.require_apart,
    )
    exports = Exports(
        database.models,
        database.datasets,
        database.jobs,
        catalog,
        clock,
        announcer,
        licence_deny=settings.licence_deny,
        may_run=neighbours.require_apart,
    )
    durations = Durations(database.jobs, database.history, database.datasets, parts.executors, clock)
    forecasts = Forecasts(database.jobs, database.history, objects, parts.executors, clock)
    quotas = Quotas(database.quotas, database.projects, clock)
    room = quotas.require_room
    jobs = Jobs(
        database.jobs,
        database.history,
        orders,
        exports,
        durations,
        forecasts,
        catalog,
        clock,
        announcer,
        room,
        quotas.why_waiting,
    )
    removal = Removal(database.datasets, objects, database.markers, database.leases, clock)
    ingest, dispatch, sweep = _control(settings, parts, announcer, executors, output, base_url, company, removal)
    uploads = Uploads(settings.resumable_dir, clock, settings.uploads, room)
    kept_uploads = KeptUploads(
        database.kept_uploads, objects, clock, room=room_for_uploads(settings), require_room=room
    )
    datasets = _datasets(settings, parts, announcer, uploads, kept_uploads, orders, room)
    recipes, watch = Recipes(catalog, settings.licence_deny), Watch(jobs, history, announcer)
    agent = None
    if parts.callers is not None:
        agent = training_agent(settings, parts, parts.callers, history, charts, jobs, datasets, recipes, watch)
    project_tree = ProjectTree(settings.projects, database.jobs, history)
    publishing = Publishing(shelf(settings), database.jobs, history)
    webhooks, deliveries, deliverer, telling = _webhooks(settings, parts, announcer, publishing)
    heard_by = {
        "sequel": Sequel(database.jobs, jobs),
        "project journal": ProjectJournal(database.jobs),
        "project tree": project_tree,
        "publishing": publishing,
        "webhooks": telling,
        **({"training agent": agent.ledger} if agent else {}),
        **parts.subscribers,
    }
    access = Access(database.access, clock)
    return Services(
        access=access,
        logins=Logins(database.access, access, clock),
        teams=Teams(database.access, access, database.projects, clock),
        audit=Audit(database.audit),
        projects=Projects(database.projects, neighbours, clock),
        quotas=quotas,
        jobs=jobs,
        preflights=Preflights(orders, forecasts, durations, parts.executors),
        history=history,
        charts=charts,
        ingest=ingest,
        grants=_grants(settings, parts),
        watch=watch,
        datasets=datasets,
        pictures=Pictures(database.datasets, objects),
        uploads=uploads,
        kept_uploads=kept_uploads,
        collection=collection(database, objects, removal, clock),
        storage=storage(database, objects, clock),
        compaction=compaction(settings, database, charts, objects, executors.values(), clock, parts.replica),
        models=Models(
            database.models,
            database.jobs,
            objects,
            catalog,
            parts.predictor,
            clock,
            may_predict=neighbours.require_apart,
        ),
        exports=exports,
        recipes=recipes,
        training_agent=agent,
        intake=Intake(database.jobs, jobs, datasets, database.parked, clock),
        dispatch=dispatch,
        sweep=sweep,
        releases=Releases(settings.projects),
        project_tree=project_tree,
        platform_jobs=PlatformJobs(
            database.jobs, database.history, jobs, datasets, catalog, objects, base_url=base_url
        ),
        publishing=publishing,
        relay=Relay(database.outbox, heard_by, clock),
        webhooks=webhooks,
        deliveries=deliveries,
        deliverer=deliverer,
        telling=telling,
    )


def _importing(parts: Parts) -> Mapping[str, Executor]:
    """What an upload or a path on this machine is imported from no other server can see."""
    here = {imports_of(parts.replica): parts.imports} if parts.shared else {}
    return {IMPORTS: parts.imports, **here}


def _control(
    settings: Settings,
    parts: Parts,
    announcer: Announcer,
    executors: Mapping[str, Executor],
    output: Output,
    base_url: str,
    company: Company | None,
    removal: Removal,
) -> tuple[Ingest, Dispatch, Sweep]:
    """What hears attempts, begins them, and ends them."""
    database, objects, clock = parts.database, parts.objects, parts.clock
    limits = RetryLimits(**settings.retry.model_dump())
    lease_ms = int(1000 * settings.jobs.lease_seconds)
    ingest = Ingest(database.jobs, clock, announcer, lease_ms=lease_ms, limits=limits)
    seal = _seal(settings, parts, base_url)
    places = Places(
        database.jobs,
        database.history,
        database.leases,
        executors,
        clock,
        home=parts.replica,
        dead_seconds=settings.jobs.lease_seconds,
        wrong_clock=company.wrong_clock if company else None,
    )
    dispatch = Dispatch(database.jobs, executors, seal, places, clock, announcer, lease_ms=lease_ms, limits=limits)
    staging = Staging(database.jobs, database.datasets, objects, removal)
    registering, export_files = Registering(objects, staging, clock), ExportFiles(database.models, objects)
    adoption = Adoption(objects, fetcher(settings))
    sweep = Sweep(
        database.jobs,
        database.history,
        database.markers,
        executors,
        ingest,
        dispatch,
        places,
        output,
        Finaliser(database.jobs, objects, registering, export_files, adoption, clock, announcer, limits=limits),
        objects,
        clock,
        announcer,
        patience=patience(settings),
        limits=limits,
    )
    return ingest, dispatch, sweep


def _seal(settings: Settings, parts: Parts, base_url: str) -> Seal:
    return Seal(
        parts.database.history,
        parts.database.datasets,
        parts.objects,
        parts.catalog,
        importer(),
        models=parts.database.models,
        rules=import_rules(settings),
        egress=lambda: egress(settings),
        fetching=lambda: fetching_rules(settings),
        base_url=lambda: base_url,
        heartbeat_seconds=settings.jobs.heartbeat_seconds,
    )


def _datasets(
    settings: Settings,
    parts: Parts,
    announcer: Announcer,
    uploads: Uploads,
    kept: KeptUploads,
    orders: Orders,
    room: RequireRoom,
) -> Datasets:
    return Datasets(
        parts.database.datasets,
        parts.database.jobs,
        parts.database.history,
        parts.objects,
        parts.clock,
        announcer,
        uploads=uploads,
        remote=remote(settings),
        remote_image=remote_image(settings),
        kept=kept.source,
        here=imports_of(parts.replica) if parts.shared else IMPORTS,
        check=orders.check,
        require_room=room,
    )


def _grants(settings: Settings, parts: Parts) -> Grants:
    return Grants(
        parts.database.jobs,
        parts.database.history,
        parts.database.datasets,
        parts.database.models,
        parts.objects,
        seconds=settings.storage.expires_seconds,
    )


def _webhooks(
    settings: Settings, parts: Parts, announcer: Announcer, publishing: Publishing
) -> tuple[Endpoints, Deliveries, Deliverer, Telling]:
    """Who is told, what they are told, and how that reaches them."""
    database, clock, wake = parts.database, parts.clock, announcer.webhooks
    store, chosen, spoken = database.webhooks, settings.webhooks, dialects(publishing)
    sender = parts.sender or posting(settings)
    deliverer = Deliverer(store, sender, spoken, clock, wake, delivery_limits(settings))
    deliveries = Deliveries(
        store,
        deliverer,
        clock,
        wake,
        delivered_kept_seconds=chosen.delivered_kept_seconds,
        dead_kept_seconds=chosen.dead_kept_seconds,
    )
    telling = Telling(store, database.jobs, database.datasets, database.models, spoken, clock, wake)
    return Endpoints(store, sender, spoken, clock, changed=deliverer.forgive), deliveries, deliverer, telling


def training_agent(
    settings: Settings,
    parts: Parts,
    callers: CallersDatabase,
    history: History,
    charts: Charts,
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
        charts,
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
