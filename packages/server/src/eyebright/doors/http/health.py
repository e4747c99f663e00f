"""Is it up, can it take work, and what does Prometheus see?"""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response

from eyebright.doors.door import DoorContext, Given
from eyebright.doors.problems import refusals
from eyebright.telemetry import EXPOSITION_TYPE
from eyebright_wire.resources import HealthView

router = APIRouter(tags=["server"])

PUBLIC = frozenset({"/health", "/ready"})
_OPEN: dict[str, Any] = {"security": []}


@router.get("/health", operation_id="get_health", summary="Is the process up?", openapi_extra=_OPEN)
async def get_health(given: Given) -> HealthView:
    return HealthView(status="healthy", version=version("eyebright"), timestamp=_now(given))


@router.get(
    "/ready",
    operation_id="get_ready",
    summary="Can it take work?",
    responses={503: {"model": HealthView, "description": "Not at present; `checks` says why"}},
    openapi_extra=_OPEN,
)
async def get_ready(response: Response, given: Given) -> HealthView:
    """503 while the database can't be reached or one of the loops has stopped."""
    view = await given.health()
    if view.status != "ok":
        response.status_code = 503
    return view.model_copy(update={"timestamp": _now(given)})


@router.get(
    "/metrics",
    operation_id="get_server_metrics",
    summary="Metrics of the server for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals()},
)
async def get_server_metrics(given: Given) -> Response:
    await given.measure()
    return Response(given.instruments.exposition(), media_type=EXPOSITION_TYPE)


def _now(given: DoorContext) -> datetime:
    return datetime.fromtimestamp(given.clock.now_ms() / 1000, UTC)
