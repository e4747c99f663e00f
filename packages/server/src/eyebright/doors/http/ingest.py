"""Where trainers report. The busiest endpoints by far, so the body goes to pydantic's own parser and nothing else looks at it."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eyebright.core.misfit import misfit
from eyebright.doors.door import context_of
from eyebright.doors.http.paths import API
from eyebright.doors.http.sender import PARAMETERS, sender_of
from eyebright.doors.problems import refusals
from eyebright_wire.events import Ack, EventBatch, Heartbeat


class _Plain(APIRoute):
    """Documented like any other route, but the request goes straight to the endpoint: solving parameters, serialising by the
    response model and unwinding dependencies would cost as much again as everything else that happens to a batch. What the
    endpoint raises is answered by the application, without a second layer for it here."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = _straight(endpoint)


def _straight(endpoint: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await endpoint(Request(scope, receive, send))
        await answer(scope, receive, send)

    return app


router = APIRouter(prefix=API, tags=["ingest"], route_class=_Plain)

_BASE = "/jobs/{job_id}/attempts/{attempt}/events"
#: The token of one attempt opens only these; that it is this attempt's is for the service to say.
JOB_PATHS = (re.compile(rf"{API}/jobs/[^/]+/attempts/[^/]+/events(/heartbeat)?"),)


def _documented(body: type, name: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {
        "parameters": list(PARAMETERS),
        "requestBody": {"required": True, "description": name, "content": {"application/json": {"schema": reference}}},
        "security": [{"attempt": []}],
    }


@router.post(
    _BASE,
    operation_id="post_events",
    summary="Report events (trainers)",
    response_model=Ack,
    responses=refusals(409, 413),
    openapi_extra=_documented(EventBatch, "Contiguous events, oldest first"),
)
async def post_events(request: Request) -> Response:
    """Answers once the events are on disk. 409 `gap` tells in `expected` from where to send again; 409 `fenced` means that
    the attempt is over; 409 `event_conflict` that a number was used for another event. Sending the same again is no error."""
    try:
        batch = EventBatch.model_validate_json(await request.body())
    except ValidationError as error:
        raise misfit(error.errors()) from None
    context = context_of(request)
    ack = await context.services.ingest.accept(*sender_of(request), batch.events)
    context.instruments.events.inc(len(batch.events))
    return _answer(ack)


@router.post(
    f"{_BASE}/heartbeat",
    operation_id="post_heartbeat",
    summary="Report that the attempt lives (trainers)",
    response_model=Ack,
    responses=refusals(409, 413),
    openapi_extra=_documented(Heartbeat, "When, and when training last moved"),
)
async def post_heartbeat(request: Request) -> Response:
    """Renews the lease. `cancel` in the answer asks the trainer to stop."""
    try:
        beat = Heartbeat.model_validate_json(await request.body())
    except ValidationError as error:
        raise misfit(error.errors()) from None
    context = context_of(request)
    ack = await context.services.ingest.beat(*sender_of(request), beat)
    context.instruments.heartbeats.inc()
    return _answer(ack)


def _answer(ack: Ack) -> Response:
    return Response(orjson.dumps({"acked": ack.acked, "cancel": ack.cancel}), media_type="application/json")
