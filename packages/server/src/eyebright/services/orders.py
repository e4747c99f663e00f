"""What an order means here: its trainer, task, model, settings and data, found to fit each other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from eyebright.core import preflight
from eyebright.core.records import Model, Version
from eyebright.core.resolve import Resolved, nearest, resolve
from eyebright.errors import (
    ConfigInvalid,
    DatasetInvalid,
    EyebrightError,
    InvalidRequest,
    TrainerMissing,
    TrainerUnavailable,
)
from eyebright.ports.catalog import Catalog
from eyebright.ports.executor import Environment
from eyebright.ports.jobs import JobQuery, JobStore
from eyebright.ports.registry import DatasetStore, ModelStore
from eyebright.services.datasets import find, find_version
from eyebright.services.reference import find as find_model
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.jobs import JobKind, JobRequest, PreflightRequest
from eyebright_wire.manifest import TaskInfo, TrainerManifest
from eyebright_wire.resources import TrainerView

Request = TypeVar("Request", bound=JobRequest)


@dataclass(frozen=True, slots=True)
class Settled:
    """An order's trainer, task, model and settings, and where it is to run."""

    environment: Environment
    executor: str
    task: TaskInfo
    model: str
    resolved: Resolved
    parent: str | None = None  # the id of the model to begin from


class Orders:
    def __init__(
        self,
        jobs: JobStore,
        datasets: DatasetStore,
        models: ModelStore,
        catalog: Catalog,
        executors: Collection[str],
        licence_deny: Collection[str] = (),
        *,
        may_run: Callable[[str], None] = lambda executor: None,
    ) -> None:
        """`may_run` raises Forbidden for an executor where nothing of the present project may run."""
        self._jobs = jobs
        self._datasets = datasets
        self._models = models
        self._catalog = catalog
        self._executors = tuple(executors)
        self._licence_deny = frozenset(licence_deny)
        self._may_run = may_run

    async def check(self, request: PreflightRequest) -> PreflightRequest:
        """The order with its task by name, not by an alias. Raises what it would be refused with; without a data set, all but
        that."""
        settled = await self.settle(request)
        if request.dataset is not None:
            await self.ready_version(request.dataset, settled)
        return with_task(request, settled.task.name)

    async def settle(self, request: JobRequest) -> Settled:
        """Everything about an order but its data. Raises the first thing that does not fit."""
        self.check_executor(request.executor)
        parent = await self.parent(request)
        request = as_of(request, parent) if parent else request
        environment = await self.environment(request)
        self.check_licence(environment.manifest)
        task = preflight.task_of(environment.manifest, request.task)
        model = preflight.model_of(task, request.model)
        resolved = resolve(task, request.config, model)
        if parent:
            preflight.check_parent(parent, environment.trainer, task, model, resolved.config)
        return Settled(environment, self.place(request, environment), task, model, resolved, parent and parent.id)

    async def manifest(self, request: JobRequest) -> TrainerManifest:
        """Of the trainer that would carry it out. Raises what the order would be refused with for that."""
        parent = await self.parent(request)
        return (await self.environment(as_of(request, parent) if parent else request)).manifest

    async def parent(self, request: JobRequest) -> Model | None:
        """The model to begin from, if one is named. Raises NotFound."""
        return await find_model(self._models, request.parent) if request.parent else None

    async def task_name(self, called: str) -> str:
        """What the task is called whose alias this may be; that itself when no trainer knows it."""
        found = (view.task_called(called) for view in await self._catalog.list())
        return next((name for name in found if name), called)

    def check_executor(self, executor: str | None) -> None:
        if executor is not None and executor not in self._executors:
            raise InvalidRequest(f"unknown executor {executor!r}.{nearest(executor, self._executors)}")

    def place(self, request: JobRequest, environment: Environment) -> str:
        """Where the order is to run. Raises Forbidden where it may not."""
        place = request.executor or environment.executors[0]
        self._may_run(place)
        return place

    def check_licence(self, manifest: TrainerManifest) -> None:
        preflight.check_licence(manifest, self._licence_deny)

    async def check_rehearsable(self, request: JobRequest) -> None:
        """Raises ConfigInvalid where the whole training would be run."""
        environment = await self.environment(request)
        if environment.manifest.address_setting:
            raise ConfigInvalid(
                f"trainer {environment.trainer} runs at a service that cannot be told to try the first batches only; order a "
                "training, with few epochs"
            )

    async def environment(self, request: JobRequest) -> Environment:
        """The trainer that was named, or the first installed one that knows the task and the model and is not denied."""
        if request.trainer is not None:
            return await self._catalog.environment(request.trainer, request.executor)
        return await self._first_able(request)

    async def _first_able(self, request: JobRequest) -> Environment:
        installed = await self._catalog.installed()
        if (place := request.executor) is not None:  # which may have another version of it than the first place
            having = [each.trainer for each in installed if place in each.executors]
            installed = [await self._catalog.environment(name, place) for name in having]
        able = [environment for environment in installed if environment.manifest.task(request.task)]
        if not able:
            raise _nobody_can(request.task, await self._catalog.list(), self._licence_deny)
        able = [environment for environment in able if not self._is_denied(environment)] or able
        return next((environment for environment in able if _offers(environment, request)), able[0])

    def _is_denied(self, environment: Environment) -> bool:
        return preflight.is_denied(environment.manifest.licence, self._licence_deny)

    async def ready_version(self, dataset: str, settled: Settled) -> Version:
        """Raises DatasetInvalid for one that is not ready for the task, ConfigInvalid for one that needs other settings."""
        version = await self.version(dataset, settled.task.name)
        self.check_ready(version, settled.task.name, settled.environment)
        preflight.check_captions(report_of(version), settled.resolved.needed_without_captions)
        return version

    def check_ready(self, version: Version, task: str, environment: Environment | None) -> None:
        """What a trainer can read that fetches its data itself, only that knows. Raises DatasetInvalid."""
        if environment is None or not environment.manifest.address_setting:
            preflight.check_ready(report_of(version), task, version.id)

    async def address(self, version: Version, environment: Environment) -> Mapping[str, str]:
        """The setting by which a trainer learns where its data lie; none for one that is granted them.

        Raises DatasetInvalid for data that came from no address, or from one with a secret in it, which was meant for us. Where
        another data set of the same content came from is no affair of this one's.
        """
        setting = environment.manifest.address_setting
        if not setting:
            return {}
        imports = JobQuery(kinds=frozenset({JobKind.IMPORT}), imported_version=version.id)
        found = [job.resolved for job in await self._jobs.find(imports) if job.name == version.dataset]
        addresses = [each["url"] for each in found if each["url"] and each["url"] == each["shown"]]
        if not addresses:
            raise DatasetInvalid(
                f"trainer {environment.trainer} fetches its data itself, and data set {version.dataset} was imported from no "
                "open address; import it from one that its service can read, such as s3://bucket/folder/"
            )
        return {setting: addresses[0]}

    async def version(self, dataset: str, task: str) -> Version:
        """A version by its id; of a data set by name the newest that is ready for the task, or else the newest."""
        if dataset.startswith("dsv_"):
            return await find_version(self._datasets, dataset)
        versions = (await find(self._datasets, dataset)).versions
        return next((version for version in versions if report_of(version).ready_for(task).ready), versions[0])


def as_of(request: Request, parent: Model) -> Request:
    """What the order leaves open is as it is with the model that it begins from."""
    known = {"trainer": parent.trainer, "task": parent.task, "model": parent.architecture}
    given = {name for name in known if name in request.model_fields_set and getattr(request, name) is not None}
    return request.model_copy(update={name: value for name, value in known.items() if name not in given})


def with_task(request: Request, task: str) -> Request:
    """What was left open stays open: only a task that was named is named otherwise."""
    return request.model_copy(update={"task": task}) if "task" in request.model_fields_set else request


def report_of(version: Version) -> DatasetReport:
    return DatasetReport.model_validate(version.report)


def _nobody_can(task: str, trainers: Sequence[TrainerView], denied: Collection[str]) -> EyebrightError:
    """With the way to one that can, or else to the one that is preferred."""
    can = [view for view in trainers if view.task_called(task) and not preflight.is_denied(view.licence or "", denied)]
    can.sort(key=lambda view: not view.stale)  # it was chosen before, and is to be again
    kind = TrainerUnavailable if any(view.stale for view in can or trainers) else TrainerMissing
    if can:
        others = ", ".join(f"{view.name} ({view.licence})" for view in can[1:])
        more = f". Others that have it: {others}" if others else ""
        return kind(f"no installed trainer has a task {task!r}: {can[0].problem}{more}")
    if any(view.installed for view in trainers):
        known = {word for view in trainers for name in view.tasks for word in (name, *view.aliases.get(name, ()))}
        return ConfigInvalid(f"no trainer has a task {task!r}.{nearest(task, known)}")
    return kind(f"no trainer can be used: {trainers[0].problem if trainers else 'none is registered'}")


def _offers(environment: Environment, request: JobRequest) -> bool:
    """By its list alone: one that takes any name would take every mistyped one too. For what is not listed, name the trainer."""
    task = environment.manifest.task(request.task)
    return task is not None and (request.model is None or request.model in {model.name for model in task.models})
