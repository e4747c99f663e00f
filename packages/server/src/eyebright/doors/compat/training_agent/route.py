"""Refusals in the words of a Training Agent: 400, 404 and 500, each with `success`, `model_url` and `error`."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.responses import Response

from eyebright.core.misfit import misfit
from eyebright.doors.compat.training_agent.bodies import TrainingRequest, TrainingResponse
from eyebright.doors.strict import StrictRoute
from eyebright.errors import Conflict, EyebrightError, InvalidRequest, NotFound, TooManyRequests, TrainingFailed

log = structlog.stdlib.get_logger(__name__)

_STATUS = {
    InvalidRequest: HTTPStatus.BAD_REQUEST,
    Conflict: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": TrainingResponse, "description": "No project's id, not to be trained, or nothing to train by"},
    404: {"model": TrainingResponse, "description": "There is no such project, data set or object"},
    500: {"model": TrainingResponse, "description": "The database, the store or the training has failed"},
}


class AgentRoute(StrictRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return _refusal(misfit(error.errors(), TrainingRequest.model_fields))
            except EyebrightError as error:
                return _refusal(error)

        return answered


def _refusal(error: EyebrightError) -> Response:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), None)
    if status is None:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        reason = {"reason": error.reason} if isinstance(error, TrainingFailed) else {}
        log.warning("a project's training was not carried out", code=error.code, **reason, detail=error.message)
    seconds = error.retry_after_seconds if isinstance(error, TooManyRequests) else None
    headers = None if seconds is None else {"Retry-After": str(seconds)}
    body = TrainingResponse(success=False, error=error.message)
    return JSONResponse(body.model_dump(), status, headers)
