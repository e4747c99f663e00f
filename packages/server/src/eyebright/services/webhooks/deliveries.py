"""What was sent, what waits and what was given up; and to send it again."""

from dataclasses import replace

from eyebright.core.webhook import Delivery
from eyebright.errors import Conflict, NotFound
from eyebright.ports.clock import Clock
from eyebright.ports.webhooks import DeliveryQuery, WebhookStore
from eyebright.services.signal import Signal
from eyebright.services.webhooks.deliverer import Deliverer
from eyebright_wire.resources import Page
from eyebright_wire.webhooks import DeliveryStatus, DeliveryView, ReplayReport, WebhookEvent

DELIVERED_KEPT_SECONDS = 7 * 86_400.0
DEAD_KEPT_SECONDS = 30 * 86_400.0
#: What was said of progress is soon of no use, and of a long training it is much.
PROGRESS_KEPT_SECONDS = 3600.0


class Deliveries:
    def __init__(
        self,
        store: WebhookStore,
        deliverer: Deliverer,
        clock: Clock,
        wake: Signal,
        *,
        delivered_kept_seconds: float = DELIVERED_KEPT_SECONDS,
        dead_kept_seconds: float = DEAD_KEPT_SECONDS,
    ) -> None:
        self._store = store
        self._deliverer = deliverer
        self._clock = clock
        self._wake = wake
        self._delivered_kept_ms = int(1000 * delivered_kept_seconds)
        self._dead_kept_ms = int(1000 * dead_kept_seconds)

    async def list(self, query: DeliveryQuery) -> Page[DeliveryView]:
        """Newest first. Raises NotFound for an unknown endpoint."""
        if query.endpoint_id is not None:
            await self._store.endpoint(query.endpoint_id)
        found = await self._store.find(replace(query, limit=query.limit + 1))
        page = found[: query.limit]
        more = page[-1].id if len(found) > query.limit else None
        return Page[DeliveryView](items=tuple(map(delivery_view, page)), next=more)

    async def test(self, endpoint_id: str) -> DeliveryView:
        """`webhook.test`, sent once and now; what came of it. Raises NotFound, or Conflict if its dialect knows no test."""
        return delivery_view(await self._deliverer.test(endpoint_id))

    async def replay(self, endpoint_id: str, delivery_id: str) -> DeliveryView:
        """Send one again, the same bytes under the same id; one that still waits is tried at once. Raises NotFound, or Conflict
        while the endpoint is disabled."""
        await self._enabled(endpoint_id)
        found = await self._store.delivery(delivery_id)
        if found.endpoint_id != endpoint_id:
            raise NotFound(f"webhook {endpoint_id} has no delivery {delivery_id}")
        replayed = await self._store.replay(delivery_id, self._clock.now_ms())
        self._deliverer.forgive(endpoint_id)
        return delivery_view(replayed)

    async def replay_dead(self, endpoint_id: str, since_ms: int) -> ReplayReport:
        """All that were given up, of those created since. Raises as `replay` does."""
        await self._enabled(endpoint_id)
        count = await self._store.replay_dead(endpoint_id, since_ms, self._clock.now_ms())
        self._deliverer.forgive(endpoint_id)
        return ReplayReport(replayed=count)

    async def expire(self) -> None:
        """Forget what ended long ago."""
        now_ms = self._clock.now_ms()
        await self._store.forget(
            delivered_before_ms=now_ms - self._delivered_kept_ms,
            dead_before_ms=now_ms - self._dead_kept_ms,
            progress_before_ms=now_ms - int(1000 * PROGRESS_KEPT_SECONDS),
        )

    async def _enabled(self, endpoint_id: str) -> None:
        if not (await self._store.endpoint(endpoint_id)).enabled:
            raise Conflict(f"webhook {endpoint_id} is disabled; `eyebright webhooks enable {endpoint_id}` first")


def delivery_view(delivery: Delivery) -> DeliveryView:
    pending = delivery.status is DeliveryStatus.PENDING
    return DeliveryView(
        id=delivery.id,
        webhook_id=delivery.endpoint_id,
        event=delivery.event,
        job_id=None if delivery.event == WebhookEvent.WEBHOOK_TEST else delivery.subject,
        version=delivery.version,
        status=delivery.status,
        attempts=delivery.attempts,
        answer=delivery.answer,
        reason=delivery.reason,
        next_at_ms=delivery.next_at_ms if pending else None,
        tried_at_ms=delivery.tried_at_ms,
        created_at_ms=delivery.created_at_ms,
    )
