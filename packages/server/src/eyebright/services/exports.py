"""Have a form of a registered model made that its training did not make."""

from collections.abc import Callable, Collection
from dataclasses import replace

from eyebright.core import preflight
from eyebright.core.exporting import export_job
from eyebright.core.job import Job
from eyebright.core.records import Model
from eyebright.errors import Conflict
from eyebright.ports.catalog import Catalog
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobQuery, JobStore, Receipt
from eyebright.ports.registry import DatasetStore, ModelStore
from eyebright.services.announce import Announcer
from eyebright.services.datasets import find_version
from eyebright.services.lineage import lineage
from eyebright.services.reference import find
from eyebright.services.views import job_view, model_view
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.jobs import JobKind
from eyebright_wire.resources import JobView, ModelExport, ModelView

_SOURCE = "export"
#: Of one model: more than there are forms, each tried many times.
_LOOKED_AT = 500


class Exports:
    def __init__(
        self,
        store: ModelStore,
        datasets: DatasetStore,
        jobs: JobStore,
        catalog: Catalog,
        clock: Clock,
        announcer: Announcer,
        *,
        licence_deny: Collection[str] = (),
        may_run: Callable[[str], None] = lambda executor: None,
    ) -> None:
        """`may_run` raises Forbidden for an executor where nothing of the present project may run."""
        self._store = store
        self._datasets = datasets
        self._jobs = jobs
        self._catalog = catalog
        self._clock = clock
        self._announcer = announcer
        self._licence_deny = frozenset(licence_deny)
        self._may_run = may_run

    async def order(self, reference: str, form: str, *, rerun_of: str | None = None) -> ModelExport:
        """What the model has of this form, or the job that makes it: asked twice, one job. Raises NotFound, ConfigInvalid,
        LicenceDenied or TrainerUnavailable."""
        model = await find(self._store, reference)
        view = model_view(model, await lineage(self._store, model))
        if export := _of_form(model, form):
            return ModelExport(model=view, export=export)
        executor = await self._check_form(model, form)
        job = await self._under_way(model, form) or await self._insert(model, form, executor, rerun_of)
        return ModelExport(model=view, job=job_view(job))

    async def check(self, reference: str, form: str) -> ModelView:
        """The model, which has this form or can have it made. Raises as `order` does."""
        model = await find(self._store, reference)
        if not _of_form(model, form):
            await self._check_form(model, form)
        return model_view(model, await lineage(self._store, model))

    async def again(self, ended: Job) -> JobView:
        """The job that makes what an ended one was to make. Raises Conflict when the model has it by now, else as `order`."""
        assert ended.parent is not None
        found = await self.order(ended.parent, ended.resolved["format"], rerun_of=ended.id)
        if found.job is None:
            raise Conflict(f"{found.model.name}@{found.model.number} has {ended.resolved['format']} by now")
        return found.job

    async def _check_form(self, model: Model, form: str) -> str:
        """Where it can be made: it is scored on the data that the model was trained on."""
        await find_version(self._datasets, model.dataset_version)
        environment = await self._catalog.environment(model.trainer)
        preflight.check_licence(environment.manifest, self._licence_deny)
        preflight.check_export(model.trainer, preflight.task_of(environment.manifest, model.task), form)
        self._may_run(environment.executors[0])
        return environment.executors[0]

    async def _under_way(self, model: Model, form: str) -> Job | None:
        return next((job for job in await self._earlier(model, form) if not job.state.final), None)

    async def _earlier(self, model: Model, form: str) -> list[Job]:
        found = await self._jobs.find(JobQuery(kinds=frozenset({JobKind.EXPORT}), parent=model.id, limit=_LOOKED_AT))
        return [job for job in found if job.resolved["format"] == form]

    async def _insert(self, model: Model, form: str, executor: str, rerun_of: str | None) -> Job:
        """The how many-eth try it is makes the key, so that of two who ask at the same moment one is told of the other's."""
        settings = (await self._jobs.get(model.job_id)).job.resolved
        job = replace(
            export_job(self._clock.new_id("job"), model, form, settings, self._clock.now_ms()),
            executor=executor,
            rerun_of=rerun_of,
        )
        key = f"{model.id}/{form}/{len(await self._earlier(model, form))}"
        async with self._jobs.transaction() as transaction:
            known = await transaction.receipt(_SOURCE, key)
            if known is None:
                await transaction.require_version(job.needed_version)
                await transaction.insert(job, Receipt(source=_SOURCE, key=key, body_sha256="", job_id=job.id))
        if known is not None:
            return (await self._jobs.get(known.job_id)).job
        self._announcer.submitted(job.id)
        return job


def _of_form(model: Model, form: str) -> ExportRef | None:
    return next((export for export in model.exports if export.format == form), None)
