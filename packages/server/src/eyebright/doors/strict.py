"""Routes whose JSON bodies are read strictly: UTF-8 without lone surrogates, no NaN, no Infinity.

Python's own parser lets these pass, and they would break whatever has to store or send them later. A body that is not said to be
JSON is refused for that, and not for what the framework makes of it.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from eyebright.errors import InvalidRequest

_SHOWN = 100


class StrictRequest(Request):
    async def json(self) -> Any:
        """Raises JSONDecodeError, from which the framework makes its refusal."""
        return orjson.loads(await self.body())


class StrictRoute(APIRoute):
    """For `APIRouter(route_class=StrictRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            try:
                return await handle(StrictRequest(request.scope, request.receive))
            except RequestValidationError as error:
                if isinstance(error.body, bytes):  # as it came, because its type is another
                    raise _not_said_to_be_json(request) from None
                raise

        return strict


def _not_said_to_be_json(request: Request) -> InvalidRequest:
    said = request.headers.get("content-type")
    found = f"its Content-Type is {said[:_SHOWN]!r}" if said else "it has no Content-Type"
    message = f"{found}; expected application/json (curl: -H 'Content-Type: application/json')"
    fault = {"field": "body", "message": message, "type": "content_type"}
    return InvalidRequest(f"the body is not said to be JSON: {message}", errors=[fault])
