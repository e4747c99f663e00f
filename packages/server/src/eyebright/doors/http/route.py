"""The routes of the native API: bodies are read strictly, and a query that nobody would read is refused."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Depends, Request
from starlette.responses import Response

from eyebright.core.misfit import misfit
from eyebright.doors.guests import still_welcome
from eyebright.doors.roles import ROLES
from eyebright.doors.strict import StrictRoute


class NativeRoute(StrictRoute):
    """For `APIRouter(route_class=NativeRoute)`. Endpoints name each parameter of their query; none hides in a dependency."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        changes = options.get("operation_id") in ROLES and set(options.get("methods") or ()) - {"GET", "HEAD"}
        asked = [Depends(still_welcome)] if changes else []
        super().__init__(path, endpoint, **{**options, "dependencies": [*asked, *(options.get("dependencies") or ())]})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = frozenset(field.alias for field in self.dependant.query_params)

        async def heedful(request: Request) -> Response:
            if unknown := [name for name in request.query_params if name not in known]:
                raise misfit(({"type": "extra_forbidden", "loc": ("query", name)} for name in unknown), known)
            return await handle(request)

        return heedful
