"""Everything that is known to be wrong with an order, at once, and what it would take of the machine. Nothing is kept."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from eyebright.core.preflight import check_captions, check_parent, model_of, task_of
from eyebright.core.records import Version
from eyebright.core.resolve import Resolved, resolve
from eyebright.errors import EyebrightError
from eyebright.ports.executor import Environment, Executor
from eyebright.services.durations import Durations
from eyebright.services.forecasts import Forecasts, Plan
from eyebright.services.orders import Orders, as_of, report_of, with_task
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import PreflightRequest
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.resources import DiskForecast, MemoryForecast, Preflight, PreflightFinding

T = TypeVar("T")

_MIB = 2**20


class Preflights:
    def __init__(
        self, orders: Orders, forecasts: Forecasts, durations: Durations, executors: Mapping[str, Executor]
    ) -> None:
        self._orders = orders
        self._forecasts = forecasts
        self._durations = durations
        self._executors = executors

    async def preflight(self, request: PreflightRequest, said: Callable[[EyebrightError], str] = str) -> Preflight:
        """Never raises for what is wrong with the order: that is what it answers, as it is `said` at the door."""
        found = _Found(said)
        request = self._somewhere(request, found)
        parent = await found.awaited(self._orders.parent(request))
        request = as_of(request, parent) if parent else request
        environment = await found.awaited(self._orders.environment(request))
        task = environment and found.tried(lambda: self._task(environment, request.task))
        model = task and found.tried(lambda: model_of(task, request.model))
        resolved = task and found.tried(lambda: resolve(task, request.config, model or ""))
        if parent and environment and task and model and resolved:
            found.tried(lambda: check_parent(parent, environment.trainer, task, model, resolved.config))
        request = with_task(request, task.name if task else await self._orders.task_name(request.task))
        version = await self._version(request, environment, resolved, found)
        report = version and report_of(version)
        disk: tuple[DiskForecast, ...] = ()
        memory = time = None
        executor = request.executor or ""
        if environment:
            executor = found.tried(lambda: self._orders.place(request, environment)) or executor
        if environment and task and model and resolved and executor in self._executors:
            found.idle(resolved)
            plan = Plan(environment, task, model, resolved.config, report)
            disk, memory = await self._forecasts.of(plan, executor)
            time = await self._durations.forecast(plan.training(executor))
            if environment.python is None:
                found.elsewhere(executor)
        return Preflight(
            trainer=environment.trainer if environment else request.trainer or "",
            task=request.task,
            model=model or request.model or "",
            executor=executor,
            config=dict(resolved.config) if resolved else {},
            dataset_version=version.id if version else "",
            classes=report.classes if report else (),
            images=report.images if report else {},
            findings=(*found.findings, *_shortages(disk, memory)),
            disk=disk,
            memory=memory,
            time=time,
        )

    def _somewhere(self, request: PreflightRequest, found: "_Found") -> PreflightRequest:
        """The order; where it names a place that there is not, without one, so that the rest can be looked at."""
        known = found.tried(lambda: self._orders.check_executor(request.executor) or True)
        return request if known else request.model_copy(update={"executor": None})

    def _task(self, environment: Environment, name: str) -> TaskInfo:
        self._orders.check_licence(environment.manifest)
        return task_of(environment.manifest, name)

    async def _version(
        self, request: PreflightRequest, environment: Environment | None, resolved: Resolved | None, found: "_Found"
    ) -> Version | None:
        if request.dataset is None:
            return None
        version = await found.awaited(self._orders.version(request.dataset, request.task))
        if version is not None:
            found.tried(lambda: self._orders.check_ready(version, request.task, environment))
            if environment:
                await found.awaited(self._orders.address(version, environment))
            needed = resolved.needed_without_captions if resolved else ()
            found.tried(lambda: check_captions(report_of(version), needed))
        return version


@dataclass
class _Found:
    """Collects what is refused."""

    said: Callable[[EyebrightError], str]
    findings: list[PreflightFinding] = field(default_factory=list[PreflightFinding])

    def tried(self, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except EyebrightError as error:
            self.findings += self._refusals(error)
            return None

    async def awaited(self, look: Awaitable[T]) -> T | None:
        try:
            return await look
        except EyebrightError as error:
            self.findings += self._refusals(error)
            return None

    def idle(self, resolved: Resolved) -> None:
        for key, message in resolved.idle.items():
            self.findings.append(PreflightFinding(severity="warning", code="idle_setting", message=message, field=key))

    def elsewhere(self, executor: str) -> None:
        message = (
            f"it would run at {executor}, and nothing is known here of that machine: neither whether its disk and its memory "
            "have room for it, nor whether it answers now; /ready tells the last"
        )
        self.findings.append(
            PreflightFinding(severity="warning", code="place_unknown", message=message, field="executor")
        )

    def _refusals(self, error: EyebrightError) -> Iterator[PreflightFinding]:
        """Each thing that it names, or itself."""
        named = [problem for problem in error.errors if "message" in problem]
        for problem in named or [{"message": self.said(error)}]:
            yield PreflightFinding(
                severity="error", code=error.code, message=problem["message"], field=problem.get("field", "")
            )


def _shortages(disks: Iterable[DiskForecast], memory: MemoryForecast | None) -> Iterator[PreflightFinding]:
    yield from (_short_of_disk(disk) for disk in disks if disk.needed_bytes > disk.free_bytes)
    if memory and memory.free_bytes is not None and memory.needed_bytes > memory.free_bytes:
        yield _short_of_memory(memory)


def _short_of_disk(disk: DiskForecast) -> PreflightFinding:
    message = (
        f"the run needs about {disk.needed_bytes // _MIB:,} MiB below {disk.path} ({disk.dataset_bytes // _MIB:,} for copies of "
        f"the images, {disk.checkpoint_bytes // _MIB:,} for checkpoints, {disk.result_bytes // _MIB:,} for weights and exports), "
        f"and {disk.free_bytes // _MIB:,} MiB are free; free some space, or lower keep_checkpoints"
    )
    return PreflightFinding(severity="error", code=ErrorCode.DISK_FULL, message=message)


def _short_of_memory(memory: MemoryForecast) -> PreflightFinding:
    where = "on the emptiest GPU" if memory.place == "gpu" else "of memory"
    message = (
        f"the run is likely to hold about {memory.needed_bytes // _MIB:,} MiB, and {(memory.free_bytes or 0) // _MIB:,} MiB "
        f"{where} are free ({memory.how}); lower batch or the size of images, or rehearse it to be sure"
    )
    return PreflightFinding(severity="warning", code=ErrorCode.OUT_OF_MEMORY, message=message, field="batch")
