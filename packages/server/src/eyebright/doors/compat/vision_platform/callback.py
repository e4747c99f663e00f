"""Where training services report, by the address that each was started with: `…/{id}/callback?attempt=1&key=…`."""

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from eyebright.core.misfit import misfit
from eyebright.core.platform_id import job_id_of
from eyebright.doors.compat.vision_platform.paths import PREFIX, PlatformJobId
from eyebright.doors.door import Given
from eyebright.doors.gate import secret_of
from eyebright.doors.problems import refusals
from eyebright.errors import InvalidRequest
from eyebright_wire.callbacks import CallbackAnswer, TrainingUpdate

router = APIRouter(prefix=PREFIX, tags=["vision platform"])

KEYED_PATHS = (re.compile(rf"{PREFIX}/[^/]+/callback"),)
_MOST = 2**53


@router.post(
    "/{job_id}/callback",
    operation_id="platform_callback",
    summary="Report how a training stands (training services)",
    response_model_exclude_none=True,
    responses=refusals(404, 409, 413),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "How it stands",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/TrainingUpdate"}}},
        },
        "security": [{"operator": []}, {"attempt": []}, {"key": []}],
    },
)
async def callback(
    job_id: PlatformJobId,
    request: Request,
    given: Given,
    attempt: Annotated[int | None, Query(ge=1, le=_MOST, description="Which one speaks; default: the current")] = None,
) -> CallbackAnswer:
    """Said again, or overtaken by the end, it changes nothing and is no error. 409 `fenced`: the attempt is over, or has said
    another last word; 409 `gap` and `event_conflict` are for those who number their events."""
    update = _read(await request.body())
    about = await given.services.platform_jobs.training_of(job_id)
    if update.job_id is not None and job_id_of(update.job_id) not in (about, job_id_of(job_id)):
        raise InvalidRequest(f"the address is job {job_id}'s, and the body says job {update.job_id!r:.200}")
    ack = await given.services.ingest.tell(about, attempt, secret_of(request.scope), update)
    _count(given, update)
    return CallbackAnswer(acked=ack.acked, cancel=ack.cancel) if update.numbered else CallbackAnswer()


def _read(body: bytes) -> TrainingUpdate:
    """By pydantic's own parser: a loss that is no number is left out, where stricter ones refuse all that stands beside it."""
    try:
        return TrainingUpdate.model_validate_json(body)
    except ValidationError as error:
        raise misfit(error.errors(), TrainingUpdate.model_fields) from None


def _count(given: Given, update: TrainingUpdate) -> None:
    given.instruments.events.inc(len(update.events or ()))
    given.instruments.heartbeats.inc(update.heartbeat is not None)
