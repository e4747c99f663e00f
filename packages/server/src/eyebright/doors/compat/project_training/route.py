"""What is logged of each call of Project Training."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from eyebright.doors.strict import StrictRoute
from eyebright.errors import EyebrightError
from eyebright.services.project_journal import broken, category, invalid

backend = category("app.backend")


class CategorisedRoute(StrictRoute):
    """Each call is logged as `app.backend`, and what is refused or fails as `errors.validation` or `errors.system`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            backend.info("called", operation=self.operation_id)
            try:
                return await handle(request)
            except (RequestValidationError, HTTPException):
                invalid.warning("not understood", operation=self.operation_id)
                raise
            except EyebrightError as error:
                log = broken.error if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else invalid.warning
                log("refused", operation=self.operation_id, code=error.code, message=error.message)
                raise
            except Exception:
                broken.exception("broke", operation=self.operation_id)
                raise

        return told
