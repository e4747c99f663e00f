"""WebhookStore in memory."""

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from eyebright.core.scope import current
from eyebright.core.webhook import DECLARED, Delivery, Endpoint
from eyebright.errors import GuardViolated, NoScope, no_delivery, no_webhook
from eyebright.ports.webhooks import DeliveryQuery
from eyebright_wire.webhooks import DeliveryStatus


class MemoryWebhooks:
    """WebhookStore."""

    def __init__(self, projects: Container[str]) -> None:
        self._projects = projects
        self._endpoints: dict[str, Endpoint] = {}
        self._deliveries: dict[str, Delivery] = {}

    async def add_endpoint(self, endpoint: Endpoint) -> None:
        self._require_mine(endpoint)
        if endpoint.id in self._endpoints:
            raise GuardViolated(f"there is a webhook {endpoint.id}")
        self._endpoints[endpoint.id] = endpoint

    async def declare_endpoint(self, endpoint: Endpoint) -> None:
        self._require_mine(endpoint)
        known = self._endpoints.get(endpoint.id)
        if known and known.project != endpoint.project:
            return
        said = {name: getattr(endpoint, name) for name in DECLARED}
        self._endpoints[endpoint.id] = replace(known, **said) if known else endpoint

    async def endpoints(self) -> Sequence[Endpoint]:
        scope = current()
        ours = [each for each in self._endpoints.values() if scope.covers(each.project)]
        return sorted(ours, key=lambda each: (each.created_at_ms, each.id))

    async def endpoint(self, endpoint_id: str) -> Endpoint:
        if not self._is_mine(endpoint_id):
            raise no_webhook(endpoint_id)
        return self._endpoints[endpoint_id]

    async def change_endpoint(self, endpoint_id: str, changes: Mapping[str, Any]) -> Endpoint:
        self._endpoints[endpoint_id] = replace(await self.endpoint(endpoint_id), **changes)
        return self._endpoints[endpoint_id]

    async def disable_endpoint(self, endpoint_id: str, reason: str, now_ms: int) -> Endpoint:
        await self.endpoint(endpoint_id)
        for each in self._pending():
            if each.endpoint_id == endpoint_id:
                dead = replace(each, status=DeliveryStatus.DEAD, reason=reason, ended_at_ms=now_ms)
                self._deliveries[each.id] = dead
        return await self.change_endpoint(endpoint_id, {"enabled": False, "disabled_reason": reason})

    async def delete_endpoint(self, endpoint_id: str) -> None:
        await self.endpoint(endpoint_id)
        self._remove(lambda each: each.endpoint_id == endpoint_id)
        del self._endpoints[endpoint_id]

    async def add(self, new: Sequence[Delivery]) -> None:
        scope = current()
        if any(each.endpoint_id not in self._endpoints for each in new):
            raise GuardViolated("a delivery is for an endpoint that is not there")
        if not all(scope.covers(self._endpoints[each.endpoint_id].project) for each in new):
            raise NoScope("a delivery is for another project's webhook")
        reached: defaultdict[tuple[str, str], int] = defaultdict(lambda: -1)
        for each in self._deliveries.values():
            reached[each.lane] = max(reached[each.lane], each.version)
        for each in new:
            self._add(each, reached[each.lane])

    async def due(self, now_ms: int, *, each: int, limit: int, skip: Collection[str] = ()) -> list[Delivery]:
        current()
        ranked: list[tuple[int, int, str, Delivery]] = []
        seen: defaultdict[str, int] = defaultdict(int)
        for found in sorted(self._firsts(), key=lambda delivery: (delivery.next_at_ms, delivery.id)):
            if found.next_at_ms <= now_ms and found.endpoint_id not in skip and self._is_mine(found.endpoint_id):
                seen[found.endpoint_id] += 1
                ranked.append((seen[found.endpoint_id], found.next_at_ms, found.id, found))
        return [found for rank, _, _, found in sorted(ranked, key=lambda one: one[:3]) if rank <= each][:limit]

    async def next_at_ms(self, now_ms: int) -> int | None:
        current()
        ours = (each for each in self._pending() if self._is_mine(each.endpoint_id))
        return min((each.next_at_ms for each in ours if each.next_at_ms > now_ms), default=None)

    async def mark(self, tried: Sequence[Delivery]) -> None:
        current()
        for each in tried:
            known = self._deliveries.get(each.id) if self._is_mine(each.endpoint_id) else None
            delivered = each.status is DeliveryStatus.DELIVERED
            if known and (delivered or known.status is DeliveryStatus.PENDING):
                self._deliveries[each.id] = each

    async def delivery(self, delivery_id: str) -> Delivery:
        found = self._deliveries.get(delivery_id)
        current()
        if found is None or not self._is_mine(found.endpoint_id):
            raise no_delivery(delivery_id)
        return found

    async def find(self, query: DeliveryQuery) -> list[Delivery]:
        current()
        ours = [each for each in self._deliveries.values() if self._is_mine(each.endpoint_id)]
        newest_first = sorted(ours, key=lambda each: each.id, reverse=True)
        return list(islice((each for each in newest_first if _matches(each, query)), query.limit))

    async def replay(self, delivery_id: str, now_ms: int) -> Delivery:
        self._deliveries[delivery_id] = _revived(await self.delivery(delivery_id), now_ms)
        return self._deliveries[delivery_id]

    async def replay_dead(self, endpoint_id: str, since_ms: int, now_ms: int) -> int:
        dead = await self.find(DeliveryQuery(endpoint_id=endpoint_id, status=DeliveryStatus.DEAD, limit=2**62))
        found = [each for each in dead if each.created_at_ms >= since_ms]
        self._deliveries |= {each.id: _revived(each, now_ms) for each in found}
        return len(found)

    async def forget(self, *, delivered_before_ms: int, dead_before_ms: int, progress_before_ms: int) -> int:
        def until_ms(each: Delivery) -> int:
            if each.status is DeliveryStatus.DEAD:
                return dead_before_ms
            return max(delivered_before_ms, progress_before_ms) if each.fleeting else delivered_before_ms

        current()
        ours = [each for each in self._deliveries.values() if self._is_mine(each.endpoint_id)]
        over = {each.id for each in ours if each.ended_at_ms is not None and each.ended_at_ms < until_ms(each)}
        return self._remove(lambda each: each.id in over)

    def _is_mine(self, endpoint_id: str) -> bool:
        scope, known = current(), self._endpoints.get(endpoint_id)
        return known is not None and scope.covers(known.project)

    def _require_mine(self, endpoint: Endpoint) -> None:
        if not current().covers(endpoint.project):
            raise NoScope(f"a webhook of project {endpoint.project} was to be written from within {current().project}")
        if endpoint.project not in self._projects:
            raise GuardViolated(f"there is no project {endpoint.project}")

    def _add(self, delivery: Delivery, reached: int) -> None:
        known = any(each.key == delivery.key for each in self._deliveries.values())
        if known or (delivery.fleeting and delivery.version <= reached):
            return
        waiting = [each.next_at_ms for each in self._pending() if each.lane == delivery.lane and each.fleeting]
        if delivery.fleeting and waiting:
            delivery = replace(delivery, next_at_ms=min(waiting))
        self._deliveries[delivery.id] = delivery
        newest = max(each.version for each in self._deliveries.values() if each.lane == delivery.lane)
        overtaken = {each.id for each in self._pending() if each.lane == delivery.lane and each.version < newest}
        self._remove(lambda each: each.fleeting and each.id in overtaken)

    def _pending(self) -> list[Delivery]:
        return [each for each in self._deliveries.values() if each.status is DeliveryStatus.PENDING]

    def _firsts(self) -> Collection[Delivery]:
        """The first pending one of each lane."""
        lanes: dict[tuple[str, str], Delivery] = {}
        for each in sorted(self._pending(), key=lambda each: (each.version, each.ordinal)):
            lanes.setdefault(each.lane, each)
        return lanes.values()

    def _remove(self, which: Callable[[Delivery], bool]) -> int:
        doomed = [each.id for each in self._deliveries.values() if which(each)]
        for delivery_id in doomed:
            del self._deliveries[delivery_id]
        return len(doomed)


def _matches(delivery: Delivery, query: DeliveryQuery) -> bool:
    return (
        query.endpoint_id in (None, delivery.endpoint_id)
        and query.status in (None, delivery.status)
        and query.event in (None, delivery.event)
        and query.job_id in (None, delivery.subject)
        and (query.after is None or delivery.id < query.after)
    )


def _revived(delivery: Delivery, now_ms: int) -> Delivery:
    return replace(delivery, status=DeliveryStatus.PENDING, attempts=0, next_at_ms=now_ms, ended_at_ms=None, reason="")
