"""Who may call a service: closed unless opened.

It must be called by one of its own names, else a page that re-bound its DNS name to this address could speak to it; no page may
call it at all; and where it has a token, that must be there for everything but /health.
"""

import hmac
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from eyebright_kit.service.options import WILDCARDS, ServiceOptions
from eyebright_kit.service.problems import Refused

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_PUBLIC = frozenset({"/health"})


class Gate:
    """ASGI middleware that lets only HTTP pass, and only by these rules."""

    def __init__(self, app: ASGIApp, options: ServiceOptions) -> None:
        self._app = app
        self._token = options.token
        self._names = _own_names(options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        try:
            self._check(scope["path"], Headers(scope=scope))
        except Refused as error:
            return await error.answer()(scope, receive, send)
        return await self._app(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        name = _without_port(headers.get("host", "")).lower()
        if self._names is not None and name not in self._names:
            raise Refused(
                403, "forbidden", f"this service is not called {name!r}; if it should be, start it with --name"
            )
        if "origin" in headers:
            raise Refused(403, "forbidden", "pages in a browser may not call a training service")
        if self._token is not None and path not in _PUBLIC:
            self._check_token(headers)

    def _check_token(self, headers: Headers) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), (self._token or "").encode()):
            raise Refused(
                401,
                "unauthenticated",
                "this service's token is needed: send `Authorization: Bearer <token>`",
                {"WWW-Authenticate": "Bearer"},
            )


def _own_names(options: ServiceOptions) -> Collection[str] | None:
    """None: any, for one that listens everywhere and was told no name. The token guards it."""
    if options.host in WILDCARDS and not options.names:
        return None
    host = f"[{options.host}]" if ":" in options.host else options.host
    return frozenset(name.lower() for name in (*_LOOPBACK, host, *options.names))


def _without_port(host: str) -> str:
    return host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]
