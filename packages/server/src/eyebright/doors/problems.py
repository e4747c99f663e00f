"""Refusals as problem+json (RFC 9457): one shape for our own errors, for requests that don't validate and for unknown routes."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from inspect import isclass
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from eyebright.core.misfit import fields_of, misfit
from eyebright.errors import EventConflict, EventGap, EyebrightError, StorageFull, TooManyRequests, is_full
from eyebright.telemetry import Instruments
from eyebright_wire.resources import ProblemDetails
from eyebright_wire.taxonomy import TAXONOMY

log = structlog.stdlib.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Of what the framework itself refuses.
FRAMEWORK = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_ALWAYS = (401, 403, 422)


def install(app: FastAPI) -> None:
    """Answer every failure of the app this way."""
    handlers: dict[type[Exception], Any] = {
        EyebrightError: _on_refusal,
        RequestValidationError: _on_invalid,
        HTTPException: _on_http,
        ClientDisconnect: _on_gone,
        OSError: _on_system,
        Exception: _on_bug,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def answer(error: EyebrightError) -> Response:
    expected = error.expected if isinstance(error, EventGap) else None
    headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
    if isinstance(error, TooManyRequests) and error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return render(error.status, error.code, error.message, errors=error.errors, expected=expected, headers=headers)


def render(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[dict[str, Any]] = (),
    expected: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    kind = TAXONOMY[code]
    problem = ProblemDetails(
        title=_title(status),
        status=status,
        detail=detail,
        code=code,
        retryable=kind.retryable,
        remedy=kind.remedy,
        errors=tuple(errors),
        expected=expected,
    )
    return Response(problem.model_dump_json(), status, headers, MEDIA_TYPE)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that may refuse with these statuses; those that every endpoint has come by themselves."""
    reference = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": _title(status), "content": {MEDIA_TYPE: {"schema": reference}}}
        for status in sorted({*_ALWAYS, *statuses})
    }


def _title(status: int) -> str:
    """By RFC 9110; Python before 3.13 has older names for two of them."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(status) or HTTPStatus(status).phrase


async def _on_refusal(request: Request, error: EyebrightError) -> Response:
    if isinstance(error, EventConflict):
        _alarm(request, error)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, StorageFull):
        # Of a full disk the loops tell once; every trainer asks again several times a second.
        log.warning("refused", code=error.code, detail=error.message)
    return answer(error)


def _alarm(request: Request, error: EventConflict) -> None:
    """Two processes speak for one attempt, or one forgot what it said: fences and spools exist so that this never happens."""
    instruments: Instruments = request.app.state.context.instruments
    instruments.event_conflicts.inc()
    log.error("two different events with one number", path=request.url.path, detail=error.message)


async def _on_invalid(request: Request, error: RequestValidationError) -> Response:
    return answer(misfit(error.errors(), _fields(request)))


def _fields(request: Request) -> Collection[str]:
    """Of the body that the route takes."""
    body = getattr(request.scope.get("route"), "body_field", None)
    model = body and body.field_info.annotation
    return _fields_of(model) if isclass(model) and issubclass(model, BaseModel) else ()


@cache
def _fields_of(model: type[BaseModel]) -> Collection[str]:
    return fields_of(model.model_json_schema())


async def _on_http(request: Request, error: HTTPException) -> Response:
    """What the framework itself refuses."""
    code = FRAMEWORK.get(error.status_code, "invalid_request")
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path}; GET /openapi.json lists every path"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods(request))
        detail = f"{request.method} is not possible at {request.url.path}; it takes {allowed}"
        return render(error.status_code, code, detail, headers={"Allow": allowed})
    return render(error.status_code, code, detail, headers=error.headers)


def _methods(request: Request) -> list[str]:
    """Of all routes at this path; the framework itself only names those of the first."""
    found: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return sorted(found)


async def _on_gone(_request: Request, _error: Exception) -> Response:
    """The caller hung up while sending; nobody reads this."""
    return render(HTTPStatus.BAD_REQUEST, "invalid_request", "the connection ended before the request did")


async def _on_system(request: Request, error: OSError) -> Response:
    if is_full(error):
        return answer(StorageFull())
    return await _on_bug(request, error)


async def _on_bug(request: Request, error: Exception) -> Response:
    """The caller learns nothing of our insides; the log does."""
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return answer(EyebrightError())
