"""Where endpoints and deliveries are kept, and who carries a delivery to its receiver."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eyebright.core.webhook import Delivery, Endpoint
from eyebright_wire.webhooks import DeliveryStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryQuery:
    """Filters and keyset paging, newest first; `after` is the id of the last delivery of the page before."""

    endpoint_id: str | None = None
    status: DeliveryStatus | None = None
    event: str | None = None
    job_id: str | None = None
    after: str | None = None
    limit: int = 50


class WebhookStore(Protocol):
    async def add_endpoint(self, endpoint: Endpoint) -> None: ...

    async def declare_endpoint(self, endpoint: Endpoint) -> None:
        """What the settings say of it. Of one that is there the rest stays: since when, enabled or not, and what came of it."""
        ...

    async def endpoints(self) -> Sequence[Endpoint]:
        """All of them, the oldest first."""
        ...

    async def endpoint(self, endpoint_id: str) -> Endpoint:
        """Raises NotFound."""
        ...

    async def change_endpoint(self, endpoint_id: str, changes: Mapping[str, Any]) -> Endpoint:
        """Only these fields; as it is then. Raises NotFound."""
        ...

    async def disable_endpoint(self, endpoint_id: str, reason: str, now_ms: int) -> Endpoint:
        """And give up what is undelivered, for that reason. Raises NotFound."""
        ...

    async def delete_endpoint(self, endpoint_id: str) -> None:
        """With its deliveries. Raises NotFound."""
        ...

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Those that are not stored yet. Each takes the place of undelivered progress before it, newer progress at the time when
        that would have gone out; progress that comes after a later version of its job is dropped."""
        ...

    async def due(self, now_ms: int, *, each: int, limit: int, skip: Collection[str] = ()) -> list[Delivery]:
        """Pending ones whose time has come and that are first in their lane, at most `each` of one endpoint; none of the
        endpoints in `skip`."""
        ...

    async def next_at_ms(self, now_ms: int) -> int | None:
        """When the next pending one comes due that is not due yet."""
        ...

    async def mark(self, tried: Sequence[Delivery]) -> None:
        """What came of tries, in one commit. One that was given up or dropped meanwhile stays so, unless it was delivered."""
        ...

    async def delivery(self, delivery_id: str) -> Delivery:
        """Raises NotFound."""
        ...

    async def find(self, query: DeliveryQuery) -> list[Delivery]: ...

    async def replay(self, delivery_id: str, now_ms: int) -> Delivery:
        """To be sent again, with all tries before it. Raises NotFound."""
        ...

    async def replay_dead(self, endpoint_id: str, since_ms: int, now_ms: int) -> int:
        """All that were given up, of those created since; how many."""
        ...

    async def forget(self, *, delivered_before_ms: int, dead_before_ms: int, progress_before_ms: int) -> int:
        """Remove those that ended before; how many. `progress_before_ms`: of delivered progress."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try: an HTTP status, or the problem that kept one from coming."""

    status: int | None = None
    problem: str = ""
    retry_after: str | None = None  # as the header says it

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Sender(Protocol):
    def check(self, url: str) -> None:
        """Raises InvalidRequest for an address that may not be called, as far as it shows without calling anybody."""
        ...

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request, no redirects. Never raises for what goes wrong on the way."""
        ...

    async def close(self) -> None: ...
