"""What a message queue delivers, and the messages that were put aside."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from eyebright.doors.door import Verbs
from eyebright.doors.http.paths import API, AfterParked, Limit
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright_wire.model import Whole
from eyebright_wire.queue import ParkedView, QueueAnswer
from eyebright_wire.resources import Page

router = APIRouter(prefix=f"{API}/queue", tags=["queue"], route_class=NativeRoute)

ParkedId = Annotated[str, Path(description="Such as msg_5f2c…", max_length=200)]
SizeBytes = Annotated[
    Whole | None, Query(description="Of the whole message, where only its beginning is sent because it is too large")
]
_RAW = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


@router.post(
    "/messages",
    operation_id="take_message",
    summary="Take a message as a queue has delivered it",
    responses=refusals(503, 507),
    openapi_extra=_RAW,
)
async def take_message(request: Request, verbs: Verbs, size_bytes: SizeBytes = None) -> QueueAnswer:
    """Once this has answered, what became of the message is committed and it may be acknowledged. The same message again is the
    same job. One that nobody can read is parked; an order that cannot be carried out becomes a job that failed."""
    return await verbs.intake.take(await request.body(), size_bytes)


@router.get("/parked", operation_id="list_parked", summary="List messages that were put aside", responses=refusals())
async def list_parked(verbs: Verbs, after: AfterParked = None, limit: Limit = 50) -> Page[ParkedView]:
    """Newest first."""
    return await verbs.intake.list(after, limit)


@router.get("/parked/{parked_id}", operation_id="get_parked", summary="Show a parked message", responses=refusals(404))
async def get_parked(parked_id: ParkedId, verbs: Verbs) -> ParkedView:
    return await verbs.intake.get(parked_id)


@router.post(
    "/parked/{parked_id}:replay",
    operation_id="replay_parked",
    summary="Take a parked message as if it came now",
    responses=refusals(404, 409, 503),
)
async def replay_parked(parked_id: ParkedId, verbs: Verbs) -> QueueAnswer:
    """It stays parked if it is parked again. One of which only the beginning is kept is refused with 409."""
    return await verbs.intake.replay(parked_id)


@router.delete(
    "/parked/{parked_id}",
    operation_id="discard_parked",
    summary="Forget a parked message",
    status_code=204,
    responses=refusals(404),
)
async def discard_parked(parked_id: ParkedId, verbs: Verbs) -> None:
    await verbs.intake.discard(parked_id)
