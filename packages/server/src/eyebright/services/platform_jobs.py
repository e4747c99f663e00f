"""Jobs of a Vision AI Training Platform's callers: each is the import of its data, held until it is started, then a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eyebright.core.callers import RESERVED
from eyebright.core.job import Job
from eyebright.core.platform_id import job_id_of, uuid_of
from eyebright.core.records import Artifact
from eyebright.core.resolve import nearest
from eyebright.core.scope import DEFAULT_PROJECT, Scope, within
from eyebright.errors import ConfigInvalid, Conflict, NotFound, no_job
from eyebright.ports.catalog import Catalog
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright.services.datasets import Datasets
from eyebright.services.jobs import IMPORT, Jobs
from eyebright.services.project_tree import best_weights
from eyebright.services.views import job_view
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.jobs import JobState, PreflightRequest
from eyebright_wire.resources import ArtifactView, DatasetImport, JobView

SOURCE = "vision_platform"
#: Labels of the import: that it is the first job of such an order, which nobody else can say, and what its caller said.
FIRST = f"{RESERVED}ordered_by"
USER, FRAMEWORK, MODEL = "user_id", "framework", "model_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller orders. `trainer` is ours for the framework that it named."""

    user_id: str
    framework: str
    trainer: str
    model: str
    source: str
    task: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class PlatformJob:
    first: JobView
    training: JobView | None = None  # once the data have come
    checkpoint: str | None = None  # where its best weights lie, if that is a bucket
    callback_url: str | None = None  # where whoever trains it may report

    @property
    def now(self) -> JobView:
        """The one of the two that tells how it stands."""
        return self.training or self.first


@dataclass(frozen=True, slots=True)
class Listed:
    jobs: Sequence[PlatformJob]
    more: bool  # after these


class PlatformJobs:
    def __init__(
        self,
        store: JobStore,
        history: JobHistory,
        jobs: Jobs,
        datasets: Datasets,
        catalog: Catalog,
        objects: ObjectStore,
        *,
        base_url: str,
    ) -> None:
        self._store = store
        self._history = history
        self._jobs = jobs
        self._datasets = datasets
        self._catalog = catalog
        self._objects = objects
        self._base_url = base_url  # by which trainers reach this server

    async def create(self, wish: Wish) -> PlatformJob:
        """Check an order and keep it until it is started. Raises what it would be refused for, but for its data: these are
        looked at once they are imported. Nothing is kept then."""
        said = {USER: wish.user_id, FRAMEWORK: wish.framework, MODEL: wish.model}
        train = PreflightRequest(
            trainer=wish.trainer, task=await self._task(wish), model=wish.model, config=dict(wish.config), labels=said
        )
        order = DatasetImport(url=wish.source, train=train, labels={**said, FIRST: SOURCE})
        placed = await self._datasets.place(order, SOURCE, None, "", held=True)
        return PlatformJob(placed, callback_url=self._callback_url(placed.id))

    async def get(self, name: str) -> PlatformJob:
        """By its UUID or its native id. Raises NotFound."""
        first = await self._first(name)
        trainings = await self._trainings([first])
        return (await self._told([first], trainings, await self._position(trainings.get(first.id, first))))[0]

    async def list(self, after: str | None, limit: int) -> Listed:
        """Newest first, those before the job `after`. A page takes the same few statements, however long it is."""
        found = await self._store.find(JobQuery(labels={FIRST: SOURCE}, after=after, limit=limit + 1))
        page = found[:limit]
        trainings = await self._trainings(page)
        told = await self._told(page, trainings, await self._jobs.positions([*page, *trainings.values()]))
        return Listed(told, more=len(found) > limit)

    async def start(self, name: str) -> None:
        """It waits for its turn from now on; asked again, nothing more happens. Raises NotFound, or Conflict when cancelled."""
        first = await self._first(name)
        if first.state is JobState.CANCELLED:
            raise Conflict(f"job {name} was cancelled, so it cannot begin; order it anew")
        await self._jobs.release(first.id)

    async def cancel(self, name: str) -> PlatformJob:
        """As native jobs are cancelled. Raises NotFound, or Conflict when it has ended, or at the moment between the two."""
        job = await self.get(name)
        if job.training is None and job.first.state is JobState.SUCCEEDED:
            raise Conflict(
                f"the training of job {name} is just being ordered, as its data have come; cancel it again now"
            )
        if job.now.state.final:
            raise Conflict(f"job {name} is over ({job.now.state}); there is nothing to cancel")
        await self._jobs.cancel(job.now.id)
        return await self.get(name)

    async def training_of(self, name: str) -> str:
        """The native id of the job that a trainer who was given this name speaks of: of the training that followed an import, or
        of the job itself. Whether there is one is not said: that is for those with a right to it."""
        job_id = job_id_of(name)
        if job_id is None:
            return name
        with within(Scope(DEFAULT_PROJECT)):  # only those who speak so call a training by the name of its import
            trained = (await self._store.placed(IMPORT, [job_id])).get(job_id)
        return trained.id if trained else job_id

    async def _first(self, name: str) -> Job:
        job_id = job_id_of(name)
        try:
            job = (await self._store.get(job_id or "")).job
        except NotFound:
            raise no_job(name) from None
        if FIRST not in job.labels:
            raise no_job(name)
        return job

    async def _trainings(self, firsts: Sequence[Job]) -> Mapping[str, Job]:
        """By the id of the import that each followed."""
        return await self._store.placed(IMPORT, [first.id for first in firsts])

    async def _position(self, job: Job) -> Mapping[str, int]:
        position = await self._store.queue_position(job.id)
        return {job.id: position} if position else {}

    async def _told(
        self, firsts: Sequence[Job], trainings: Mapping[str, Job], positions: Mapping[str, int]
    ) -> Sequence[PlatformJob]:
        made = await self._history.made([job.id for job in trainings.values() if job.state is JobState.SUCCEEDED])
        return [self._one(first, trainings.get(first.id), positions, made) for first in firsts]

    def _one(
        self, first: Job, training: Job | None, positions: Mapping[str, int], made: Mapping[str, Sequence[Artifact]]
    ) -> PlatformJob:
        view, callback_url = job_view(first, positions.get(first.id)), self._callback_url(first.id)
        if training is None:
            return PlatformJob(view, callback_url=callback_url)
        checkpoint = self._checkpoint(made.get(training.id, ()))
        return PlatformJob(view, job_view(training, positions.get(training.id)), checkpoint, callback_url)

    def _callback_url(self, first_id: str) -> str:
        return f"{self._base_url}/training/jobs/{uuid_of(first_id)}/callback"

    def _checkpoint(self, made: Sequence[Artifact]) -> str | None:
        """The best weights, or what a foreign trainer has named as its result."""
        views = [ArtifactView(**each.ref.model_dump(), attempt=each.attempt) for each in made]
        named = (view for view in views if view.kind is ArtifactKind.CHECKPOINT)
        best = best_weights(views) or next(named, None)
        if best is None:
            return None
        place = self._objects.grant(attempt_prefix(made[0].job_id, best.attempt)).uri
        return None if place.startswith("file:") else place + best.path

    async def _task(self, wish: Wish) -> str:
        """The one that was named, or the first of the trainer's that has the model."""
        try:
            manifest = (await self._catalog.environment(wish.trainer)).manifest
        except NotFound:
            known = [view.name for view in await self._catalog.list()]
            raise ConfigInvalid(f"unknown framework {wish.framework!r}.{nearest(wish.framework, known)}") from None
        able = (task.name for task in manifest.tasks if task.offers(wish.model))
        if found := wish.task or next(able, None):
            return found
        known = {model.name for task in manifest.tasks for model in task.models}
        raise ConfigInvalid(f"{wish.framework} has no model {wish.model!r}.{nearest(wish.model, known)}")
