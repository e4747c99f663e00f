"""The Executor of one training service, whichever of the two kinds it is."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any, Self

import structlog
from pydantic import ValidationError

from eyebright.core.breaker import State
from eyebright.errors import EyebrightError, InvalidRequest, ServiceUnavailable, TrainerUnavailable
from eyebright.executors.service.foreign import ForeignService
from eyebright.executors.service.line import HEALTH, LARGEST_FOREIGN, ServiceExecutorSettings, ServiceLine
from eyebright.executors.service.own import OwnService
from eyebright.ports.clock import Clock, SystemClock
from eyebright.ports.executor import Environment, Room
from eyebright.settings import Settings
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.model import WireModel
from eyebright_wire.runs import Handle, Liveness, Slot, Vital

log = structlog.stdlib.get_logger(__name__)


class Health(WireModel):
    """GET /health of any training service. Whoever says `eyebright` takes a `spec`, and can be asked after its runs."""

    framework: Any = None
    eyebright: Any = None
    places: Any = None

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Others may answer what they like. Raises ValidationError for the page of something that is no service."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            if content.lstrip().startswith(b"<"):
                raise
            return cls()

    @property
    def trainer(self) -> str:
        return self.framework if isinstance(self.framework, str) else ""


class ServiceExecutor:
    """The Executor of one service."""

    bound = False

    def __init__(
        self,
        settings: ServiceExecutorSettings,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        clock = clock or SystemClock()
        self._line = ServiceLine(settings, clock, monotonic)
        self._own = OwnService(self._line, settings, monotonic)
        self._foreign = ForeignService(self._line, settings, clock, monotonic)
        self._service: OwnService | ForeignService | None = None  # nobody has asked it yet
        self._places = 1

    @classmethod
    def configured(cls, settings: Settings, which: str = "") -> Self:
        """`which` is the name of the service in `EYEBRIGHT_SERVICES__URLS`. Raises InvalidRequest for one that is not there."""
        chosen = settings.services
        url = chosen.addresses.get(which)
        if url is None:
            known = ", ".join(chosen.addresses) or "none"
            raise InvalidRequest(
                f"EYEBRIGHT_EXECUTORS names the service {which!r}; EYEBRIGHT_SERVICES__URLS has {known}. Expected "
                "NAME=http://host:port there"
            )
        return cls(
            ServiceExecutorSettings(
                name=which,
                url=url,
                token=chosen.token_file.read_text().strip() if chosen.token_file else "",
                connect_seconds=chosen.connect_seconds,
                read_seconds=chosen.read_seconds,
                abandon_seconds=chosen.abandon_seconds,
                places=chosen.places,
            )
        )

    async def close(self) -> None:
        await self._line.close()

    def condition(self) -> str | None:
        return self._line.condition()

    def state(self) -> State:
        return self._line.state()

    def slots(self) -> Sequence[Slot]:
        """None of them while it rests; one, for a probe, while nobody knows how many it has."""
        return tuple(Slot(index) for index in range(self._line.room(self._places)))

    async def room(self) -> Room:
        return Room()

    async def describe(self) -> TrainerManifest:
        service, health = await self._look()
        return await service.describe(health.trainer)

    async def launch(self, spec: JobSpec, environment: Environment) -> Handle:
        if spec.callback_url is None:
            raise InvalidRequest(f"job {spec.job_id} says no address to report to; set EYEBRIGHT_PUBLIC_URL")
        service, health = await self._look()
        if (offered := service.trainer(health.trainer)) != environment.trainer:
            raise TrainerUnavailable(
                f"the service {self._settings.name!r} offers {offered}, and the job is for {environment.trainer}"
            )
        await service.start(spec)
        return Handle(spec.job_id, spec.attempt)

    async def status(self, handle: Handle) -> Liveness:
        try:
            return await (await self._known()).status(handle)
        except ServiceUnavailable:
            return Liveness(Vital.UNKNOWN)
        except EyebrightError as error:  # it does not know the question: one of the other kind may be in its place
            log.warning(
                "a training service does not say how a run is", service=self._settings.name, error=error.message
            )
            self._service = None
            return Liveness(Vital.UNKNOWN)

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        """A machine that does not come back is given up some time: its runs are fenced, and write below their own prefix."""
        try:
            await (await self._known()).stop(handle, grace)
        except ServiceUnavailable:
            if not self._line.is_abandoned:
                raise
            log.warning(
                "given up with its service", job=handle.job_id, attempt=handle.attempt, service=self._settings.name
            )

    async def kept(self) -> list[Handle]:
        """Others may have given it work, too."""
        return []

    async def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        async for chunk in (await self._known()).logs(handle, offset):
            yield chunk

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        return await (await self._known()).spooled(handle, after)

    async def _known(self) -> OwnService | ForeignService:
        return self._service or (await self._look())[0]

    async def _look(self) -> tuple[OwnService | ForeignService, Health]:
        """Which of the two it is now: somebody may have put another in its place."""
        seconds = self._settings.look_seconds
        health = await self._line.ask("GET", HEALTH, Health.read, seconds=seconds, most=LARGEST_FOREIGN)
        self._service = self._own if health.eyebright else self._foreign
        said = health.places if health.eyebright else None
        self._places = said if isinstance(said, int) and said > 0 else self._settings.places
        return self._service, health
