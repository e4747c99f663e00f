"""Receivers of webhooks that answer as they are told, and the services around them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eyebright.core.webhook import Delivery
from eyebright.errors import InvalidRequest
from eyebright.ports.webhooks import Answer, DeliveryQuery
from eyebright.services.webhooks.deliverer import Deliverer, Limits
from eyebright.services.webhooks.deliveries import Deliveries
from eyebright.services.webhooks.dialects import Standard
from eyebright.services.webhooks.endpoints import Endpoints
from eyebright.services.webhooks.telling import Telling
from eyebright_wire.webhooks import WebhookCreate, WebhookSecret
from harness.platform import Platform


@dataclass(frozen=True)
class Sent:
    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    at_ms: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return self.told["type"]


class ScriptedSender:
    """Keeps what was sent; `answers` says what each URL answers, 200 where it says nothing."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.sent: list[Sent] = []
        self.answers: dict[str, Answer | list[Answer]] = {}

    def check(self, url: str) -> None:
        if "private" in url:
            raise InvalidRequest("url: private")

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.sent.append(Sent(method, url, dict(headers), body, self._clock.now_ms()))
        answer = self.answers.get(url, Answer(200))
        return answer.pop(0) if isinstance(answer, list) else answer

    async def close(self) -> None:
        pass


class Webhooks:
    """A platform whose relay tells webhooks. `restart` forgets what only the process knew."""

    def __init__(self, platform: Platform, **limits: int) -> None:
        self.platform = platform
        self.clock = platform.clock
        self.store = platform.database.webhooks
        self.sender = ScriptedSender(self.clock)
        self.dialects: dict[str, Any] = {"standard": Standard()}
        self.limits = Limits(**limits)
        self.restart()

    def restart(self) -> None:
        database, wake = self.platform.database, self.platform.announcer.webhooks
        self.deliverer = Deliverer(self.store, self.sender, self.dialects, self.clock, wake, self.limits)
        self.deliveries = Deliveries(self.store, self.deliverer, self.clock, wake)
        self.endpoints = Endpoints(self.store, self.sender, self.dialects, self.clock, changed=self.deliverer.forgive)
        self.telling = Telling(
            self.store, database.jobs, database.datasets, database.models, self.dialects, self.clock, wake
        )
        self.platform.subscribers["webhooks"] = self.telling
        self.platform.restart()

    async def create(self, url: str = "https://one.example/h", **fields: Any) -> WebhookSecret:
        return await self.endpoints.create(WebhookCreate(url=url, **fields))

    async def turn(self, rounds: int = 12) -> None:
        """Until everything that is due now has been told and sent."""
        for _ in range(rounds):
            await self.platform.relay.tick()
            await self.telling.flush()
            await self.deliverer.tick()
            await self.deliverer.settle()

    async def all(self, **query: Any) -> list[Delivery]:
        """Oldest first."""
        return list(reversed(await self.store.find(DeliveryQuery(**{"limit": 500, **query}))))

    def types(self, url: str | None = None) -> list[str]:
        return [sent.type for sent in self.sender.sent if url in (None, sent.url)]
