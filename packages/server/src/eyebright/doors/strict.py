"""Routes whose JSON bodies are read strictly: UTF-8 without lone surrogates, no NaN, no Infinity.

Python's own parser lets these pass, and they would break whatever has to store or send them later.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response


class StrictRequest(Request):
    async def json(self) -> Any:
        """Raises JSONDecodeError, from which the framework makes its refusal."""
        return orjson.loads(await self.body())


class StrictRoute(APIRoute):
    """For `APIRouter(route_class=StrictRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict
