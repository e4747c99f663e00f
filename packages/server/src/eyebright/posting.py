"""Sends webhooks, under the egress rules: the connected address is checked, no redirect is followed."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Literal
from urllib.parse import urlsplit

import httpx

from eyebright.errors import InvalidRequest
from eyebright.fetching import egress_rules
from eyebright.ports.webhooks import Answer, Sender
from eyebright.services.webhooks import training_server
from eyebright.settings import Settings, WebhookSettings
from eyebright_kit.egress import AnswerTooLarge, EgressDenied, EgressRules, async_client, require_callable

_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
#: What a receiver says beside its status is read so far, to use the connection again, and then forgotten.
_READ_BYTES = 64 * 1024
_READ_SECONDS = 1.0
_LONGEST_PROBLEM = 300
#: For each request httpcore looks at every connection of the pool: many small pools cost less than one that serves all.
_POOLS = 256


def sender(settings: Settings) -> Sender:
    """As the settings say: whom a stranger named is called under the egress rules."""
    guarded, theirs = egress_rules(settings.egress), settings.training_server
    if theirs.backend_url is None:
        return _egress_sender(guarded, settings.webhooks)
    backend = _egress_sender(_rules_for(theirs.backend_url, guarded), settings.webhooks)
    return BackendSender(theirs.backend_url, theirs.token, backend, others=_egress_sender(guarded, settings.webhooks))


def _egress_sender(rules: EgressRules, settings: WebhookSettings) -> "EgressSender":
    return EgressSender(rules, timeout_seconds=settings.timeout_seconds, at_once=settings.at_once)


def _rules_for(url: str, others: EgressRules) -> EgressRules:
    """To call a server that the operator named himself: by its scheme and port, in whatever network it is."""
    parts = urlsplit(url)
    scheme: Literal["https", "http"] = "https" if parts.scheme == "https" else "http"
    port = parts.port or {"https": 443, "http": 80}[scheme]
    return replace(others, schemes=(scheme,), ports=(port,), allow=_ANYWHERE)


class EgressSender:
    """Sender."""

    def __init__(self, rules: EgressRules, *, timeout_seconds: float, at_once: int) -> None:
        self._rules = rules
        self._timeout_seconds = timeout_seconds
        self._at_once = at_once
        self._clients: dict[int, httpx.AsyncClient] = {}

    def check(self, url: str) -> None:
        try:
            require_callable(url, self._rules)
        except EgressDenied as error:
            raise InvalidRequest(f"url: {error}") from None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_seconds) as patience:
                return await self._exchange(method, url, headers, body, patience)
        except TimeoutError:
            return Answer(problem=f"no answer within {self._timeout_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, EgressDenied, OSError, UnicodeError) as error:
            return Answer(problem=_in_words(error))

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    def _client(self, url: str) -> httpx.AsyncClient:
        """Always the same for an address, so that its connections are used again."""
        number = hash(url) % _POOLS
        if number not in self._clients:
            self._clients[number] = async_client(self._rules, max_bytes=_READ_BYTES, connections=self._at_once)
        return self._clients[number]

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, patience: asyncio.Timeout
    ) -> Answer:
        async with self._client(url).stream(method, url, headers=dict(headers), content=body) as response:
            patience.reschedule(None)  # it has answered, however long it goes on talking
            await _drain(response)
            return Answer(response.status_code, retry_after=response.headers.get("retry-after"))


class BackendSender:
    """Sender. The address that the operator's own settings name is called with its token, wherever it lies; all others are not.

    So a backend in a private network opens that network to nobody else's addresses.
    """

    def __init__(self, url: str, token: str | None, backend: Sender, *, others: Sender) -> None:
        self._urls = {url, *(f"{url}{training_server.PATH}/{verb}" for verb in training_server.VERBS)}
        self._credentials = {"Authorization": f"Bearer {token}"} if token else {}
        self._backend = backend
        self._others = others

    def check(self, url: str) -> None:
        (self._backend if url in self._urls else self._others).check(url)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if url in self._urls:
            return await self._backend.send(method, url, {**headers, **self._credentials}, body)
        return await self._others.send(method, url, headers, body)

    async def close(self) -> None:
        await self._backend.close()
        await self._others.close()


async def _drain(response: httpx.Response) -> None:
    """The status has been said; whatever becomes of the rest changes nothing."""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for _ in response.aiter_raw():
                pass
    except (TimeoutError, httpx.HTTPError, AnswerTooLarge):
        return


def _in_words(error: Exception) -> str:
    """In what every database takes: a receiver may have chosen the words."""
    said = "".join(letter if letter.isprintable() else "?" for letter in str(error)) or type(error).__name__
    return said if len(said) <= _LONGEST_PROBLEM else f"{said[:_LONGEST_PROBLEM]}…"
