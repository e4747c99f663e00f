"""What a service refuses, as problem+json."""

from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


@dataclass
class Refused(Exception):
    """`detail` says what was found, what was expected and what to do."""

    status: int
    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def answer(self) -> Response:
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        return JSONResponse(body, self.status, self.headers, media_type="application/problem+json")


async def refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.answer()


async def unrouted(request: Request, error: Exception) -> Response:
    """Of a path or a method that there is not."""
    assert isinstance(error, HTTPException)
    detail = f"there is no {request.method} {request.url.path} here; a training service has POST /training/start"
    code = "method_not_allowed" if error.status_code == 405 else "not_found"
    return Refused(error.status_code, code, detail, dict(error.headers or {})).answer()
