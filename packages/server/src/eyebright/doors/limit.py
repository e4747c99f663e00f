"""No body is larger than the server is ready to hold, unless the endpoint says that it counts for itself."""

from http import HTTPStatus

from fastapi import HTTPException, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY = "eyebright.body"


class BodyLimit:
    """ASGI middleware. The framework's own answers in plain text, whatever the handlers make of it."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        body = scope[_KEY] = _Body(receive, self._limit, Headers(scope=scope).get("content-length", "0"))
        return await self._app(scope, body.receive, send)


def lift(request: Request) -> None:
    """This endpoint does not keep the body in memory, or has a limit of its own. To be called before reading."""
    request.scope[_KEY].limit = None


class _Body:
    def __init__(self, receive: Receive, limit: int, announced: str) -> None:
        self.limit: int | None = limit
        self._receive = receive
        self._size = 0
        self._announced = int(announced) if announced.isascii() and announced.isdigit() else 0

    async def receive(self) -> Message:
        """Raises HTTPException, the only one that FastAPI passes on while it reads a body."""
        self._check(self._announced)
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._check(self._size)
        return message

    def _check(self, size: int) -> None:
        if self.limit is not None and size > self.limit:
            detail = f"the body is larger than {self.limit} bytes; see EYEBRIGHT_UPLOADS__JSON_BYTES"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
