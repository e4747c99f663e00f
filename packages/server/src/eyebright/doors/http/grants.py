"""Where trainers ask for signed URLs, when what they read and write lies in a bucket."""

import re
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from eyebright.core.misfit import misfit
from eyebright.doors.door import Verbs
from eyebright.doors.http.paths import API
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.http.sender import PARAMETERS, sender_of
from eyebright.doors.problems import refusals
from eyebright_wire.artifacts import UrlsAnswer, UrlsRequest

router = APIRouter(prefix=API, tags=["ingest"], route_class=NativeRoute)

#: The token of one attempt opens this too.
JOB_PATHS = (re.compile(rf"{API}/jobs/[^/]+/attempts/[^/]+/urls"),)
_BODY: dict[str, Any] = {"$ref": f"#/components/schemas/{UrlsRequest.__name__}"}


@router.post(
    "/jobs/{job_id}/attempts/{attempt}/urls",
    operation_id="sign_urls",
    summary="Ask for signed URLs (trainers)",
    responses=refusals(409, 413, 503),
    openapi_extra={
        "parameters": list(PARAMETERS),
        "requestBody": {
            "required": True,
            "description": "Files below one of the attempt's grants",
            "content": {"application/json": {"schema": _BODY}},
        },
        "security": [{"attempt": []}],
    },
)
async def sign_urls(request: Request, verbs: Verbs) -> UrlsAnswer:
    """Only while the attempt runs, and only for what its order grants. 409 `fenced` means that it is over. A file that is to be
    written is named with its size and sha256; the URL takes no other content where the store can tell."""
    try:
        wanted = UrlsRequest.model_validate_json(await request.body())
    except ValidationError as error:
        raise misfit(error.errors()) from None
    return await verbs.grants.sign(*sender_of(request), wanted)
