"""The events of a job: a page of them, or, for whoever accepts `text/event-stream`, all of them as they come."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from eyebright.doors.door import Verbs
from eyebright.doors.guests import Caller
from eyebright.doors.http.paths import API, JobId
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright_wire.access import Role
from eyebright_wire.resources import EventView, JobView, Page

router = APIRouter(prefix=API, tags=["jobs"], route_class=NativeRoute)

#: Comment lines in this rhythm keep proxies and clients from giving a quiet stream up.
PING_SECONDS = 15

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page; or a stream: `event: job` with a JobView first and after each change, `event: <kind>` with an "
        "EventView, whose `id` is its position. It ends after the final JobView.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
Position = Annotated[int, Query(ge=0, le=2**53, description="Only events after this position")]
EventLimit = Annotated[int, Query(ge=1, le=1000, description="Events on one page; a stream has no pages")]
LastEventId = Annotated[
    int | None, Header(ge=0, le=2**53, description="Position of the last event seen: a stream goes on from there")
]


@router.get(
    "/jobs/{job_id}/events",
    operation_id="list_events",
    summary="Read or follow a job's events",
    response_model=Page[EventView],
    responses={**_STREAM, **refusals(404)},
)
async def list_events(
    request: Request,
    job_id: JobId,
    verbs: Verbs,
    caller: Caller,
    after: Position = 0,
    limit: EventLimit = 200,
    last_event_id: LastEventId = None,
) -> Page[EventView] | Response:
    if not _wants_stream(request):
        return await verbs.history.events(job_id, after, limit)
    items = verbs.watch.follow(job_id, max(after, last_event_id or 0))
    first = await anext(items)  # an unknown job is refused before the stream begins
    if caller is not None:
        items = _until(items, verbs.access.ended(caller.caller, caller.project, Role.VIEWER))
    return EventSourceResponse(_messages(first, items), ping=PING_SECONDS)


async def _until(
    items: AsyncIterator[JobView | EventView], ended: Coroutine[Any, Any, None]
) -> AsyncIterator[JobView | EventView]:
    """Cut off in the middle, for whoever may listen no longer."""
    ending = asyncio.ensure_future(ended)
    try:
        while True:
            coming = asyncio.ensure_future(_next(items))
            try:
                await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
                if ending.done() or (item := await coming) is None:
                    return
            finally:
                coming.cancel()
            yield item
    finally:
        ending.cancel()


async def _next(items: AsyncIterator[JobView | EventView]) -> JobView | EventView | None:
    return await anext(items, None)


async def _messages(
    first: JobView | EventView, rest: AsyncIterator[JobView | EventView]
) -> AsyncIterator[ServerSentEvent]:
    yield _message(first)
    async for item in rest:
        yield _message(item)


def _message(item: JobView | EventView) -> ServerSentEvent:
    if isinstance(item, JobView):
        return ServerSentEvent(item.model_dump_json(), event="job")
    return ServerSentEvent(item.model_dump_json(), event=item.kind, id=str(item.position))


def _wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")
