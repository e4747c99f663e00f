"""A data set in one form, streamed to where objects are kept."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from eyebright.core.misfit import misfit
from eyebright.doors.compat.vision_platform.bodies import Uploaded, UploadWords
from eyebright.doors.door import Given
from eyebright.doors.problems import refusals
from eyebright.doors.streaming import FileBody, announced_size, counted, drained
from eyebright.doors.strict import StrictRoute
from eyebright.services.kept_uploads import Said

router = APIRouter(prefix="/datasets", tags=["vision platform"], route_class=StrictRoute)

_TEXT = {"type": "string"}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {"type": "string", "format": "binary", "description": "The zip"},
            "user_id": _TEXT,
            "dataset_name": _TEXT,
        },
    }
}


@router.post(
    "/upload",
    operation_id="platform_upload",
    summary="Upload the zip of a data set",
    responses=refusals(400, 404, 413, 503, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The zip and its two names, in any order; the names may be in the query instead",
            "content": {"multipart/form-data": _FORM},
        }
    },
)
async def upload(
    request: Request,
    given: Given,
    user_id: Annotated[str | None, Query()] = None,
    dataset_name: Annotated[str | None, Query()] = None,
) -> Uploaded:
    """It is kept as it came until somebody trains on it. Names are told and never become paths."""
    query = {"user_id": user_id, "dataset_name": dataset_name}
    limit = given.settings.uploads.archive_bytes
    async with drained(request):
        announced_size(request, limit)
        body = FileBody(request)
        blocks = counted(body.blocks(), limit)
        taken = await given.services.kept_uploads.take(blocks, lambda: _said({**_named(query), **body.fields}))
    return Uploaded(s3_uri=taken.uri, size=taken.size_bytes)


def _named(query: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}


def _said(words: dict[str, str]) -> Said:
    try:
        found = UploadWords.model_validate(words)
    except ValidationError as error:
        raise misfit(error.errors(), UploadWords.model_fields) from None
    return Said(found.user_id, found.dataset_name)
