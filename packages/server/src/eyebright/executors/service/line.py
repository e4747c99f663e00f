"""The line to one training service, and the circuit breaker that counts what fails on it for want of an answer."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import AliasChoices, Field, ValidationError

from eyebright.core.breaker import Breaker, State
from eyebright.errors import ConfigInvalid, Conflict, EyebrightError, InvalidRequest, ServiceUnavailable
from eyebright.ports.clock import Clock
from eyebright_wire.model import WireModel
from eyebright_wire.resources import ProblemDetails

#: No answer has a reason to be longer.
LARGEST_ANSWER, LARGEST_FOREIGN = 64 * 2**20, 2**20
HEALTH, START = "/health", "/training/start"
#: Of what somebody else says in a refusal.
_LONGEST_WORD = 500
#: What says that a service is busy, whoever made it.
_UNFIT = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceExecutorSettings:
    name: str
    url: str
    token: str = field(default="", repr=False)
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    look_seconds: float = 5.0  # how long runs may be asked after: the sweeper has others to look after, too
    abandon_seconds: float = 600.0  # out of reach for so long, its runs are given up
    fresh_seconds: float = 1.0  # one answer about all runs serves everybody who asks within it
    busy_seconds: float = 5.0  # until a service without a free place is asked again
    places: int = 1  # at once, where it does not say how many


class _Refusal(WireModel):
    """What frameworks for services answer when they refuse."""

    detail: Any = Field(validation_alias=AliasChoices("detail", "message", "error"))


class ServiceLine:
    def __init__(self, settings: ServiceExecutorSettings, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            timeout=self._patience(settings.read_seconds),
            trust_env=False,
            follow_redirects=False,
        )
        self._breaker = Breaker()
        self._fails_to_start = False
        self._away_since: float | None = None

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

    def room(self, places: int) -> int:
        """How many of them may be given work: none while it rests, one for a probe."""
        return 0 if self._breaker.resting(self._clock.now_ms()) else self._breaker.room(places)

    @property
    def is_abandoned(self) -> bool:
        since = self._away_since
        return since is not None and self._monotonic() - since >= self._settings.abandon_seconds

    async def ask(
        self,
        method: str,
        path: str,
        read: Callable[[bytes], _Answer],
        *,
        seconds: float | None = None,
        most: int = LARGEST_ANSWER,
        absent: Collection[int] = (),
        **options: Any,
    ) -> _Answer:
        """`read` raises ValueError for what it does not understand; `seconds` and `most` bytes are for the whole answer. A status
        of `absent` is an empty one.

        Raises ServiceUnavailable where nobody answers, or not in words that we know; Conflict, ConfigInvalid, InvalidRequest.
        """
        async with self._heard(path):
            seconds = seconds or self._settings.read_seconds
            return read(await self._answer(method, path, seconds, most, absent, options))

    async def read(self, path: str, **options: Any) -> AsyncIterator[bytes]:
        async with self._heard(path), self._client.stream("GET", path, **options) as answer:
            await self._require_good(answer)
            async for chunk in answer.aiter_bytes():
                yield chunk

    async def _answer(
        self, method: str, path: str, seconds: float, most: int, absent: Collection[int], options: dict[str, Any]
    ) -> bytes:
        """One that trickles must hold nobody up either."""
        if "content" in options:
            options["headers"] = {**options.get("headers", {}), "Content-Type": "application/json"}
        options["timeout"] = self._patience(seconds)
        async with asyncio.timeout(seconds + self._settings.connect_seconds):
            async with self._client.stream(method, path, **options) as answer:
                if answer.status_code in absent:
                    return b""
                await self._require_good(answer)
                return await _whole(answer, most)

    def _patience(self, seconds: float) -> httpx.Timeout:
        return httpx.Timeout(seconds, connect=self._settings.connect_seconds)

    @asynccontextmanager
    async def _heard(self, path: str) -> AsyncGenerator[None]:
        """Count what fails for want of an answer; a refusal is one."""
        if self._breaker.resting(self._clock.now_ms()):
            raise self._away("it is left alone for a while")
        try:
            yield
        except EyebrightError:  # it has answered, though not with what was asked for
            self._succeeded(path)
            raise
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            self._breaker = self._breaker.failed(self._clock.now_ms())
            self._fails_to_start = self._fails_to_start or path == START
            self._away_since = self._monotonic() if self._away_since is None else self._away_since
            raise self._failure(error) from error
        self._succeeded(path)

    def _succeeded(self, path: str) -> None:
        """That it is healthy does not make up for starts that fail."""
        self._away_since = None
        if path == START or not self._fails_to_start:
            self._breaker, self._fails_to_start = self._breaker.succeeded(), False

    async def _require_good(self, answer: httpx.Response) -> None:
        """Raises HTTPError for what no training service says, such as the page of a proxy in front of it."""
        if answer.is_success:
            return
        content = await _whole(answer, LARGEST_FOREIGN)
        try:
            problem = ProblemDetails.model_validate_json(content)
        except ValidationError:
            raise self._refusal_of_another(answer, content) from None
        raise self._refusal(problem.status, problem.detail)

    def _refusal_of_another(self, answer: httpx.Response, content: bytes) -> Exception:
        """One that fails at it, but for being busy, does not answer for us."""
        status = answer.status_code
        try:
            detail = str(_Refusal.model_validate_json(content).detail)[:_LONGEST_WORD]
        except ValidationError:
            return httpx.HTTPStatusError(f"it answers HTTP {status}", request=answer.request, response=answer)
        if status in _BUSY:
            return self._refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            said = f"it answers HTTP {status}: {detail}"
            return httpx.HTTPStatusError(said, request=answer.request, response=answer)
        refusal = self._refusal(status, detail)
        return ConfigInvalid(refusal.message) if status in _UNFIT else refusal

    def _refusal(self, status: int, detail: str) -> EyebrightError:
        said = f"the service {self._settings.name!r} at {self._settings.url} says: {detail}"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # all its places are taken, mostly
            return ServiceUnavailable(said, wait_seconds=self._settings.busy_seconds)
        return Conflict(said) if status == HTTPStatus.CONFLICT else InvalidRequest(said)

    def _failure(self, error: Exception) -> ServiceUnavailable:
        service = f"the service {self._settings.name!r} at {self._settings.url}"
        if isinstance(error, httpx.HTTPStatusError):
            return self._unavailable(f"{service} fails: {error}. Its own log may say why")
        if isinstance(error, ValueError):
            return self._unavailable(f"{service} does not answer as a training service does; is the address right?")
        return self._away(f"{type(error).__name__}: {error}".rstrip(": "))

    def _away(self, why: str) -> ServiceUnavailable:
        return self._unavailable(
            f"the service {self._settings.name!r} at {self._settings.url} cannot be reached: {why}. Is it running, and is the "
            "address in EYEBRIGHT_SERVICES__URLS right?"
        )

    def _unavailable(self, message: str) -> ServiceUnavailable:
        wait = (self._breaker.open_until_ms - self._clock.now_ms()) / 1000
        return ServiceUnavailable(message, wait_seconds=max(wait, 1.0))


async def _whole(answer: httpx.Response, most: int) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > most:
            raise httpx.DecodingError(f"its answer is longer than {most >> 20} MiB", request=answer.request)
    return bytes(content)
