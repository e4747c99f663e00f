"""Order, look at, cancel and repeat training jobs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from eyebright.core import lifecycle
from eyebright.core.callers import TRAINING_AGENT, require_unreserved
from eyebright.core.job import Job, Run
from eyebright.core.quota import counts
from eyebright.core.records import changed
from eyebright.core.rehearsal import rehearsal_of, rehearsed, webhook_of
from eyebright.core.scope import current_project
from eyebright.errors import (
    ConfigInvalid,
    Conflict,
    EyebrightError,
    InvalidRequest,
    NotFound,
    TrainerUnavailable,
    no_job,
)
from eyebright.ports.catalog import Catalog
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore, Receipt
from eyebright.services.announce import Announcer
from eyebright.services.durations import Durations
from eyebright.services.exports import Exports
from eyebright.services.forecasts import Forecasts, Plan
from eyebright.services.orders import Orders, report_of
from eyebright.services.quotas import RequireRoom, WhyWaiting, boundless, unhindered
from eyebright.services.receipts import known_order, sha256_of
from eyebright.services.views import job_view
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import JobKind, JobRequest, JobState, RehearsalRequest
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.resources import JobView, Page

#: The settings that change nothing about the training itself.
HANDING_OVER = frozenset({"exports", "export_tolerance"})


#: Of what follows an import, in the inbox beside that one's id; and the label by which the training is found.
IMPORT = "import"

#: How far back in a queue lists tell the place of a job; a job that is asked for alone has its place anyway.
PLACES = 1000


@dataclass(frozen=True, slots=True)
class Placed:
    """`created` is False when the same order was already taken."""

    job_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class Submitted:
    """`created` is False when the same order was already taken."""

    view: JobView
    created: bool


class Jobs:
    def __init__(
        self,
        store: JobStore,
        history: JobHistory,
        orders: Orders,
        exports: Exports,
        durations: Durations,
        forecasts: Forecasts,
        catalog: Catalog,
        clock: Clock,
        announcer: Announcer,
        require_room: RequireRoom = boundless,
        why_waiting: WhyWaiting = unhindered,
    ) -> None:
        self._store = store
        self._why_waiting = why_waiting
        self._require_room = require_room
        self._history = history
        self._orders = orders
        self._exports = exports
        self._durations = durations
        self._forecasts = forecasts
        self._catalog = catalog
        self._clock = clock
        self._announcer = announcer

    async def submit(
        self, request: JobRequest, *, source: str = "api", key: str | None = None, held: bool = False
    ) -> Submitted:
        """Check an order against trainer, recipe and data set, and queue it, or keep it until it is released. The same
        (source, key) is one job.

        Raises KeyReused, NotFound, ConfigInvalid, DatasetInvalid, LicenceDenied or TrainerUnavailable; nothing is kept then.
        """
        return await self._submitted(await self._ordered(request, source, key, lambda job: replace(job, held=held)))

    async def manifest(self, request: JobRequest) -> TrainerManifest:
        """Of the trainer that would carry the order out. Raises what the order would be refused with for that."""
        return await self._orders.manifest(request)

    async def place(
        self, request: JobRequest, *, source: str, key: str | None, body_sha256: str | None = None
    ) -> Placed:
        """`submit` for many orders at once: without the look at the queue that a view takes.

        `body_sha256` tells the order apart from another one of its key, where its caller said it in other words.
        """
        return await self._ordered(request, source, key, lambda job: job, body_sha256)

    async def rehearse(self, request: RehearsalRequest, *, source: str = "api", key: str | None = None) -> Submitted:
        """Check an order as `submit` does, and queue a rehearsal of it. Raises as `submit` does."""
        await self._orders.check_rehearsable(request)
        return await self._submitted(
            await self._ordered(request, source, key, lambda job: rehearsal_of(job, request.webhook))
        )

    async def refuse(
        self, request: JobRequest, why: EyebrightError, *, source: str, key: str, body_sha256: str | None = None
    ) -> Submitted:
        """Keep an order that cannot be carried out as a job that failed, for those who were not there to hear why.

        `body_sha256` tells the order apart from another one of its key, where `request` does not say all of it.
        """
        if source not in (IMPORT, TRAINING_AGENT):
            require_unreserved(request.labels)
        now_ms = self._clock.now_ms()
        queued = Job(
            id=self._clock.new_id("job"),
            project=current_project(),
            name=request.name or request.dataset,
            trainer=request.trainer or "",
            task=await self._orders.task_name(request.task),
            model=request.model or "",
            dataset_version=request.dataset,
            config=request.config,
            executor=request.executor or "",
            labels=request.labels,
            created_at_ms=now_ms,
        )
        failed = lifecycle.move(queued, JobState.FAILED, now_ms, reason=_end_of(why), message=why.message)
        body_sha256 = body_sha256 or sha256_of(request)
        receipt = Receipt(source=source, key=key, body_sha256=body_sha256, job_id=queued.id)
        async with self._store.transaction() as transaction:
            known = await known_order(transaction, source, key, body_sha256)
            if known is None:
                await transaction.insert(queued, receipt)
                await transaction.save([changed(Run(queued, None), Run(failed, None), now_ms)])
        self._announcer.submitted(queued.id)
        return Submitted(await self.get(known or queued.id), created=known is None)

    async def get(self, job_id: str) -> JobView:
        job = (await self._store.get(job_id)).job
        position = await self._store.queue_position(job_id) if job.state is JobState.QUEUED else None
        message = "; ".join(filter(None, (job.message, await self._hindrance(job))))
        job = replace(job, needs=await self._forecasts.compared(job), message=message)
        return job_view(job, position, await self._history.transitions(job_id))

    async def _hindrance(self, job: Job) -> str:
        its_turn = not job.held and job.not_before_ms <= self._clock.now_ms()
        waits = job.state is JobState.QUEUED and its_turn and counts(job.executor)
        return await self._why_waiting(job.project) if waits else ""

    async def resolved(self, job_id: str) -> dict[str, Any]:
        """Every setting of a job with its value. Raises NotFound."""
        return dict((await self._store.get(job_id)).job.resolved)

    async def list(self, query: JobQuery) -> Page[JobView]:
        """Newest first. Places in a queue are told of its first `PLACES`, so that no page costs more the longer that is."""
        jobs = await self._store.find(replace(query, limit=query.limit + 1))
        page = jobs[: query.limit]
        positions = await self.positions(page)
        more = page[-1].id if len(jobs) > query.limit else None
        return Page[JobView](items=tuple(job_view(job, positions.get(job.id)) for job in page), next=more)

    async def positions(self, jobs: Iterable[Job]) -> Mapping[str, int]:
        """job id → place, of those of them that wait among the first `PLACES` for their executor, and maybe of others."""
        waited_for = {job.executor for job in jobs if job.state is JobState.QUEUED and not job.held}
        known = [await self._store.queue_positions(executor, PLACES) for executor in sorted(waited_for)]
        return {job_id: place for queue in known for job_id, place in queue.items()}

    async def cancellable(self, job_id: str) -> JobView:
        """The job, which `cancel` would end or ask to stop now. Raises as that does."""
        lifecycle.check_cancellable((await self._store.get(job_id)).job)
        return await self.get(job_id)

    async def repeatable(self, job_id: str) -> JobView:
        """The job, which has ended, so that it can be run again. Raises Conflict until then."""
        lifecycle.check_repeatable((await self._store.get(job_id)).job)
        return await self.get(job_id)

    async def cancel(self, job_id: str) -> JobView:
        """Queued: cancelled at once. Live: asked to stop; it may still finish first. Ended: Conflict."""
        return await self._decided(job_id, lambda run: lifecycle.request_cancel(run, self._clock.now_ms()))

    async def release(self, job_id: str) -> JobView:
        """Held: it waits for its turn from now on. Released before: as it is. Cancelled: Conflict."""
        return await self._decided(job_id, lifecycle.release)

    async def _decided(self, job_id: str, decision: Callable[[Run], Run]) -> JobView:
        async with self._store.transaction() as transaction:
            run = (await transaction.lock([(job_id, None)])).get((job_id, None))
            if run is None:
                raise no_job(job_id)
            change = changed(run, decision(run), self._clock.now_ms())
            if change.job_changed:
                await transaction.save([change])
        self._announcer.committed([change])
        return await self.get(job_id)

    async def retry(self, job_id: str, *, fresh: bool = False, config: Mapping[str, Any] = {}) -> JobView:
        """A new job with the same settings, those of that day's recipe included. Raises Conflict until the old one ended, and
        for an export that the model has by now; else as `submit` does.

        `config` may change how a trained model is handed over, and nothing that would train another one: ConfigInvalid.

        A training that was cancelled or failed goes on from its newest whole checkpoint, unless it is to be `fresh` or the
        trainer is of another version now.
        """
        old = (await self._store.get(job_id)).job
        lifecycle.check_repeatable(old)
        _check_handing_over(old, config)
        if old.kind is JobKind.EXPORT:
            return await self._exports.again(old)
        await self._require_room(0)
        job = await self._repeated(old, config)
        resume_from = None if fresh else await self._resumable(old)
        placed = await self._insert(_following(job, old, resume_from), "retry", None, "")
        return await self.get(placed.job_id)

    async def resume(self, job_id: str) -> JobView:
        """A training that was cancelled or failed goes on as a new job; asked again, it is the same one.

        Raises Conflict until the old one ended, and where a retry would begin anew.
        """
        old = (await self._store.get(job_id)).job
        source = await self._resumable(old) if old.state.final else None
        if source is None:
            raise Conflict(
                f"job {job_id} is {old.state} and has left nothing to go on from: no checkpoint that this version of its trainer "
                "understands. Start without resume to begin anew"
            )
        job = _following(await self._plan(await self._request_again(old)), old, source)
        return await self.get((await self._insert(job, "resume", job_id, "")).job_id)

    async def _resumable(self, old: Job) -> str | None:
        """The job whose checkpoints a retry of this one goes on from: its own, or those that it was to go on from itself."""
        if old.kind is not JobKind.TRAINING or old.state is JobState.SUCCEEDED:
            return None
        source = old.id if await self._history.checkpoints(old.id) else old.resume_from
        return source if source and await self._trainer_is_as_of(source, old) else None

    async def _trainer_is_as_of(self, job_id: str, old: Job) -> bool:
        """A trainer of another version need not understand what it left."""
        manifest = (await self._catalog.environment(old.trainer, old.executor)).manifest
        told = await self._history.events(job_id, 0, 1000, frozenset({str(EventKind.STARTED)}))
        return bool(told) and told[-1].data.get("versions", {}).get(manifest.name) == manifest.version

    async def _request_again(self, old: Job) -> JobRequest:
        """The same order. What it was told with its data, it is told anew."""
        request = _request_of(old)
        told = (await self._orders.environment(request)).manifest.address_setting
        return request.model_copy(
            update={"config": {key: value for key, value in request.config.items() if key != told}}
        )

    async def _repeated(self, old: Job, config: Mapping[str, Any]) -> Job:
        """Checked anew, as of today; whether the source of an import is still there that finds out itself."""
        if old.kind is JobKind.TRAINING:
            order = await self._request_again(old)
            return await self._plan(order.model_copy(update={"config": {**order.config, **config}}))
        if old.kind is JobKind.REHEARSAL:
            return rehearsal_of(await self._plan(await self._request_again(rehearsed(old))), webhook_of(old))
        return Job(
            id=self._clock.new_id("job"),
            project=old.project,
            name=old.name,
            trainer=old.trainer,
            task=old.task,
            model=old.model,
            dataset_version=old.dataset_version,
            config=old.config,
            resolved=old.resolved,
            executor=old.executor,
            max_duration_seconds=old.max_duration_seconds,
            labels=old.labels,
            created_at_ms=self._clock.now_ms(),
        )

    async def _ordered(
        self,
        request: JobRequest,
        source: str,
        key: str | None,
        meant: Callable[[Job], Job],
        body_sha256: str | None = None,
    ) -> Placed:
        if source != IMPORT:
            require_unreserved(request.labels)
        body_sha256 = body_sha256 or sha256_of(request)
        try:
            await self._require_room(0)
            job = meant(await self._plan(request))
        except EyebrightError:  # what was taken once stays taken, though it could not be ordered any more
            if key is None or (known := await self._taken(source, key, body_sha256)) is None:
                raise
            return Placed(known, created=False)
        return await self._insert(job, source, key, body_sha256)

    async def _plan(self, request: JobRequest) -> Job:
        settled = await self._orders.settle(request)
        version = await self._orders.ready_version(request.dataset, settled)
        address = await self._orders.address(version, settled.environment)
        plan = Plan(settled.environment, settled.task, settled.model, settled.resolved.config, report_of(version))
        forecast = await self._durations.forecast(plan.training(settled.executor), at_once=True)
        return Job(
            id=self._clock.new_id("job"),
            project=current_project(),
            name=request.name or f"{settled.model}-{version.dataset}",
            trainer=settled.environment.trainer,
            task=settled.task.name,
            model=settled.model,
            dataset_version=version.id,
            config=settled.resolved.changes,
            resolved={**settled.resolved.config, **address},
            priority=request.priority,
            executor=settled.executor,
            max_duration_seconds=request.max_duration_seconds,
            labels=request.labels,
            licence=settled.environment.manifest.licence,
            parent=settled.parent,
            forecast=forecast if forecast and forecast.seconds is not None else None,
            needs=await self._forecasts.needs(plan, settled.executor),
            created_at_ms=self._clock.now_ms(),
        )

    async def _insert(self, job: Job, source: str, key: str | None, body_sha256: str) -> Placed:
        receipt = key and Receipt(source=source, key=key, body_sha256=body_sha256, job_id=job.id)
        async with self._store.transaction() as transaction:
            known = await known_order(transaction, source, key, body_sha256) if key else None
            if known is None:
                await transaction.require_version(job.needed_version)
                await transaction.insert(job, receipt or None)
        self._announcer.submitted(job.id)
        return Placed(known or job.id, created=known is None)

    async def _submitted(self, placed: Placed) -> Submitted:
        return Submitted(await self.get(placed.job_id), placed.created)

    async def _taken(self, source: str, key: str, body_sha256: str) -> str | None:
        async with self._store.transaction() as transaction:
            return await known_order(transaction, source, key, body_sha256)


def _following(job: Job, old: Job, resume_from: str | None) -> Job:
    """What goes on from another job's checkpoints takes less than was foretold of the whole."""
    return replace(job, rerun_of=old.id, resume_from=resume_from, forecast=None if resume_from else job.forecast)


def _end_of(why: EyebrightError) -> ErrorCode:
    if isinstance(why, TrainerUnavailable):
        return ErrorCode.NO_CAPACITY
    if why.code in (InvalidRequest.code, Conflict.code):
        return ErrorCode.CONFIG_INVALID
    if why.code == NotFound.code:
        return ErrorCode.DATASET_INVALID
    return ErrorCode(why.code) if why.code in set(ErrorCode) else ErrorCode.INTERNAL_ERROR


def _check_handing_over(old: Job, config: Mapping[str, Any]) -> None:
    if others := sorted(config.keys() - HANDING_OVER):
        raise ConfigInvalid(
            f"a retry trains the same model, so it takes {' and '.join(sorted(HANDING_OVER))} only, not {', '.join(others)}; "
            "place a new order for other settings"
        )
    if config and old.kind is not JobKind.TRAINING:
        raise ConfigInvalid(f"job {old.id} is no training: its retry takes no settings")


def _request_of(old: Job) -> JobRequest:
    order = JobRequest(
        dataset=old.dataset_version,
        task=old.task,
        trainer=old.trainer or None,  # an order that was refused did not come so far as to have all of them
        model=old.model or None,
        parent=old.parent,
        config=dict(old.resolved),
        priority=old.priority,
        executor=old.executor or None,
        max_duration_seconds=old.max_duration_seconds,
        labels=dict(old.labels),
    )
    return order.model_copy(update={"name": old.name})  # of a day when other names were taken, perhaps
