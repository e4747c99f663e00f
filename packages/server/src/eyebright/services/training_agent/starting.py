"""Start a project's training, once however often it is asked for, and wait for what comes of it."""

import asyncio
import hashlib
from contextlib import suppress
from typing import TypeVar

import structlog

from eyebright.core.callers import TRAINING_AGENT, Assignment, CallersProject
from eyebright.core.job import Job
from eyebright.errors import (
    ConfigInvalid,
    EyebrightError,
    InvalidRequest,
    NotFound,
    StorageFull,
    StorageUnusable,
    TrainerMissing,
    TrainingFailed,
    Unavailable,
)
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.jobs import JobQuery, JobStore
from eyebright.services.datasets import Datasets
from eyebright.services.jobs import IMPORT, Jobs
from eyebright.services.recipes import Recipes
from eyebright.services.relay import REST_SECONDS
from eyebright.services.training_agent.checks import Checks
from eyebright.services.training_agent.handover import Handover
from eyebright.services.training_agent.ledger import FAILED, PENDING, TRAINING, Ledger, is_refusal, is_under_way
from eyebright.services.training_agent.orders import (
    PROJECT,
    RECIPE,
    TASK,
    Defaults,
    in_their_words,
    labels_of,
    order_of,
)
from eyebright.services.watch import Watch
from eyebright_kit.remote.failure import FetchCode
from eyebright_wire.jobs import JobKind, JobRequest, JobState
from eyebright_wire.resources import DatasetImport, JobView

log = structlog.stdlib.get_logger(__name__)

#: Past every event: who waits for the end does not want the story.
_NOW = 2**31 - 1
#: Between two looks for the training that follows an import.
_PAUSE_SECONDS = 0.5

T = TypeVar("T")


class Starting:
    def __init__(
        self,
        database: CallersDatabase,
        store: JobStore,
        jobs: Jobs,
        datasets: Datasets,
        recipes: Recipes,
        watch: Watch,
        ledger: Ledger,
        handover: Handover,
        checks: Checks,
        defaults: Defaults,
    ) -> None:
        self._database = database
        self._store = store
        self._jobs = jobs
        self._datasets = datasets
        self._recipes = recipes
        self._watch = watch
        self._ledger = ledger
        self._handover = handover
        self._checks = checks
        self._defaults = defaults
        self._looking = set[asyncio.Task[Assignment | EyebrightError]]()

    async def start(self, project_id: str) -> str:
        """The job that carries the project's training out: the one under way; the one that has ended, while that is still to be
        told or the project is completed; else a new one. A project that is still pending as nobody has told it of a refusal may
        have been mended since, and is looked at anew.

        Raises InvalidRequest for a project that is not to be trained or names no training; NotFound; StorageUnusable where its
        model could not be put; Unavailable while its database cannot be reached.
        """
        looking = self._look_up_soon(project_id)
        last = await self._ledger.newest(project_id)
        untold = last if last is not None and not await self._is_over(last) else None
        if untold is not None and not is_refusal(untold):
            return untold.id
        assignment = _known(await looking)
        if untold is None and assignment.project.status == TRAINING:  # as it was before the end of that was told
            assignment = await self._database.assignment(project_id)
        project = assignment.project
        if project.status == PENDING:
            return await self._ordered(assignment, last, untold)
        if untold is not None:
            return untold.id
        if project.status == self._ledger.completed and last is not None and last.state is JobState.SUCCEEDED:
            return last.id
        refusal = _not_pending(project, last)
        await self._ledger.note(project.id, project.status, refusal.message)
        raise refusal

    async def outcome(self, job_id: str) -> str:
        """The address of the model, once the training has ended and its callers' database says so.

        While that cannot be reached a finished training is finished all the same. Raises NotFound for a data set that is not
        where the project says, else TrainingFailed with the reason.
        """
        job = await self._end_of(job_id)
        try:
            address = await self._result(job)
        except EyebrightError:
            await self._tell(job)
            raise
        await self._tell(job)
        return address

    async def upload(self, project_id: str) -> str:
        """Put the model of a finished training in its place that could not be put there; where it lies then.

        Raises NotFound for a project whose newest training has left no model.
        """
        job = await self._ledger.newest(project_id)
        if job is None or job.kind is not JobKind.TRAINING or job.state is not JobState.SUCCEEDED:
            raise NotFound(f"project {project_id} has no finished training whose model could be uploaded")
        address = await self._handover.put(job.id)
        await self._ledger.register(job, address)
        await self._ledger.complete(job, address, before=(PENDING, TRAINING, FAILED))
        return address

    def _look_up_soon(self, project_id: str) -> asyncio.Task[Assignment | EyebrightError]:
        """Beside other questions. One that nobody needs ends by itself: a question that is given up costs a connection."""
        looking = asyncio.create_task(self._look_up(project_id))
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)
        return looking

    async def _look_up(self, project_id: str) -> Assignment | EyebrightError:
        try:
            return await self._database.assignment(project_id)
        except EyebrightError as problem:
            return problem

    async def _is_over(self, last: Job) -> bool:
        return not is_under_way(last) and await self._ledger.has_told(last)

    async def _ordered(self, assignment: Assignment, last: Job | None, untold: Job | None) -> str:
        """Two at once find the same key, and make one job. It is new, or there would be a job after `last`. `untold`: a refusal
        that is still to be told, and once is enough."""
        project = assignment.project
        key = f"{project.id}/{last.id if last else ''}"
        sha256 = hashlib.sha256(key.encode()).hexdigest()
        try:
            settings = await self._recipes.settings(RECIPE)
            order = order_of(project, _known(assignment.dataset), self._defaults, settings)
            await self._checks.require_place()
            return await self._begun(project, order, key, sha256)
        except EyebrightError as why:
            if not _passes(why) and (untold is None or untold.message != why.message):
                await self._refuse(project, why, key, sha256)
            raise

    async def _begun(self, project: CallersProject, order: DatasetImport, key: str, sha256: str) -> str:
        try:
            return (await self._datasets.place(order, TRAINING_AGENT, key, sha256)).id
        except ConfigInvalid as why:
            raise in_their_words(why, project.metadata) from why

    async def _refuse(self, project: CallersProject, why: EyebrightError, key: str, sha256: str) -> None:
        """Kept as a job that failed, so that the project's log and status tell of it, be it later."""
        order = JobRequest(dataset=f"project {project.id}", task=TASK, labels=labels_of(project))
        await self._jobs.refuse(order, why, source=TRAINING_AGENT, key=key, body_sha256=sha256)

    async def _end_of(self, job_id: str) -> Job:
        """The training that a job is or is followed by, once it has ended; an import that nothing follows."""
        view = await self._ended(job_id)
        if view.kind is JobKind.IMPORT and view.state is JobState.SUCCEEDED:
            view = await self._ended(await self._following(view))
        return (await self._store.get(view.id)).job

    async def _ended(self, job_id: str) -> JobView:
        async for news in self._watch.follow(job_id, _NOW):
            if isinstance(news, JobView) and news.state.final:
                return news
        raise AssertionError("a story ends with its end")

    async def _following(self, imported: JobView) -> str:
        """Nobody can be told of a job that is not there yet."""
        labels = {IMPORT: imported.id, PROJECT: imported.labels[PROJECT]}
        while True:
            if found := await self._store.find(JobQuery(labels=labels, limit=1)):
                return found[0].id
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _result(self, job: Job) -> str:
        if job.state is JobState.SUCCEEDED:
            return await self._registered(job, await self._placed(job))
        if job.kind is JobKind.IMPORT:
            await self._raise_failure_of_import(job)
        raise TrainingFailed(f"{job.reason or job.state}: {job.message}", reason=job.reason or job.state)

    async def _raise_failure_of_import(self, job: Job) -> None:
        try:
            await self._datasets.imported(job.id)
        except EyebrightError as error:
            if any(each.get("code") == FetchCode.NOT_FOUND for each in error.errors):
                raise NotFound(error.message) from error
            raise TrainingFailed(error.message, reason=job.reason or job.state) from error

    async def _placed(self, job: Job) -> str:
        """Waits for a place that is away for as long as the ledger does."""
        while True:
            with suppress(Unavailable, StorageFull):
                return await self._handover.hand_over(job)
            await asyncio.sleep(REST_SECONDS)

    async def _registered(self, job: Job, address: str) -> str:
        """While the database is away a training is finished all the same. Raises NotHandedOver for a row that is refused."""
        try:
            await self._ledger.register(job, address)
        except (Unavailable, StorageFull, NotFound) as away:
            log.warning("a model's row is written later, if ever", job=job.id, problem=away.message)
        return address

    async def _tell(self, job: Job) -> None:
        try:
            await self._ledger.catch_up_soon(job.id)
        except (Unavailable, StorageFull) as away:
            log.warning("a training has ended, and its callers are told later", job=job.id, problem=away.message)


def _known(found: T | EyebrightError) -> T:
    if isinstance(found, EyebrightError):
        raise found
    return found


def _passes(why: EyebrightError) -> bool:
    """By itself, so that asking again will do."""
    return isinstance(why, Unavailable | StorageFull) and not isinstance(why, TrainerMissing | StorageUnusable)


def _not_pending(project: CallersProject, last: Job | None) -> InvalidRequest:
    failed = f". Its last training failed: {last.message}" if last and last.state is JobState.FAILED else ""
    return InvalidRequest(
        f"project {project.id} is {project.status!r}, expected {PENDING!r}: set its status to that to have it trained{failed}"
    )
