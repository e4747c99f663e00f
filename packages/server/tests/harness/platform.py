"""The services wired together over any database, with a clock and an executor that the test owns."""

from typing import Any

from eyebright.app.rules import fetcher, importer
from eyebright.core.job import Run
from eyebright.core.records import Version
from eyebright.core.retry import RetryLimits
from eyebright.ports.objects import attempt_prefix
from eyebright.services.adoption import Adoption
from eyebright.services.announce import Announcer
from eyebright.services.charts import Charts
from eyebright.services.collection import Collection
from eyebright.services.dispatch import Dispatch
from eyebright.services.durations import Durations
from eyebright.services.export_files import ExportFiles
from eyebright.services.exports import Exports
from eyebright.services.finalise import Finaliser
from eyebright.services.forecasts import Forecasts
from eyebright.services.history import History
from eyebright.services.ingest import Ingest
from eyebright.services.jobs import Jobs
from eyebright.services.models import Models
from eyebright.services.orders import Orders
from eyebright.services.output import Output
from eyebright.services.places import Places
from eyebright.services.preflights import Preflights
from eyebright.services.registering import Registering
from eyebright.services.relay import Relay
from eyebright.services.removal import Removal
from eyebright.services.seal import Seal
from eyebright.services.staging import Staging
from eyebright.services.sweep import Patience, Sweep
from eyebright.services.watch import Watch
from eyebright.settings import Settings
from eyebright.testing import FakeCatalog, FakeExecutor, FakePredictor, ManualClock
from eyebright_wire.datasets import DatasetReport, Readiness
from eyebright_wire.events import Ack, Event
from eyebright_wire.jobs import JobRequest
from eyebright_wire.resources import JobView
from eyebright_wire.runs import Handle
from harness.objects import MemoryObjects, artifact

LEASE_MS = 60_000
READY = DatasetReport(
    format="imagefolder",
    classes=("cat", "dog"),
    images={"train": 8, "val": 2},
    images_per_class={},
    readiness=(Readiness(task="classification", ready=True),),
)


class Platform:
    """Everything between the doors and the sockets. `restart` forgets what only the process knew."""

    def __init__(
        self,
        database: Any,
        *,
        limits: RetryLimits | None = None,
        patience: Patience | None = None,
        home: str = "rep_0",
        shared: bool = False,
        beside: "Platform | None" = None,
    ) -> None:
        """`beside` another one over the same database, which is `shared` then: with a folder of its own, and the same time and
        objects."""
        self.database = database
        self.home = home
        self.shared = shared
        self.clock = beside.clock if beside else ManualClock()
        self.executor = FakeExecutor()
        self.catalog = FakeCatalog()
        self.objects: Any = beside.objects if beside else MemoryObjects()
        self.settings = Settings()
        self.subscribers: dict[str, Any] = {}
        self.limits = limits or RetryLimits()
        self.patience = patience or Patience()
        self.licence_deny: set[str] = set()
        self._said: dict[Handle, int] = {}
        self.restart()

    def restart(self) -> None:
        """A new control-plane process over the same database and executor."""
        database, clock, executors = self.database, self.clock, {"local": self.executor}
        self.announcer = announcer = Announcer()
        output = Output(self.objects, executors, home=self.home, shared=self.shared)
        self.history = History(database.jobs, database.history, database.models, self.objects, output)
        self.charts = Charts(database.jobs, database.history, database.curves)
        self.models = Models(database.models, database.jobs, self.objects, self.catalog, FakePredictor(), clock)
        self.orders = Orders(
            database.jobs, database.datasets, database.models, self.catalog, executors, self.licence_deny
        )
        self.exports = Exports(
            database.models,
            database.datasets,
            database.jobs,
            self.catalog,
            clock,
            announcer,
            licence_deny=self.licence_deny,
        )
        durations = Durations(database.jobs, database.history, database.datasets, executors, clock)
        forecasts = Forecasts(database.jobs, database.history, self.objects, executors, clock)
        self.jobs = Jobs(
            database.jobs,
            database.history,
            self.orders,
            self.exports,
            durations,
            forecasts,
            self.catalog,
            clock,
            announcer,
        )
        self.preflights = Preflights(self.orders, forecasts, durations, executors)
        self.watch = Watch(self.jobs, self.history, announcer)
        self.ingest = Ingest(database.jobs, clock, announcer, lease_ms=LEASE_MS, limits=self.limits)
        seal = Seal(
            database.history,
            database.datasets,
            self.objects,
            self.catalog,
            importer(),
            models=database.models,
            base_url=lambda: "http://127.0.0.1:1",
            heartbeat_seconds=15,
        )
        self.places = Places(database.jobs, database.history, database.leases, executors, clock, home=self.home)
        self.dispatch = Dispatch(
            database.jobs, executors, seal, self.places, clock, announcer, lease_ms=LEASE_MS, limits=self.limits
        )
        self.removal = Removal(database.datasets, self.objects, database.markers, database.leases, clock)
        self.collection = Collection(
            database.jobs,
            database.datasets,
            database.kept_uploads,
            self.objects,
            database.markers,
            self.removal,
            clock,
        )
        staging = Staging(database.jobs, database.datasets, self.objects, self.removal)
        registering = Registering(self.objects, staging, clock)
        files = ExportFiles(database.models, self.objects)
        self.finaliser = Finaliser(
            database.jobs,
            self.objects,
            registering,
            files,
            Adoption(self.objects, fetcher(self.settings)),
            clock,
            announcer,
            limits=self.limits,
        )
        self.sweep = Sweep(
            database.jobs,
            database.history,
            database.markers,
            executors,
            self.ingest,
            self.dispatch,
            self.places,
            output,
            self.finaliser,
            self.objects,
            clock,
            announcer,
            patience=self.patience,
            limits=self.limits,
        )
        self.relay = Relay(database.outbox, self.subscribers, clock)

    async def add_dataset(self, name: str = "pets", report: DatasetReport = READY) -> Version:
        version = Version(
            id=f"dsv_{name}",
            dataset=name,
            number=0,
            manifest_sha256="a" * 64,
            report=report.model_dump(mode="json"),
            created_at_ms=self.clock.now_ms(),
        )
        return await self.database.datasets.add_version(version)

    async def submit(self, key: str | None = None, *, held: bool = False, **fields: Any) -> JobView:
        return (await self.jobs.submit(JobRequest(**{"dataset": "pets", **fields}), key=key, held=held)).view

    async def launched(self, **fields: Any) -> Handle:
        """A job of its own, claimed and launched."""
        view = await self.submit(**fields)
        await self.dispatch.tick()
        return Handle(view.id, 1)

    async def running(self, **fields: Any) -> Handle:
        handle = await self.launched(**fields)
        await self.say(handle, "started", pid=1, host="here")
        return handle

    def event(self, handle: Handle, kind: str, **data: Any) -> Event:
        """The trainer's next event; it goes to its spool first."""
        spool = self.executor.spools.setdefault(handle, [])
        event = Event(seq=len(spool) + 1, kind=kind, at_ms=self.clock.now_ms(), data=data)
        spool.append(event)
        return event

    async def say(self, handle: Handle, kind: str, **data: Any) -> Ack:
        return await self.post(handle, self.event(handle, kind, **data))

    async def post(self, handle: Handle, *events: Event) -> Ack:
        return await self.ingest.accept(handle.job_id, handle.attempt, self.token(handle), events)

    def token(self, handle: Handle) -> str:
        specs = [s for s in self.executor.launches if (s.job_id, s.attempt) == (handle.job_id, handle.attempt)]
        return specs[0].token

    def leave(self, handle: Handle, path: str = "model.json", content: bytes = b"weights") -> dict[str, Any]:
        """The trainer uploads a file; the body of a `succeeded` that names it."""
        self.objects.bytes[attempt_prefix(handle.job_id, handle.attempt) + path] = content
        return {"artifacts": [artifact(path, content).model_dump(mode="json")], "metrics": {"top1": 0.9}}

    async def succeed(self, handle: Handle) -> None:
        await self.say(handle, "succeeded", **self.leave(handle))
        self.executor.exit(handle, 0)
        await self.settle()

    async def settle(self, rounds: int = 3) -> None:
        """Sweep until the errands that a sweep starts have had their effect."""
        for _ in range(rounds):
            await self.sweep.tick()
            await self.sweep.settle()

    async def run(self, handle: Handle) -> Run:
        return await self.database.jobs.get(handle.job_id)
