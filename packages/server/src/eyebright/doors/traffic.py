"""What passes through the doors: how long answers take, how many are open, and when somebody last called."""

from collections.abc import Callable
from time import monotonic

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eyebright.telemetry import Instruments

#: Probes are not callers: a monitored server may be idle too.
PROBES = frozenset({"/health", "/ready", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Footfall:
    """When somebody last called; whoever is still inside counts as calling now."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._open = 0
        self._left = now()

    def enter(self) -> None:
        self._open += 1

    def leave(self) -> None:
        self._open -= 1
        self._left = self._now()

    @property
    def quiet_seconds(self) -> float:
        return 0.0 if self._open else self._now() - self._left


class Traffic:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, instruments: Instruments, footfall: Footfall) -> None:
        self._app = app
        self._instruments = instruments
        self._footfall = footfall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"] in PROBES:
            return await self._measured(scope, receive, send)
        self._footfall.enter()
        try:
            return await self._measured(scope, receive, send)
        finally:
            self._footfall.leave()

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = monotonic()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = monotonic() - began
                self._instruments.answered(_method(scope), _route(scope), message["status"], seconds)
            await send(message)

        with self._instruments.streams.track_inprogress():
            await self._app(scope, receive, counted)


def _method(scope: Scope) -> str:
    """Callers may invent methods; a label for each would never end."""
    return scope["method"] if scope["method"] in _METHODS else "(other)"


def _route(scope: Scope) -> str:
    """The pattern, not the path: a label for each job would never end."""
    return getattr(scope.get("route"), "path", "(none)")
