"""Two projects with the same names and the same contents see nothing of each other, whichever verb of a store they ask.

The verbs are those of the ports. A new one fails here until it stands in `ASKED`, or among the server's own with its reason.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any

import pytest
from samples import NOW_MS, applying, claiming, job, progress, ref, started, succeeded

from eyebright.core import lifecycle
from eyebright.core.curves import Curves
from eyebright.core.job import Run
from eyebright.core.kept_upload import KeptUpload
from eyebright.core.parked import Parked
from eyebright.core.project import Project
from eyebright.core.records import Artifact, Model, Version, changed
from eyebright.core.scope import EVERYTHING, Scope, within
from eyebright.core.webhook import Delivery, Endpoint, Outgoing
from eyebright.errors import EyebrightError, NoScope
from eyebright.ports.curves import CurveStore
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore, JobTransaction, Outbox, Receipt
from eyebright.ports.kept_uploads import KeptUploadStore
from eyebright.ports.parked import ParkedStore
from eyebright.ports.registry import DatasetStore, ModelStore
from eyebright.ports.webhooks import DeliveryQuery, WebhookStore
from eyebright_wire.queue import ParkedReason
from eyebright_wire.webhooks import DeliveryStatus

PORTS = {
    "jobs": JobStore,
    "transaction": JobTransaction,
    "history": JobHistory,
    "curves": CurveStore,
    "outbox": Outbox,
    "datasets": DatasetStore,
    "models": ModelStore,
    "kept_uploads": KeptUploadStore,
    "parked": ParkedStore,
    "webhooks": WebhookStore,
}
#: With why they need no scope, or tell the same in each.
SERVERS_OWN = {
    ("jobs", "transaction"): "its verbs ask",
    ("transaction", "save"): "only what was locked can be saved, and locking asks",
    ("transaction", "marker"): "the server's own",
}
#: They need one, but look at everything: who asks is about to remove what nobody names.
OF_ALL = {("datasets", "manifests"), ("kept_uploads", "ids")}
#: The same name or content id in several projects: from within all of them nobody could say which is meant.
OF_ONE = {
    ("jobs", "placed"),
    ("transaction", "receipt"),
    ("transaction", "require_version"),
    ("datasets", "version"),
    ("datasets", "versions"),
    ("datasets", "get"),
    ("datasets", "list"),
    ("datasets", "delete"),
    ("models", "find"),
    ("models", "names"),
}
KINDS = frozenset({"progress"})
LATE_MS = NOW_MS + 10**9


@dataclass(frozen=True)
class Theirs:
    """What belongs to a project; its name is in every id, and in what only it has."""

    project: str

    def id(self, kind: str) -> str:
        return f"{kind}_{self.project}"

    @property
    def job_id(self) -> str:
        return self.id("job")

    def receipt(self) -> Receipt:
        return Receipt(source="api", key="same", body_sha256="ab", job_id=self.job_id)

    def version(self) -> Version:
        about = {"id": "dsv_same", "dataset": "pets", "manifest_sha256": "ab" * 32, "report": {"of": self.project}}
        return Version(number=0, created_at_ms=NOW_MS, project=self.project, **about)

    def model(self) -> Model:
        order = {"trainer": "toy", "task": "t", "architecture": "tiny", "dataset_version": "dsv_same"}
        made = {"classes": (), "metrics": {}, "exports": (), "artifacts": (ref(f"{self.project}.onnx"),)}
        about = {"id": self.id("mdl"), "name": "pets", "number": 0, "job_id": self.job_id, "attempt": 1}
        return Model(**about, **order, **made, project=self.project, created_at_ms=NOW_MS)

    def upload(self) -> KeptUpload:
        said = {"user_id": self.project, "dataset_name": "pets"}
        return KeptUpload(id=self.id("upl"), size_bytes=1, created_at_ms=NOW_MS, project=self.project, **said)

    def parked(self) -> Parked:
        about = {"reason": ParkedReason.NOT_JSON, "message": self.project, "body": b"{", "size_bytes": 1}
        return Parked(id=self.id("msg"), parked_at_ms=NOW_MS, complete=True, project=self.project, **about)

    def endpoint(self) -> Endpoint:
        where = f"https://{self.project}.example"
        return Endpoint(id=self.id("whe"), url=where, secret="s", created_at_ms=NOW_MS, project=self.project)

    def delivery(self, kind: str = "dlv") -> Delivery:
        about = {"endpoint_id": self.id("whe"), "subject": self.job_id, "event": "job.running"}
        when = {"next_at_ms": NOW_MS, "created_at_ms": NOW_MS}
        return Delivery(id=self.id(kind), version=1, outgoing=Outgoing(body=b"{}"), **about, **when)


OURS, OTHERS, NOBODYS = Theirs("birds"), Theirs("cats"), Theirs("nowhere")
Asked = Callable[[Any, Theirs], Awaitable[Any]]


def transaction(ask: Asked) -> Asked:
    async def asked(database: Any, theirs: Theirs) -> Any:
        async with database.jobs.transaction() as open_one:
            return await ask(open_one, theirs)

    return asked


#: How each verb is asked for what is somebody's.
ASKED: dict[tuple[str, str], Asked] = {
    ("jobs", "get"): lambda db, them: db.jobs.get(them.job_id),
    ("jobs", "find"): lambda db, them: db.jobs.find(JobQuery(labels={"team": "same"})),
    ("jobs", "placed"): lambda db, them: db.jobs.placed("api", ["same", them.project]),
    ("jobs", "due"): lambda db, them: db.jobs.due("local", LATE_MS, 9),
    ("jobs", "queue_positions"): lambda db, them: db.jobs.queue_positions("local", 9),
    ("jobs", "queue_position"): lambda db, them: db.jobs.queue_position(them.id("job_waiting")),
    ("jobs", "queued"): lambda db, them: db.jobs.queued(),
    ("jobs", "unfinished"): lambda db, them: db.jobs.unfinished(),
    ("jobs", "credit"): lambda db, them: db.jobs.credit(5, None),
    ("jobs", "adopt"): lambda db, them: db.jobs.adopt("here", ["local"]),
    ("transaction", "lock"): transaction(lambda tx, them: tx.lock([(them.job_id, None)])),
    ("transaction", "claimable"): transaction(lambda tx, them: tx.claimable("local", LATE_MS, 9)),
    ("transaction", "receipt"): transaction(lambda tx, them: tx.receipt("api", "same")),
    ("transaction", "insert"): transaction(lambda tx, them: tx.insert(job(8, id="new", project=them.project))),
    ("transaction", "require_version"): transaction(lambda tx, them: tx.require_version("dsv_same")),
    ("transaction", "events"): transaction(lambda tx, them: tx.events(them.job_id, 1, 1, 9)),
    ("history", "transitions"): lambda db, them: db.history.transitions(them.job_id),
    ("history", "events"): lambda db, them: db.history.events(them.job_id, 0, 9),
    ("history", "told"): lambda db, them: db.history.told([them.job_id], KINDS, 9),
    ("history", "checkpoints"): lambda db, them: db.history.checkpoints(them.job_id),
    ("history", "artifacts"): lambda db, them: db.history.artifacts(them.job_id),
    ("history", "made"): lambda db, them: db.history.made([them.job_id]),
    ("history", "attempts"): lambda db, them: db.history.attempts(them.job_id),
    ("curves", "get"): lambda db, them: db.curves.get(them.job_id),
    ("curves", "keep"): lambda db, them: db.curves.keep(them.job_id, Curves(position=2), 1),
    ("curves", "behind"): lambda db, them: db.curves.behind(9),
    ("outbox", "pending"): lambda db, them: db.outbox.pending(99),
    ("outbox", "delivered"): lambda db, them: delivered(db, them),
    ("datasets", "add_version"): lambda db, them: db.datasets.add_version(them.version()),
    ("datasets", "version"): lambda db, them: db.datasets.version("dsv_same"),
    ("datasets", "versions"): lambda db, them: db.datasets.versions(["dsv_same"]),
    ("datasets", "delete"): lambda db, them: db.datasets.delete("pets", None, NOW_MS),
    ("datasets", "manifests"): lambda db, them: db.datasets.manifests(),
    ("datasets", "get"): lambda db, them: db.datasets.get("pets"),
    ("datasets", "list"): lambda db, them: db.datasets.list(),
    ("models", "get"): lambda db, them: db.models.get(them.id("mdl")),
    ("models", "find"): lambda db, them: db.models.find("pets", "best"),
    ("models", "list"): lambda db, them: db.models.list(),
    ("models", "names"): lambda db, them: db.models.names(),
    ("models", "point"): lambda db, them: db.models.point(them.id("mdl"), "worst"),
    ("models", "unpoint"): lambda db, them: db.models.unpoint(them.id("mdl"), "best"),
    ("models", "delete"): lambda db, them: db.models.delete(them.id("mdl"), NOW_MS),
    ("models", "condemned"): lambda db, them: db.models.condemned(),
    ("models", "cleared"): lambda db, them: db.models.cleared(them.id("mdl"), NOW_MS),
    ("kept_uploads", "add"): lambda db, them: db.kept_uploads.add(replace(them.upload(), id="new")),
    ("kept_uploads", "find"): lambda db, them: db.kept_uploads.find(them.id("upl")),
    ("kept_uploads", "ids"): lambda db, them: db.kept_uploads.ids(),
    ("parked", "keep"): lambda db, them: db.parked.keep(replace(them.parked(), id="new")),
    ("parked", "get"): lambda db, them: db.parked.get(them.id("msg")),
    ("parked", "list"): lambda db, them: db.parked.list(),
    ("parked", "remove"): lambda db, them: db.parked.remove(them.id("msg")),
    ("webhooks", "add_endpoint"): lambda db, them: db.webhooks.add_endpoint(replace(them.endpoint(), id="new")),
    ("webhooks", "declare_endpoint"): lambda db, them: db.webhooks.declare_endpoint(replace(them.endpoint(), id="new")),
    ("webhooks", "endpoints"): lambda db, them: db.webhooks.endpoints(),
    ("webhooks", "endpoint"): lambda db, them: db.webhooks.endpoint(them.id("whe")),
    ("webhooks", "change_endpoint"): lambda db, them: db.webhooks.change_endpoint(them.id("whe"), {"url": "x"}),
    ("webhooks", "disable_endpoint"): lambda db, them: db.webhooks.disable_endpoint(them.id("whe"), "off", NOW_MS),
    ("webhooks", "delete_endpoint"): lambda db, them: db.webhooks.delete_endpoint(them.id("whe")),
    ("webhooks", "add"): lambda db, them: db.webhooks.add([them.delivery("new")] if them is OTHERS else []),
    ("webhooks", "due"): lambda db, them: db.webhooks.due(LATE_MS, each=9, limit=9),
    ("webhooks", "next_at_ms"): lambda db, them: db.webhooks.next_at_ms(NOW_MS),
    ("webhooks", "mark"): lambda db, them: db.webhooks.mark([tried(them)]),
    ("webhooks", "delivery"): lambda db, them: db.webhooks.delivery(them.id("dlv")),
    ("webhooks", "find"): lambda db, them: db.webhooks.find(DeliveryQuery(job_id=them.job_id)),
    ("webhooks", "replay"): lambda db, them: db.webhooks.replay(them.id("dlv"), NOW_MS),
    ("webhooks", "replay_dead"): lambda db, them: db.webhooks.replay_dead(them.id("whe"), 0, NOW_MS),
    ("webhooks", "forget"): lambda db, them: db.webhooks.forget(
        delivered_before_ms=LATE_MS, dead_before_ms=LATE_MS, progress_before_ms=LATE_MS
    ),
}
#: What somebody else writes there is refused as ours to write, not as unknown.
WRITING = {("transaction", "insert"), ("datasets", "add_version"), ("webhooks", "add")} | {
    ("kept_uploads", "add"),
    ("parked", "keep"),
    ("webhooks", "add_endpoint"),
    ("webhooks", "declare_endpoint"),
}


async def delivered(db: Any, them: Theirs) -> None:
    with within(EVERYTHING):
        told = [message for message in await db.outbox.pending(99) if message.job_id == them.job_id]
    await db.outbox.delivered(told)


def tried(them: Theirs) -> Delivery:
    over = {"status": DeliveryStatus.DELIVERED, "attempts": 1, "tried_at_ms": NOW_MS, "ended_at_ms": NOW_MS}
    return replace(them.delivery(), **over)


async def fill(db: Any, them: Theirs) -> None:
    """One of everything."""
    await db.projects.add(Project(id=them.project, created_at_ms=NOW_MS))
    with within(Scope(them.project)):
        async with db.jobs.transaction() as open_one:
            labels = {"team": "same"}
            await open_one.insert(job(1, id=them.job_id, project=them.project, labels=labels), them.receipt())
            await open_one.insert(job(2, id=them.id("job_running"), project=them.project, labels=labels))
            await open_one.insert(job(3, id=them.id("job_waiting"), project=them.project, labels=labels))
        await decide(db, them.job_id, claiming)
        await decide(db, them.job_id, lambda run: applying(run, started(), progress(2), succeeded(3)))
        await decide(db, them.job_id, lambda run: registered(run, them))
        await decide(db, them.job_id, buried)
        await decide(db, them.id("job_running"), claiming)
        await db.models.point(them.id("mdl"), "best")
        await db.datasets.add_version(them.version())
        await db.curves.keep(them.job_id, Curves(position=1), 0)
        await db.kept_uploads.add(them.upload())
        await db.parked.keep(them.parked())
        await db.webhooks.add_endpoint(them.endpoint())
        await db.webhooks.add([them.delivery()])


async def decide(db: Any, job_id: str, decision: Callable[[Run], Any]) -> None:
    async with db.jobs.transaction() as open_one:
        run = (await open_one.lock([(job_id, None)]))[job_id, None]
        await open_one.save([decision(run)])


def registered(run: Run, them: Theirs) -> Any:
    artifact = Artifact(job_id=run.job.id, attempt=1, ref=ref(f"{them.project}.onnx"))
    after = lifecycle.succeed(run, NOW_MS, model_id=them.id("mdl"))
    return changed(run, after, NOW_MS, artifacts=(artifact,), model=them.model())


def buried(run: Run) -> Any:
    assert run.attempt is not None
    return changed(run, Run(run.job, lifecycle.gone(run.attempt, NOW_MS)), NOW_MS)


async def state_of(db: Any, them: Theirs) -> str:
    """All of it, as its own project sees it."""
    with within(Scope(them.project)):
        kept: list[Any] = [
            await db.jobs.find(JobQuery()),
            await db.jobs.unfinished(),
            await db.history.events(them.job_id, 0, 9),
        ]
        kept += [await db.datasets.list(), await db.models.list(), await db.parked.list(), await db.outbox.pending(99)]
        kept += [await db.webhooks.endpoints(), await db.webhooks.find(DeliveryQuery())]
        kept += [await db.kept_uploads.find(them.id("upl")), await db.curves.get(them.job_id)]
    return repr(kept)


async def outcome(asked: Awaitable[Any]) -> str:
    try:
        return repr(await asked)
    except EyebrightError as error:
        return f"{type(error).__name__}: {error.message}"


@pytest.fixture
async def both(database):
    for them in (OURS, OTHERS):
        await fill(database, them)
    return database


def verbs_of(port: type) -> list[str]:
    return [name for name, verb in vars(port).items() if not name.startswith("_") and callable(verb)]


def test_every_verb_of_every_port_stands_in_one_of_the_lists():
    verbs = {(attribute, verb) for attribute, port in PORTS.items() for verb in verbs_of(port)}
    assert verbs == {*ASKED, *SERVERS_OWN}


@pytest.mark.parametrize("verb", ASKED, ids=".".join)
async def test_who_has_entered_no_scope_is_told_nothing(database, verb):
    with pytest.raises(NoScope):
        await asyncio.create_task(_coroutine(ASKED[verb], database), context=Context())


async def _coroutine(asked: Asked, database: Any) -> Any:
    return await asked(database, NOBODYS)


@pytest.mark.parametrize("verb", ASKED, ids=".".join)
async def test_what_is_anothers_is_as_if_it_were_not_there(both, verb):
    before = await state_of(both, OTHERS)
    with within(Scope(OURS.project)):
        await outcome(ASKED[verb](both, NOBODYS))  # what it does to our own is done
        found = await outcome(ASKED[verb](both, OTHERS))
        unknown = await outcome(ASKED[verb](both, NOBODYS))
    assert await state_of(both, OTHERS) == before
    if verb in WRITING:
        assert found.startswith("NoScope")
    elif verb not in OF_ALL:
        assert found.replace(OTHERS.project, NOBODYS.project) == unknown
        assert (
            OTHERS.project not in found.replace(OTHERS.job_id, "").replace(OTHERS.id("mdl"), "")
            or "there is no" in found
        )


@pytest.mark.parametrize("verb", ASKED, ids=".".join)
async def test_from_within_all_of_them_nobody_says_which_of_the_same_is_meant(both, verb):
    with within(EVERYTHING):
        found = await outcome(ASKED[verb](both, replace(OURS)))
    assert found.startswith("NoScope") == (verb in OF_ONE)


async def test_names_and_numbers_are_each_projects_own(both):
    for them in (OURS, OTHERS):
        with within(Scope(them.project)):
            (version,) = (await both.datasets.get("pets")).versions
            assert (version.number, version.report) == (1, {"of": them.project})
            model = await both.models.find("pets", "best")
            assert (model.id, model.number, model.aliases) == (them.id("mdl"), 1, ("best",))
            assert (await both.jobs.placed("api", ["same"]))["same"].id == them.job_id
            assert {each.project for each in await both.outbox.pending(99)} == {them.project}
            assert await both.jobs.queued() == 1
    with within(EVERYTHING):
        assert {each.project for each in await both.outbox.pending(99)} == {OURS.project, OTHERS.project}
        assert await both.jobs.queued() == 2
        assert len(await both.datasets.manifests()) == 2


async def test_places_in_a_queue_count_everybody(both):
    with within(Scope(OTHERS.project)):
        waits = OTHERS.id("job_waiting")
        assert await both.jobs.queue_positions("local", 9) == {waits: 2}
        assert await both.jobs.queue_position(waits) == 2


async def test_a_name_that_is_given_up_stays_the_others(both):
    with within(Scope(OURS.project)):
        await both.models.unpoint(OURS.id("mdl"), "best")
        await both.models.delete(OURS.id("mdl"), NOW_MS)
        assert [each.id for each in await both.models.condemned()] == [OURS.id("mdl")]
    with within(Scope(OTHERS.project)):
        assert (await both.models.find("pets", "best")).id == OTHERS.id("mdl")
        assert await both.models.condemned() == []


async def test_there_is_no_project_by_chance(database):
    with within(Scope("nowhere")), pytest.raises(EyebrightError, match=r"placed|no project"):
        async with database.jobs.transaction() as open_one:
            await open_one.insert(job(1, project="nowhere"))


async def test_projects_are_listed_by_name_and_added_once(database):
    assert [each.id for each in await database.projects.list()] == ["default"]
    birds = Project(id="birds", created_at_ms=NOW_MS)
    assert await database.projects.add(birds)
    assert not await database.projects.add(replace(birds, created_at_ms=1))
    assert list(await database.projects.list()) == [birds, Project(id="default", created_at_ms=0)]
    assert await database.projects.exists("birds")
    assert not await database.projects.exists("cats")
