"""Seal a claimed job as the `JobSpec` that its trainer opens."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from eyebright.core.exporting import carried_out, export_order
from eyebright.core.job import Job, Run
from eyebright.core.records import Checkpoint
from eyebright.core.rehearsal import rehearsed, webhook_of
from eyebright.core.scope import Scope, within
from eyebright.ports.catalog import Catalog
from eyebright.ports.executor import Environment
from eyebright.ports.jobs import JobHistory
from eyebright.ports.objects import BLOBS, ObjectStore, Signing, attempt_prefix
from eyebright.ports.registry import DatasetStore, ModelStore
from eyebright_wire.artifacts import Grant
from eyebright_wire.jobs import MODEL_FILES, DatasetGrant, JobKind, JobSpec, ModelGrant, Resources, ResumePoint
from eyebright_wire.rehearsals import RehearsalOrder
from eyebright_wire.run_directory import SPOOL
from eyebright_wire.runs import Slot

#: Older checkpoints offered for resuming, in case the newest ones turn out damaged.
RESUME_POINTS = 5
#: No signed URL holds longer, at Amazon or at Google.
LONGEST_SECONDS = 7 * 86_400


class Seal:
    def __init__(
        self,
        history: JobHistory,
        datasets: DatasetStore,
        objects: ObjectStore,
        catalog: Catalog,
        importer: Environment,
        *,
        models: ModelStore,
        rules: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _: {},
        egress: Callable[[], Mapping[str, Any]] = dict,
        fetching: Callable[[], Mapping[str, Any]] = dict,
        base_url: Callable[[], str | None],
        heartbeat_seconds: float,
    ) -> None:
        self._history = history
        self._datasets = datasets
        self._objects = objects
        self._catalog = catalog
        self._importer = importer
        self._models = models
        self._rules = rules  # what the operator has to say to an import besides
        self._egress = egress  # and which addresses may be called
        self._fetching = fetching  # and where a trainer may fetch from that does
        self._base_url = base_url  # known only once the server listens
        self._heartbeat_seconds = heartbeat_seconds

    async def spec(self, run: Run, slot: Slot | None, token: str) -> tuple[JobSpec, Environment]:
        """The sealed order for the run's attempt and the environment to run it in. Raises NotFound or TrainerUnavailable."""
        with within(Scope(run.job.project)):
            return await self._spec(run, slot, token)

    async def _spec(self, run: Run, slot: Slot | None, token: str) -> tuple[JobSpec, Environment]:
        job = rehearsed(run.job) if run.job.kind is JobKind.REHEARSAL else carried_out(run.job)
        environment = await self._environment(job)
        grant = await self._grant(job)
        spec = JobSpec(
            job_id=job.id,
            attempt=job.attempt,
            trainer=job.trainer,
            task=job.task,
            model=job.model,
            config=self._config(job),
            dataset=grant,
            parent=await self._parent(job),
            export=export_order(run.job),
            output=self._output(job),
            resume=await self._resume_points(job),
            resources=slot.resources if slot else Resources(),
            events_url=self._url(job, "events"),
            callback_url=self._callback_url(job),
            spool_url=await self._spool_url(job) if environment.python is None else None,
            token=token,
            heartbeat_seconds=self._heartbeat_seconds,
            fetching=dict(self._fetching()) if environment.manifest.fetches else None,
            rehearsal=self._rehearsal(run.job),
            provenance={
                "eyebright_version": version("eyebright"),
                "environment_lock_sha256": environment.lock_sha256,
                "trainer_version": environment.manifest.version,
                **(
                    {"dataset_version": grant.version_id, "dataset_manifest_sha256": grant.manifest_sha256}
                    if grant
                    else {}
                ),
            },
        )
        return spec, environment

    def _output(self, job: Job) -> Grant:
        """An import works beside the server, whatever keeps its version in the end."""
        place = self._objects.workplace if job.kind is JobKind.IMPORT else self._objects.grant
        return self._opened(job, place(attempt_prefix(job.id, job.attempt)))

    def _opened(self, job: Job, grant: Grant) -> Grant:
        """A folder is opened as it is; of anything else its trainer asks us for each file."""
        return grant if grant.uri.startswith("file:") else grant.model_copy(update={"urls": self._url(job, "urls")})

    def _rehearsal(self, job: Job) -> RehearsalOrder | None:
        if job.kind is not JobKind.REHEARSAL:
            return None
        return RehearsalOrder(webhook=webhook_of(job), egress=dict(self._egress()))

    def _config(self, job: Job) -> dict[str, Any]:
        """An import goes by the rules of the day on which it runs: it can have waited, or repeat one of last year."""
        return {**job.resolved, **self._rules(job.resolved)} if job.kind is JobKind.IMPORT else dict(job.resolved)

    async def _environment(self, job: Job) -> Environment:
        return (
            self._importer if job.kind is JobKind.IMPORT else await self._catalog.environment(job.trainer, job.executor)
        )

    async def _grant(self, job: Job) -> DatasetGrant | None:
        """The data to train on; an import has none yet."""
        if job.kind is JobKind.IMPORT:
            return None
        dataset = await self._datasets.version(job.dataset_version)
        return DatasetGrant(
            version_id=dataset.id,
            name=dataset.dataset,
            manifest_sha256=dataset.manifest_sha256,
            blobs=self._opened(job, self._objects.grant(BLOBS)),
        )

    async def _parent(self, job: Job) -> ModelGrant | None:
        """What training begins from. Deleted meanwhile, its files stay until the job has ended."""
        if job.parent is None:
            return None
        model = await self._models.get(job.parent)
        return ModelGrant(
            id=model.id,
            title=model.title,
            architecture=model.architecture,
            classes=model.classes,
            source=self._opened(job, self._objects.grant(attempt_prefix(model.job_id, model.attempt))),
            files=tuple(ref for ref in model.artifacts if ref.kind in MODEL_FILES),
        )

    async def _resume_points(self, job: Job) -> tuple[ResumePoint, ...]:
        """Its own before those of the job that it goes on from."""
        found = await self._history.checkpoints(job.id)
        if job.resume_from is not None:
            found += await self._history.checkpoints(job.resume_from)
        return tuple(self._resume_point(job, checkpoint) for checkpoint in found[:RESUME_POINTS])

    def _resume_point(self, job: Job, checkpoint: Checkpoint) -> ResumePoint:
        return ResumePoint(
            source=self._opened(job, self._objects.grant(attempt_prefix(checkpoint.job_id, checkpoint.attempt))),
            manifest=checkpoint.manifest,
            epoch=checkpoint.epoch,
            step=checkpoint.step,
        )

    def _callback_url(self, job: Job) -> str | None:
        base = self._base_url()
        return f"{base}/training/jobs/{job.id}/callback?attempt={job.attempt}" if base else None

    async def _spool_url(self, job: Job) -> str:
        """For a place that may be cut off for as long as it trains."""
        prefix = attempt_prefix(job.id, job.attempt)
        if (uri := self._objects.grant(prefix).uri).startswith("file:"):
            return uri + SPOOL
        (url,) = await self._objects.signed([Signing("PUT", prefix + SPOOL, seconds=LONGEST_SECONDS)])
        return url

    def _url(self, job: Job, what: str) -> str | None:
        """Where the attempt speaks to us."""
        base = self._base_url()
        return f"{base}/api/v1/jobs/{job.id}/attempts/{job.attempt}/{what}" if base else None
