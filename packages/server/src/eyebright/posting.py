"""Sends webhooks, under the egress rules: the connected address is checked, no redirect is followed."""

import asyncio
from collections.abc import Mapping
from functools import cached_property

import httpx

from eyebright.errors import InvalidRequest
from eyebright.ports.webhooks import Answer
from eyebright_kit.egress import AnswerTooLarge, EgressDenied, EgressRules, async_client, require_callable

#: What a receiver says beside its status is read so far, to use the connection again, and then forgotten.
_READ_BYTES = 64 * 1024
_READ_SECONDS = 1.0
_LONGEST_PROBLEM = 300


class EgressSender:
    """Sender."""

    def __init__(self, rules: EgressRules, *, timeout_seconds: float, at_once: int) -> None:
        self._rules = rules
        self._timeout_seconds = timeout_seconds
        self._at_once = at_once

    def check(self, url: str) -> None:
        try:
            require_callable(url, self._rules)
        except EgressDenied as error:
            raise InvalidRequest(f"url: {error}") from None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(method, url, headers, body)
        except TimeoutError:
            return Answer(problem=f"no answer within {self._timeout_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, EgressDenied, OSError, UnicodeError) as error:
            return Answer(problem=_in_words(error))

    async def close(self) -> None:
        if "_client" in self.__dict__:
            await self._client.aclose()

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        """Made when somebody is to be told: to read the certificates takes some 30 ms."""
        return async_client(self._rules, max_bytes=_READ_BYTES, connections=self._at_once)

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        async with self._client.stream(method, url, headers=dict(headers), content=body) as response:
            await _drain(response)
            return Answer(response.status_code, retry_after=response.headers.get("retry-after"))


async def _drain(response: httpx.Response) -> None:
    """The status has been said; whatever becomes of the rest changes nothing."""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for _ in response.aiter_raw():
                pass
    except (TimeoutError, httpx.HTTPError, AnswerTooLarge):
        return


def _in_words(error: Exception) -> str:
    said = str(error) or type(error).__name__
    return said if len(said) <= _LONGEST_PROBLEM else f"{said[:_LONGEST_PROBLEM]}…"
