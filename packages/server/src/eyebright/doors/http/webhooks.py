"""Outgoing webhooks: who is told, and what became of each delivery."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator

from eyebright.doors.door import Verbs
from eyebright.doors.http.paths import API, Limit
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright.ports.webhooks import DeliveryQuery
from eyebright_wire.resources import Page
from eyebright_wire.webhooks import (
    DeliveryStatus,
    DeliveryView,
    ReplayReport,
    ReplayRequest,
    WebhookCreate,
    WebhookEvent,
    WebhookSecret,
    WebhookUpdate,
    WebhookView,
)

router = APIRouter(prefix=API, tags=["webhooks"], route_class=NativeRoute)

WebhookId = Annotated[str, Path(description="Such as whe_0192f3…", max_length=200)]
DeliveryId = Annotated[str, Path(description="The webhook-id, such as msg_0192f3…", max_length=200)]
Status = Annotated[DeliveryStatus | None, Query(description="Only those; default: all")]
Event = Annotated[WebhookEvent | None, Query(description="Only those; default: all")]
OfJob = Annotated[str | None, Query(max_length=200, description="Only those about this job")]


def _is_delivery(cursor: str) -> str:
    if not cursor.startswith("msg_"):
        raise ValueError(f"{cursor!r} is not the `next` of a page, which begins with msg_")
    return cursor


AfterDelivery = Annotated[
    Annotated[str, AfterValidator(_is_delivery)] | None, Query(max_length=200, description="`next` of the page before")
]


@router.post(
    "/webhooks",
    operation_id="create_webhook",
    summary="Have somebody told",
    status_code=201,
    responses=refusals(),
)
async def create_webhook(order: WebhookCreate, response: Response, verbs: Verbs) -> WebhookSecret:
    """The secret is shown in this answer and never again. The address is checked without calling anybody; `:test` calls."""
    made = await verbs.webhooks.create(order)
    response.headers["Location"] = f"{API}/webhooks/{made.id}"
    return made


@router.get("/webhooks", operation_id="list_webhooks", summary="List webhooks, oldest first", responses=refusals())
async def list_webhooks(verbs: Verbs) -> tuple[WebhookView, ...]:
    return await verbs.webhooks.list()


@router.get("/webhooks/{webhook_id}", operation_id="get_webhook", summary="Show a webhook", responses=refusals(404))
async def get_webhook(webhook_id: WebhookId, verbs: Verbs) -> WebhookView:
    return await verbs.webhooks.get(webhook_id)


@router.patch(
    "/webhooks/{webhook_id}",
    operation_id="update_webhook",
    summary="Change, enable or disable a webhook",
    responses=refusals(404, 409),
)
async def update_webhook(webhook_id: WebhookId, order: WebhookUpdate, verbs: Verbs) -> WebhookView:
    """What the body leaves out stays as it is. One that the server's settings declare can only be enabled, after it
    was disabled for failing."""
    return await verbs.webhooks.update(webhook_id, order)


@router.delete(
    "/webhooks/{webhook_id}",
    operation_id="delete_webhook",
    summary="Delete a webhook and its deliveries",
    status_code=204,
    responses=refusals(404, 409),
)
async def delete_webhook(webhook_id: WebhookId, verbs: Verbs) -> None:
    await verbs.webhooks.delete(webhook_id)


@router.post(
    "/webhooks/{webhook_id}:rotate",
    operation_id="rotate_webhook",
    summary="Give a webhook a new secret",
    responses=refusals(404, 409),
)
async def rotate_webhook(webhook_id: WebhookId, verbs: Verbs) -> WebhookSecret:
    """For 24 hours every delivery is signed with both, so that receivers can change over."""
    return await verbs.webhooks.rotate(webhook_id)


@router.post(
    "/webhooks/{webhook_id}:test",
    operation_id="test_webhook",
    summary="Send webhook.test now",
    responses=refusals(404, 409),
)
async def test_webhook(webhook_id: WebhookId, verbs: Verbs) -> DeliveryView:
    """Sent once, whether it is enabled or not. The answer says what became of it."""
    return await verbs.deliveries.test(webhook_id)


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    operation_id="list_deliveries",
    summary="List a webhook's deliveries, newest first",
    responses=refusals(404),
)
async def list_deliveries(
    webhook_id: WebhookId,
    verbs: Verbs,
    status: Status = None,
    event: Event = None,
    job_id: OfJob = None,
    after: AfterDelivery = None,
    limit: Limit = 50,
) -> Page[DeliveryView]:
    query = DeliveryQuery(endpoint_id=webhook_id, status=status, event=event, job_id=job_id, after=after, limit=limit)
    return await verbs.deliveries.list(query)


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}:replay",
    operation_id="replay_delivery",
    summary="Send a delivery again",
    responses=refusals(404, 409),
)
async def replay_delivery(webhook_id: WebhookId, delivery_id: DeliveryId, verbs: Verbs) -> DeliveryView:
    """The same bytes under the same webhook-id."""
    return await verbs.deliveries.replay(webhook_id, delivery_id)


@router.post(
    "/webhooks/{webhook_id}:replay",
    operation_id="replay_deliveries",
    summary="Send all again that were given up",
    responses=refusals(404, 409),
)
async def replay_deliveries(webhook_id: WebhookId, asked: ReplayRequest, verbs: Verbs) -> ReplayReport:
    return await verbs.deliveries.replay_dead(webhook_id, asked.since_ms)
