"""Which attempt sends a request, by its path and its token."""

import re

from fastapi import Request
from starlette.datastructures import Headers

from eyebright.doors.gate import bearer
from eyebright.errors import InvalidRequest, Unauthenticated

#: Few enough digits for any database; Python itself refuses to read some thousands.
_ATTEMPT = re.compile(r"[1-9][0-9]{0,8}")

#: How the document calls them.
PARAMETERS = (
    {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}},
    {"name": "attempt", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}},
)


def sender_of(request: Request) -> tuple[str, int, str]:
    """(job, attempt, token). Whether the token is that attempt's is for the service to say."""
    token = bearer(Headers(scope=request.scope))
    attempt = request.path_params["attempt"]
    if token is None:
        raise Unauthenticated
    if not _ATTEMPT.fullmatch(attempt):
        raise InvalidRequest(f"attempt: {attempt[:20]!r} is not a number from 1 on")
    return request.path_params["job_id"], int(attempt), token
