"""The socket that the server answers on, and the uvicorn behind it."""

import errno
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from eyebright.errors import Conflict, InvalidRequest, Unavailable

#: What "every address" is called by a process of this machine.
_NEAR = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared with, never bound
GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75  # longer than trainers pause between two heartbeats, so that they keep their connection


class Listener:
    """A bound address; port 0 has become a real one by now."""

    def __init__(self, host: str, port: int) -> None:
        """Raises Conflict when the port is taken, Unavailable when it may not be used, InvalidRequest for no such address."""
        self.host = host
        self.socket = _bind(host, port)
        self.port: int = self.socket.getsockname()[1]
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """How processes of this machine reach it."""
        host = _NEAR.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def serve(
        self,
        app: Any,
        *,
        ready: Callable[[], None],
        asked_to_leave: Callable[[], bool],
        access_log: bool,
        drain_seconds: float = 0,
    ) -> None:
        """Until a signal, or `leave`. Requests under way get some seconds to end.

        `asked_to_leave` tells whether a signal came before this could hear it; then nothing is served at all. For
        `drain_seconds` after a signal everything is answered as before, but no connection is kept; a second one ends that.
        """
        config = uvicorn.Config(
            self._farewell(app),
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=access_log,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Server(config, ready, asked_to_leave, drain_seconds)
        await self._server.serve(sockets=[self.socket])

    @property
    def leaving(self) -> bool:
        """A signal has come; soon nothing will be answered."""
        return self._server is not None and self._server.leaving

    def leave(self) -> None:
        """As after a signal."""
        if self._server is not None:
            self._server.should_exit = True

    def close(self) -> None:
        self.socket.close()

    def _farewell(self, app: Any) -> Any:
        """While we leave, whoever asks is told to connect anew for the next question: to another server, by then."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            async def sent(message: Any) -> None:
                if self.leaving and message["type"] == "http.response.start":
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
                await send(message)

            await app(scope, receive, sent)

        return answer


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        asked_to_leave: Callable[[], bool],
        drain_seconds: float,
    ) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._leaves_at: float | None = None
        self._ready = ready
        self._asked_to_leave = asked_to_leave

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Only notes it, as signal handlers should; `on_tick` sees it within a tenth of a second."""
        if self._drain_seconds and self._leaves_at is None:
            self._captured_signals.append(sig)
            self._leaves_at = time.monotonic() + self._drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        over = self._leaves_at is not None and time.monotonic() >= self._leaves_at
        return await super().on_tick(counter) or over

    @property
    def leaving(self) -> bool:
        return self._leaves_at is not None or self.should_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Looks only now, with its own handlers in place: no signal falls between the two."""
        if self._asked_to_leave():
            self.should_exit = True
            return
        await super().startup(sockets)
        if self.started:
            self._ready()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(
        socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
    )  # a restart must not wait for old connections to fade
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise _unavailable(host, port, error) from error
    listening.set_inheritable(False)  # a trainer that outlives the server must not hold its port
    return listening


def _unavailable(host: str, port: int, error: OSError) -> Exception:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"port {port} on {host} is taken. Stop what listens there, or choose another one: "
            "`eyebright serve --port 8766`, or `--port 0` for any free one (EYEBRIGHT_PORT)"
        )
    if error.errno == errno.EACCES:
        return Unavailable(f"port {port} may only be used by the administrator; choose one above 1023 (EYEBRIGHT_PORT)")
    return InvalidRequest(f"cannot listen on {host!r}: {error}. Give an address of this machine (EYEBRIGHT_HOST)")
