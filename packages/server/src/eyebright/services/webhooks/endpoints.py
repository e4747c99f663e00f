"""Who is told: made, changed, rotated, disabled and deleted by the API, or declared by the settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eyebright.core.resolve import nearest
from eyebright.core.scope import current_project
from eyebright.core.webhook import ROTATION_MS, Endpoint
from eyebright.errors import Conflict, InvalidRequest
from eyebright.ports.clock import Clock
from eyebright.ports.webhooks import Sender, WebhookStore
from eyebright.services.webhooks.dialects import Dialect
from eyebright.services.webhooks.signature import new_secret
from eyebright_wire.webhooks import WebhookCreate, WebhookSecret, WebhookUpdate, WebhookView

UNDECLARED = "the settings of this server declare it no longer"
BY_HAND = "disabled by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An endpoint of the settings. `name` is its identity: its id is `whe_<name>`."""

    name: str
    url: str
    secret: str | None = field(default=None, repr=False)  # None: it is not signed
    events: tuple[str, ...] = ("*",)
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    dialect: str = "standard"
    progress_seconds: float | None = None


class Endpoints:
    def __init__(
        self,
        store: WebhookStore,
        sender: Sender,
        dialects: Mapping[str, Dialect],
        clock: Clock,
        *,
        changed: Callable[[str], None] = lambda endpoint_id: None,
    ) -> None:
        """`changed` hears of each endpoint that may be tried at once from now on."""
        self._store = store
        self._sender = sender
        self._dialects = dialects
        self._clock = clock
        self._changed = changed

    async def create(self, order: WebhookCreate) -> WebhookSecret:
        """The only time, beside a rotation, that the secret is shown. Raises InvalidRequest for an address that may not be
        called and for an unknown dialect."""
        if order.dialect not in self._dialects:
            raise InvalidRequest(f"there is no dialect {order.dialect!r}.{nearest(order.dialect, self._dialects)}")
        self._sender.check(order.url)
        endpoint = Endpoint(
            id=self._clock.new_id("whe"),
            project=current_project(),
            secret=new_secret(self._clock),
            created_at_ms=self._clock.now_ms(),
            **dict(order),
        )
        await self._store.add_endpoint(endpoint)
        return self._with_secret(endpoint)

    async def list(self) -> tuple[WebhookView, ...]:
        return tuple(self._view(endpoint) for endpoint in await self._store.endpoints())

    async def get(self, endpoint_id: str) -> WebhookView:
        return self._view(await self._store.endpoint(endpoint_id))

    async def update(self, endpoint_id: str, order: WebhookUpdate) -> WebhookView:
        """Raises NotFound, InvalidRequest as `create` does, and Conflict for a managed one, which can only be enabled, after
        it was disabled for failing."""
        changes = order.model_dump(exclude_unset=True, exclude={"enabled"})
        if changes:
            await self._changeable(endpoint_id, "change it there")
            await self._change(endpoint_id, changes)
        if order.enabled is False:
            await self._changeable(endpoint_id, "take it out there to have nobody told")
        if order.enabled is not None:
            await self._enable(endpoint_id, order.enabled)
        self._changed(endpoint_id)
        return await self.get(endpoint_id)

    async def delete(self, endpoint_id: str) -> None:
        """With its deliveries. Raises NotFound, or Conflict for a managed one."""
        await self._changeable(endpoint_id, "take it out there")
        await self._store.delete_endpoint(endpoint_id)

    async def rotate(self, endpoint_id: str) -> WebhookSecret:
        """A new secret; for a day the old one is signed with, too. Raises NotFound, or Conflict for a managed one."""
        endpoint = await self._changeable(endpoint_id, "rotate it there")
        rotated = {
            "secret": new_secret(self._clock),
            "previous_secret": endpoint.secret,
            "previous_until_ms": self._clock.now_ms() + ROTATION_MS,
        }
        return self._with_secret(await self._store.change_endpoint(endpoint_id, rotated))

    async def declare(self, declared: Sequence[Declared]) -> None:
        """At the start: what the settings say now. One that they no longer say is disabled, and its deliveries stay."""
        known = {endpoint.id: endpoint for endpoint in await self._store.endpoints() if endpoint.managed}
        for each in declared:
            self._sender.check(each.url)
            endpoint = self._declared(each)
            await self._store.declare_endpoint(endpoint)
            await self._tell_again(endpoint, known.pop(endpoint.id, None))
        for endpoint in known.values():
            if endpoint.enabled:
                await self._store.disable_endpoint(endpoint.id, UNDECLARED, self._clock.now_ms())

    def _declared(self, each: Declared) -> Endpoint:
        return Endpoint(
            id=f"whe_{each.name}",
            project=current_project(),
            url=each.url,
            secret=each.secret or "",
            events=each.events,
            description=each.description,
            labels=dict(each.labels),
            dialect=each.dialect,
            progress_seconds=each.progress_seconds,
            managed=True,
            created_at_ms=self._clock.now_ms(),
        )

    async def _tell_again(self, endpoint: Endpoint, known: Endpoint | None) -> None:
        """One that was off, if what it was off for is over: the settings said it no longer, or what failed was at another
        address."""
        if known and (known.url != endpoint.url or known.disabled_reason == UNDECLARED):
            anew = {"enabled": True, "disabled_reason": "", "failing_since_ms": None}
            await self._store.change_endpoint(known.id, anew)

    async def _changeable(self, endpoint_id: str, advice: str) -> Endpoint:
        endpoint = await self._store.endpoint(endpoint_id)
        if endpoint.managed:
            raise Conflict(f"webhook {endpoint_id} is declared by the settings of this server; {advice}")
        return endpoint

    async def _change(self, endpoint_id: str, changes: dict[str, Any]) -> None:
        """`null` for anything but progress_seconds means: as it is."""
        changes = {name: value for name, value in changes.items() if value is not None or name == "progress_seconds"}
        if "url" in changes:
            self._sender.check(changes["url"])
        if changes:
            await self._store.change_endpoint(endpoint_id, changes)

    async def _enable(self, endpoint_id: str, enabled: bool) -> None:
        if enabled:
            clean = {"enabled": True, "disabled_reason": "", "failing_since_ms": None}
            await self._store.change_endpoint(endpoint_id, clean)
        else:
            await self._store.disable_endpoint(endpoint_id, BY_HAND, self._clock.now_ms())

    def _view(self, endpoint: Endpoint) -> WebhookView:
        return WebhookView(**self._told(endpoint))

    def _with_secret(self, endpoint: Endpoint) -> WebhookSecret:
        until = endpoint.previous_until_ms or None
        return WebhookSecret(**self._told(endpoint), secret=endpoint.secret, previous_until_ms=until)

    def _told(self, endpoint: Endpoint) -> dict[str, Any]:
        told = {name: getattr(endpoint, name) for name in WebhookView.model_fields}
        return told | {"progress_seconds": progress_seconds(endpoint, self._dialects)}


def progress_seconds(endpoint: Endpoint, dialects: Mapping[str, Dialect]) -> float:
    """Least time between two job.progress of one job: the endpoint's own, else its dialect's."""
    if endpoint.progress_seconds is not None:
        return endpoint.progress_seconds
    dialect = dialects.get(endpoint.dialect)
    return dialect.progress_interval_seconds if dialect else 0.0
