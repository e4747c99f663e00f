"""Runs trainers at a training service: another process, perhaps of another machine, behind HTTP.

The service keeps its processes by itself, and answers of them what the local executor finds out here. While it cannot be reached
nothing is known of its runs and nothing is given to it: its breaker opens, and one probe decides.
"""

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Self, TypeVar

import httpx
import structlog
from pydantic import ValidationError

from eyebright.core.breaker import Breaker, State
from eyebright.errors import Conflict, EyebrightError, InvalidRequest, ServiceUnavailable, TrainerUnavailable
from eyebright.ports.clock import Clock, SystemClock
from eyebright.ports.executor import Environment, Room
from eyebright.settings import Settings
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobSpec
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.model import WireModel
from eyebright_wire.resources import ProblemDetails
from eyebright_wire.runs import Handle, Liveness, Slot, Vital
from eyebright_wire.services import RunReport, RunReports, ServiceHealth, SpooledEvents, TrainingStart, TrainingStarted

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_Answer = TypeVar("_Answer", bound=WireModel)

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceExecutorSettings:
    name: str
    url: str
    token: str = field(default="", repr=False)
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    abandon_seconds: float = 600.0  # out of reach for so long, its runs are given up
    fresh_seconds: float = 1.0  # one answer about all runs serves everybody who asks within it
    busy_seconds: float = 5.0  # until a service without a free place is asked again


class ServiceExecutor:
    """The Executor of one service."""

    def __init__(
        self,
        settings: ServiceExecutorSettings,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._monotonic = monotonic
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {settings.token}"} if settings.token else {},
            timeout=httpx.Timeout(settings.read_seconds, connect=settings.connect_seconds),
            trust_env=False,
            follow_redirects=False,
        )
        self._breaker = Breaker()
        self._places: int | None = None
        self._away_since: float | None = None
        self._reports: Mapping[Handle, RunReport] = {}
        self._reported = float("-inf")

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
            )
        )

    async def close(self) -> None:
        await self._client.aclose()

    def condition(self) -> str | None:
        """None: it answers."""
        now_ms = self._clock.now_ms()
        if not self._breaker.failures:
            return None
        again = (self._breaker.open_until_ms - now_ms) / 1000
        tried = f"did not answer {self._breaker.failures} times"
        return f"{self._breaker.state(now_ms)}: {tried}" + (f", asked again in {again:.0f} s" if again > 0 else "")

    def state(self) -> State:
        return self._breaker.state(self._clock.now_ms())

    def slots(self) -> Sequence[Slot]:
        """None of them while it rests; one, for a probe, while nobody knows how many it has."""
        now_ms = self._clock.now_ms()
        if self._breaker.resting(now_ms):
            return ()
        return [Slot(index) for index in range(self._breaker.room(self._places or 1))]

    async def room(self) -> Room:
        return Room()

    async def describe(self) -> TrainerManifest:
        return await self._ask("GET", "/describe", TrainerManifest)

    async def launch(self, spec: JobSpec, environment: Environment) -> Handle:
        if spec.callback_url is None:
            raise InvalidRequest(f"job {spec.job_id} says no address to report to; set EYEBRIGHT_PUBLIC_URL")
        health = await self._ask("GET", "/health", ServiceHealth)
        self._places = health.places
        if health.framework != environment.trainer:
            raise TrainerUnavailable(
                f"the service {self._settings.name!r} offers {health.framework}, and the job is for {environment.trainer}"
            )
        handle = Handle(spec.job_id, spec.attempt)
        order = TrainingStart(
            job_id=spec.job_id,
            config=spec.config,
            dataset_s3_uri=spec.dataset.blobs.uri if spec.dataset else "none",
            callback_url=spec.callback_url,
            spec=spec,
        )
        self._reported = float("-inf")
        await self._ask("POST", "/training/start", TrainingStarted, content=order.model_dump_json())
        self._reported = float("-inf")  # an answer that was on its way does not know it yet
        return handle

    async def status(self, handle: Handle) -> Liveness:
        try:
            path = _path(handle)
            report = (await self._all()).get(handle) or await self._ask("GET", path, RunReport)
        except ServiceUnavailable:
            return Liveness(Vital.UNKNOWN)
        return report.liveness

    async def stop(self, handle: Handle, grace: timedelta) -> None:
        """A machine that does not come back is given up some time: its runs are fenced, and write below their own prefix."""
        try:
            await self._ask("DELETE", _path(handle), RunReport, within=grace, params={"grace": grace.total_seconds()})
        except ServiceUnavailable:
            if not self._is_abandoned():
                raise
            log.warning(
                "given up with its service", job=handle.job_id, attempt=handle.attempt, service=self._settings.name
            )
        self._reported = float("-inf")

    async def logs(self, handle: Handle, offset: int) -> AsyncIterator[bytes]:
        async with (
            self._heard(),
            self._client.stream("GET", f"{_path(handle)}/log", params={"offset": offset}) as answer,
        ):
            await self._require_good(answer)
            async for chunk in answer.aiter_bytes():
                yield chunk

    async def spooled(self, handle: Handle, after: int) -> list[Event]:
        found: list[Event] = []
        while True:
            last = found[-1].seq if found else after
            page = await self._ask("GET", f"{_path(handle)}/spool", SpooledEvents, params={"after": last})
            if not page.events:
                return found
            found += page.events

    async def _all(self) -> Mapping[Handle, RunReport]:
        if self._monotonic() - self._reported >= self._settings.fresh_seconds:
            asked = self._monotonic()
            found = await self._ask("GET", "/runs", RunReports)
            self._reports = {Handle(each.job_id, each.attempt): each for each in found.runs}
            self._reported = asked
        return self._reports

    async def _ask(
        self, method: str, path: str, kind: type[_Answer], *, within: timedelta | None = None, **options: Any
    ) -> _Answer:
        """Raises ServiceUnavailable where nobody answers, or not in words that we know; Conflict, InvalidRequest."""
        if "content" in options:
            options["headers"] = {"Content-Type": "application/json"}
        if within is not None:
            seconds = self._settings.read_seconds + within.total_seconds()
            options["timeout"] = httpx.Timeout(seconds, connect=self._settings.connect_seconds)
        async with self._heard():
            answer = await self._client.request(method, path, **options)
            await self._require_good(answer)
            return kind.model_validate_json(answer.content)

    @asynccontextmanager
    async def _heard(self) -> AsyncGenerator[None]:
        """Count what fails for want of an answer; a refusal is one."""
        if self._breaker.resting(self._clock.now_ms()):
            raise self._away("it is left alone for a while")
        try:
            yield
        except EyebrightError:  # it has answered, though not with what was asked for
            self._breaker, self._away_since = self._breaker.succeeded(), None
            raise
        except (httpx.HTTPError, ValidationError) as error:
            self._breaker = self._breaker.failed(self._clock.now_ms())
            self._away_since = self._monotonic() if self._away_since is None else self._away_since
            raise self._away(_in_words(error)) from error
        self._breaker, self._away_since = self._breaker.succeeded(), None

    async def _require_good(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        await answer.aread()
        try:
            problem = ProblemDetails.model_validate_json(answer.content)
        except ValidationError:
            raise httpx.HTTPStatusError(f"HTTP {answer.status_code}", request=answer.request, response=answer) from None
        raise self._refusal(problem)

    def _refusal(self, problem: ProblemDetails) -> EyebrightError:
        said = f"the service {self._settings.name!r} at {self._settings.url} says: {problem.detail}"
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # all its places are taken, mostly
            return ServiceUnavailable(said, wait_seconds=self._settings.busy_seconds)
        return Conflict(said) if problem.status == HTTPStatus.CONFLICT else InvalidRequest(said)

    def _away(self, why: str) -> ServiceUnavailable:
        wait = max(0.0, (self._breaker.open_until_ms - self._clock.now_ms()) / 1000)
        return ServiceUnavailable(
            f"the service {self._settings.name!r} at {self._settings.url} cannot be reached: {why}. Is it running, and is the "
            "address in EYEBRIGHT_SERVICES__URLS right?",
            wait_seconds=max(wait, 1.0),
        )

    def _is_abandoned(self) -> bool:
        since = self._away_since
        return since is not None and self._monotonic() - since >= self._settings.abandon_seconds


def _path(handle: Handle) -> str:
    if not _JOB_ID.fullmatch(handle.job_id):
        raise ValueError(f"{handle.job_id!r} is no job id")
    return f"/runs/{handle.job_id}-a{handle.attempt}"


def _in_words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "its answer is not one of a training service of Eyebright"
    return f"{type(error).__name__}: {error}".rstrip(": ")
