"""A training service of others: it takes a start, and says the rest to the address that came with it.

Its trainings can neither be asked after nor stopped: what they have said is all that is known of them.
"""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
import structlog
from cachetools import LRUCache

from eyebright.core.platform_id import uuid_of
from eyebright.errors import ServiceUnavailable, TrainerUnavailable, Unavailable
from eyebright.executors.service.line import HEALTH, LARGEST_FOREIGN, START, ServiceExecutorSettings, ServiceLine
from eyebright.executors.service.offers import ADDRESS, TASK, OfferedModel, manifest_of, models_of, trainer_of
from eyebright.ports.clock import Clock
from eyebright_wire.events import Event, Heartbeat
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.runs import Handle, Liveness, Vital
from eyebright_wire.services import TrainingStart

#: So many runs are remembered as given up, each until the sweeper has looked again.
_GIVEN_UP = 10_000

#: What a service says that has no list of models.
_NO_SUCH_ROUTE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})

log = structlog.stdlib.get_logger(__name__)


class ForeignService:
    def __init__(
        self, line: ServiceLine, settings: ServiceExecutorSettings, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._line = line
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._seen = float("-inf")
        self._given_up: LRUCache[Handle, None] = LRUCache(_GIVEN_UP)

    def trainer(self, framework: str) -> str:
        return trainer_of(framework, self._settings.name)

    async def describe(self, framework: str) -> TrainerManifest:
        return manifest_of(self.trainer(framework), await self._models())

    async def start(self, spec: JobSpec) -> None:
        """Whether it was heard is not known where no answer comes: it may then run twice, and only the later one counts. Such a
        start is charged to the job, and so is one that fails there, as nobody can say whose fault it is."""
        content = start_of(spec).model_dump_json(exclude={"spec"})
        try:
            await self._line.ask("POST", START, len, content=content, most=LARGEST_FOREIGN)
        except ServiceUnavailable as error:
            if error.__cause__ is None or isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
                raise
            raise Unavailable(error.message) from error

    async def status(self, handle: Handle) -> Liveness:
        """Nothing is known of the run itself. While its service lives it is not taken for lost."""
        if handle in self._given_up:
            return Liveness(Vital.GONE)
        await self._look()
        return Liveness(Vital.UNKNOWN, heartbeat=Heartbeat(at_ms=self._clock.now_ms(), moved_at_ms=0))

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        """There is no word for it. Whatever it still says is refused."""
        self._given_up[handle] = None
        log.debug(
            "no longer heard; its service cannot be told to stop",
            job=handle.job_id,
            attempt=handle.attempt,
            service=self._settings.name,
        )

    async def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        """It keeps them."""
        for nothing in ():
            yield nothing

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        return []

    async def _look(self) -> None:
        """One answer serves all its runs."""
        if self._monotonic() - self._seen >= self._settings.fresh_seconds:
            asked = self._monotonic()
            await self._line.ask("GET", HEALTH, len, seconds=self._settings.look_seconds, most=LARGEST_FOREIGN)
            self._seen = asked

    async def _models(self) -> tuple[OfferedModel, ...]:
        limits: dict[str, Any] = {"seconds": self._settings.look_seconds, "most": LARGEST_FOREIGN}
        return await self._line.ask("GET", "/models", models_of, absent=_NO_SUCH_ROUTE, **limits)


def start_of(spec: JobSpec) -> TrainingStart:
    """The key of its reports stands in the address, as it sends back nothing else. Raises TrainerUnavailable for an order
    that was taken for a service of ours."""
    if ADDRESS not in spec.config:
        raise TrainerUnavailable(f"job {spec.job_id} was ordered while a service of Eyebright was there; order it anew")
    config = {name: value for name, value in spec.config.items() if name != ADDRESS}
    task = {} if spec.task == TASK else {"task": spec.task}
    return TrainingStart(
        job_id=uuid_of(spec.job_id),
        config={"model": spec.model, **task, **config},
        dataset_s3_uri=spec.config[ADDRESS],
        callback_url=f"{spec.callback_url}&key={quote(spec.token, safe='')}",
    )
