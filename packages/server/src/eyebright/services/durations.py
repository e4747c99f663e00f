"""How long an order will take: learned from the trainings of the same model that this place to run has carried out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachetools import TTLCache

from eyebright.core import duration
from eyebright.core.duration import Circumstances, Took
from eyebright.core.records import StoredEvent
from eyebright.core.scope import current_project
from eyebright.ports.clock import Clock
from eyebright.ports.executor import Executor
from eyebright.ports.jobs import JobHistory, JobQuery, JobStore
from eyebright.ports.registry import DatasetStore
from eyebright.services.orders import report_of
from eyebright.services.recollection import Recollection
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import TimeForecast

#: How many of the newest trainings of a trainer are asked.
_LOOKED_AT = 50
#: A trainer tells of fewer stages in one attempt; of one that tells of more only the first count.
_MOST_STAGES = 1000
#: For as long an order goes by what was found for the one before: a queue hands over hundreds in a second.
RECENT_MS = 10_000
#: How many models that is remembered of.
REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class Training:
    """As ordered, every setting with its value."""

    trainer: str
    task: str
    model: str
    executor: str
    config: Mapping[str, Any]
    images: float  # `duration.seen` in an epoch

    @property
    def kind(self) -> tuple[str, str, str, str]:
        return self.trainer, self.task, self.model, self.executor


class Durations:
    def __init__(
        self,
        store: JobStore,
        history: JobHistory,
        datasets: DatasetStore,
        executors: Mapping[str, Executor],
        clock: Clock,
    ) -> None:
        self._store = store
        self._history = history
        self._datasets = datasets
        self._executors = executors
        self._recent = TTLCache[tuple[str, tuple[str, str, str, str]], Sequence[Took], int](
            REMEMBERED, RECENT_MS, clock.monotonic_ms
        )
        self._told = Recollection(self._read)
        self._images = Recollection(self._count)

    async def forecast(self, training: Training, *, at_once: bool = False) -> TimeForecast | None:
        """None for what has no images or no epochs. `at_once` may miss a training that ended a moment ago."""
        epochs = duration.epochs_of(training.config)
        if not epochs or not training.images:
            return None
        past = self._recent.get((current_project(), training.kind)) if at_once else None
        if past is None:
            past = await self._past(training)
        return duration.forecast(training.images * epochs, self._circumstances(training), past)

    async def _past(self, training: Training) -> Sequence[Took]:
        succeeded = frozenset({JobState.SUCCEEDED})
        query = JobQuery(
            kinds=frozenset({JobKind.TRAINING}), states=succeeded, trainer=training.trainer, limit=_LOOKED_AT
        )
        found = await self._store.find(query)
        alike = [job for job in found if (job.trainer, job.task, job.model, job.executor) == training.kind]
        images = await self._images.of({job.dataset_version for job in alike})
        told = await self._told.of([job.id for job in alike])
        taken = [duration.took(job, images.get(job.dataset_version, 0), told.get(job.id, ())) for job in alike]
        past = self._recent[current_project(), training.kind] = tuple(each for each in taken if each is not None)
        return past

    async def _read(self, job_ids: Collection[str]) -> Mapping[str, Sequence[StoredEvent]]:
        return await self._history.told(job_ids, duration.TOLD, _MOST_STAGES)

    async def _count(self, version_ids: Collection[str]) -> Mapping[str, float]:
        found = await self._datasets.versions(version_ids)
        return {each: duration.seen(report_of(version).images) for each, version in found.items()}

    def _circumstances(self, training: Training) -> Circumstances:
        """In the first place that has a GPU, if one may be used; all that have one are alike."""
        places = [slot.resources for slot in self._executors[training.executor].slots() or ()]
        with_gpu = [each for each in places if each.devices and training.config.get("device") != "cpu"]
        return Circumstances.of(training.config, on_gpu=bool(with_gpu), resources=next(iter(with_gpu or places), None))
