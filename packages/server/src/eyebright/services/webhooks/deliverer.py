"""Carries deliveries to their receivers, each until it is taken or given up, and none at the cost of another endpoint.

What is under way is known to this process alone, and what came of it is written afterwards: killed in between, it is sent again
with the same webhook-id.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from eyebright.core.breaker import Breaker
from eyebright.core.redelivery import next_wait_seconds, retry_after_seconds, waits
from eyebright.core.webhook import Delivery, Endpoint, address
from eyebright.errors import Conflict, NotFound
from eyebright.ports.clock import Clock
from eyebright.ports.webhooks import Answer, Sender, WebhookStore
from eyebright.services.signal import Signal
from eyebright.services.webhooks.dialects import Dialect
from eyebright.services.webhooks.signature import signed
from eyebright_wire.webhooks import DeliveryStatus, WebhookEvent

log = structlog.stdlib.get_logger(__name__)

GONE = 410
#: Look for what is due at least so often.
LONGEST_REST_SECONDS = 5.0
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`at_once` requests altogether and `at_once_each` to one endpoint; one that only fails for `give_up_ms` is disabled."""

    at_once: int = 256
    at_once_each: int = 4
    give_up_ms: int = 5 * _DAY_MS


@dataclass(frozen=True, slots=True)
class _Tried:
    delivery: Delivery
    endpoint: Endpoint
    answer: Answer
    at_ms: int


class Deliverer:
    def __init__(
        self,
        store: WebhookStore,
        sender: Sender,
        dialects: Mapping[str, Dialect],
        clock: Clock,
        wake: Signal,
        limits: Limits = Limits(),
    ) -> None:
        self._store = store
        self._sender = sender
        self._dialects = dialects
        self._clock = clock
        self._wake = wake
        self._limits = limits
        self._flying: dict[tuple[str, str], asyncio.Task[None]] = {}  # by lane, until its outcome is stored
        self._landed: list[_Tried] = []
        self._breakers: dict[str, Breaker] = {}

    async def tick(self) -> None:
        """Note what has come back, and send what is due."""
        await self._note()
        now_ms = self._clock.now_ms()
        known = await self._store.endpoints()
        endpoints = {endpoint.id: endpoint for endpoint in known if endpoint.enabled}
        under_way = Counter(endpoint_id for endpoint_id, _ in self._flying)
        room = {each: self._room(each, under_way[each], now_ms) for each in endpoints}
        free = self._limits.at_once - len(self._flying)
        if free <= 0 or not any(count > 0 for count in room.values()):
            return
        full = [each.id for each in known if room.get(each.id, 0) <= 0]
        # Those under way are still due, so that many more are asked for.
        found = await self._store.due(
            now_ms, each=2 * self._limits.at_once_each, limit=free + len(self._flying), skip=full
        )
        for delivery in [each for each in found if each.lane not in self._flying]:
            endpoint = endpoints.get(delivery.endpoint_id)
            if endpoint and room[endpoint.id] > 0 and free > 0:
                room[endpoint.id], free = room[endpoint.id] - 1, free - 1
                self._flying[delivery.lane] = asyncio.create_task(self._try(delivery, endpoint))

    async def rest(self, until_ms: int | None = None) -> None:
        """Until something has come back, something new is there, or something comes due; not longer than `until_ms`."""
        now_ms = self._clock.now_ms()
        opening: list[int] = [breaker.open_until_ms for breaker in self._breakers.values() if breaker.resting(now_ms)]
        due = await self._store.next_at_ms(now_ms)
        latest = now_ms + int(1000 * LONGEST_REST_SECONDS)
        latest = latest if until_ms is None else min(latest, max(now_ms, until_ms))
        soonest: int = min(latest, latest if due is None else due, *opening)
        await self._wake.wait((soonest - now_ms) / 1000)

    async def settle(self) -> None:
        """Until nothing is under way, and what came of it is stored."""
        while self._flying:
            await asyncio.gather(*self._flying.values(), return_exceptions=True)
            await self._note()

    async def close(self) -> None:
        """What is under way is broken off, and sent again by the next server."""
        tasks = list(self._flying.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sender.close()

    async def test(self, endpoint_id: str) -> Delivery:
        """Send `webhook.test` now, once, to an endpoint that is disabled too. Raises NotFound, or Conflict if its
        dialect has no such word."""
        endpoint = await self._store.endpoint(endpoint_id)
        dialect = self._dialects.get(endpoint.dialect)
        outgoing = dialect.trial(endpoint, self._clock.now_ms()) if dialect else None
        if outgoing is None:
            raise Conflict(
                f"webhook {endpoint_id} speaks {endpoint.dialect}, which has no word for a test; "
                f"`eyebright webhooks deliveries {endpoint_id}` shows what became of what was told"
            )
        now_ms, new_id = self._clock.now_ms(), self._clock.new_id("msg")
        delivery = Delivery(
            id=new_id,
            endpoint_id=endpoint.id,
            subject=new_id,
            version=0,
            event=WebhookEvent.WEBHOOK_TEST,
            outgoing=outgoing,
            next_at_ms=now_ms,
            created_at_ms=now_ms,
        )
        tried = _Tried(delivery, endpoint, await self._send(delivery, endpoint), self._clock.now_ms())
        done = _taken(tried) if tried.answer.taken else _given_up(tried, tried.answer.problem or _status(tried.answer))
        await self._store.add([done])
        return done

    def forgive(self, endpoint_id: str) -> None:
        """Whatever it was that failed there has changed: try again at once."""
        self._breakers.pop(endpoint_id, None)
        self._wake.set()

    def _room(self, endpoint_id: str, under_way: int, now_ms: int) -> int:
        breaker = self._breakers.get(endpoint_id, Breaker())
        return 0 if breaker.resting(now_ms) else breaker.room(self._limits.at_once_each) - under_way

    async def _try(self, delivery: Delivery, endpoint: Endpoint) -> None:
        answer = await self._send(delivery, endpoint)
        tried = _Tried(delivery, endpoint, answer, self._clock.now_ms())
        self._breakers[endpoint.id] = self._judged(tried)
        self._landed.append(tried)
        self._wake.set()

    async def _send(self, delivery: Delivery, endpoint: Endpoint) -> Answer:
        outgoing, now_ms = delivery.outgoing, self._clock.now_ms()
        dialect = self._dialects.get(endpoint.dialect)
        own = {**outgoing.headers, **(dialect.headers if dialect else {})}
        headers = {**own, **signed(delivery.id, now_ms, outgoing.body, endpoint.secrets(now_ms))}
        url = address(endpoint, outgoing)
        try:
            return await self._sender.send(outgoing.method, url, headers, outgoing.body)
        except Exception as error:  # not of the network: the sender answers those
            log.exception("a delivery could not be sent", delivery=delivery.id, webhook=endpoint.id)
            return Answer(problem=f"{type(error).__name__} inside this server; its log says more")

    def _judged(self, tried: _Tried) -> Breaker:
        before = self._breakers.get(tried.endpoint.id, Breaker())
        if tried.answer.taken:
            return before.succeeded()
        asked = retry_after_seconds(tried.answer.retry_after, tried.at_ms) or 0.0
        return before.failed(tried.at_ms, int(1000 * asked))

    async def _note(self) -> None:
        """Group the outcomes into one commit. If that fails they stay to be noted, and nothing is sent twice meanwhile."""
        landed = list(self._landed)
        if not landed:
            return
        await self._store.mark([self._outcome(tried) for tried in landed])
        del self._landed[: len(landed)]
        for tried in landed:
            self._flying.pop(tried.delivery.lane, None)
        await self._judge_endpoints(landed)

    def _outcome(self, tried: _Tried) -> Delivery:
        if tried.answer.taken:
            return _taken(tried)
        reason = tried.answer.problem or _status(tried.answer)
        tries = tried.delivery.attempts + 1
        asked = retry_after_seconds(tried.answer.retry_after, tried.at_ms)
        dialect = self._dialects.get(tried.endpoint.dialect)
        schedule = waits(dialect.first_waits_seconds if dialect else ())
        wait = next_wait_seconds(schedule, tries, tried.delivery.id, asked)
        if wait is None:
            return _given_up(tried, f"given up after {tries} tries; the last one: {reason}")
        return replace(_noted(tried, reason), next_at_ms=tried.at_ms + int(1000 * wait))

    async def _judge_endpoints(self, landed: list[_Tried]) -> None:
        known = {endpoint.id: endpoint for endpoint in await self._store.endpoints()}
        for endpoint_id in {tried.endpoint.id for tried in landed}:
            endpoint = known.get(endpoint_id)
            if endpoint is None:
                self._breakers.pop(endpoint_id, None)  # deleted meanwhile
                continue
            # What another address answered, before it was changed, says nothing.
            theirs = [
                tried for tried in landed if tried.endpoint.id == endpoint_id and tried.endpoint.url == endpoint.url
            ]
            if theirs:
                with suppress(NotFound):  # deleted this moment
                    await self._judge_endpoint(endpoint, theirs)

    async def _judge_endpoint(self, endpoint: Endpoint, landed: list[_Tried]) -> None:
        """Remember since when it only fails; disable one that is gone, or has failed for too long."""
        last = landed[-1]
        if any(tried.answer.taken for tried in landed):
            if endpoint.failing_since_ms is not None:
                await self._store.change_endpoint(endpoint.id, {"failing_since_ms": None})
            return
        since = endpoint.failing_since_ms
        if any(tried.answer.status == GONE for tried in landed):
            await self._disable(endpoint, "the receiver answered 410 Gone", last.at_ms)
        elif since is None:
            await self._store.change_endpoint(endpoint.id, {"failing_since_ms": landed[0].at_ms})
        elif last.at_ms - since >= self._limits.give_up_ms:
            days = self._limits.give_up_ms / _DAY_MS
            reason = (
                f"every delivery of {days:g} days failed; the last one: {last.answer.problem or _status(last.answer)}"
            )
            await self._disable(endpoint, reason, last.at_ms)

    async def _disable(self, endpoint: Endpoint, reason: str, now_ms: int) -> None:
        if endpoint.enabled:
            log.warning("webhook disabled", webhook=endpoint.id, reason=reason)
            await self._store.disable_endpoint(endpoint.id, reason, now_ms)


def _status(answer: Answer) -> str:
    status = answer.status or 0
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed; give the address where it ends"
    return f"answered {status}, expected 2xx"


def _noted(tried: _Tried, reason: str) -> Delivery:
    delivery = tried.delivery
    return replace(
        delivery, attempts=delivery.attempts + 1, tried_at_ms=tried.at_ms, answer=tried.answer.status, reason=reason
    )


def _taken(tried: _Tried) -> Delivery:
    return replace(_noted(tried, ""), status=DeliveryStatus.DELIVERED, ended_at_ms=tried.at_ms)


def _given_up(tried: _Tried, reason: str) -> Delivery:
    return replace(_noted(tried, reason), status=DeliveryStatus.DEAD, ended_at_ms=tried.at_ms)
