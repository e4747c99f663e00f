"""Who may come in: outside of every route and mount, closed unless opened.

Three questions, in this order. Is the server called by one of its own names (else a page that re-bound its DNS name to this
address could speak to it)? Does a browser's request come from a page that may call us? Is the operator's token there, or, for
an agent's door, one that was made of it?

A program that can call an address and nothing else carries its token there, as `key=`. Only a few paths are opened so, and the
key goes no further than this: it is taken out of the request before anything else sees it, access logs and errors included.
"""

import hmac
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from eyebright.core import agent_token
from eyebright.core.agent_token import Persona
from eyebright.doors import problems
from eyebright.errors import EyebrightError, Forbidden, Unauthenticated

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, never bound
_PERSONA, _SECRET = "eyebright.persona", "eyebright.secret"
KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`public` paths need no token; those that match `job_paths` carry one that the service behind them checks, and those that
    match `keyed_paths` the operator's, or one that the service checks, if need be in the address; `agent_paths` are open to
    agents' tokens too, but for those whose ids are `revoked`."""

    token: str
    public: Collection[str]
    job_paths: Sequence[re.Pattern[str]]
    hosts: Collection[str]
    now_ms: Callable[[], int]
    keyed_paths: Sequence[re.Pattern[str]] = ()
    origins: Collection[str] = ()
    agent_paths: Collection[str] = ()
    revoked: Collection[str] = ()

    def check(self, path: str, headers: Headers, key: str | None = None) -> Persona | None:
        """What an agent's token lets it do; None for any other caller. Raises Forbidden or Unauthenticated.

        `key` is what the address of a keyed path carries; it goes before a bearer token, which may be some proxy's.
        """
        host = headers.get("host", "")
        self._check_host(host)
        self._check_origin(headers.get("origin"), host)
        return None if path in self.public or key else self._check_token(path, bearer(headers))

    def is_keyed(self, path: str) -> bool:
        return _matches(path, self.keyed_paths)

    def is_operators(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())

    def _check_host(self, host: str) -> None:
        name = _without_port(host).lower()
        if "*" not in self.hosts and name not in self.hosts:
            raise Forbidden(f"this server is not called {name!r}; if it should be, add it to EYEBRIGHT_ALLOWED_HOSTS")

    def _check_origin(self, origin: str | None, host: str) -> None:
        if origin is None or origin in self.origins or origin.partition("://")[2] == host:
            return
        raise Forbidden(f"pages from {origin} may not call this server; if they should, see EYEBRIGHT_ALLOWED_ORIGINS")

    def _check_token(self, path: str, token: str | None) -> Persona | None:
        if token is None:
            raise Unauthenticated
        if agent_token.read(token) is not None:
            return self._persona(path, token)
        if _matches(path, self.job_paths) or _matches(path, self.keyed_paths):
            return None
        if not self.is_operators(token):
            raise Unauthenticated("this is not the operator's token; it is in the file `token` of the data folder")
        return None

    def _persona(self, path: str, token: str) -> Persona:
        if path not in self.agent_paths:
            raise Forbidden("this token is an agent's: it opens the door for agents and nothing else")
        known = agent_token.verified(token, self.token, self.now_ms() // 1000)
        if known.id in self.revoked:
            raise Unauthenticated(f"this agent's token ({known.id}) was revoked by EYEBRIGHT_MCP__REVOKED")
        return known.persona


class Gate:
    """ASGI middleware that lets only HTTP pass, and only by the rules."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        keyed, headers = self._rules.is_keyed(scope["path"]), Headers(scope=scope)
        key = _taken_out(scope) if keyed else None
        try:
            scope[_PERSONA] = self._rules.check(scope["path"], headers, key)
        except EyebrightError as error:
            return await problems.answer(error)(scope, receive, send)
        if keyed:
            scope[_SECRET] = key or self._strangers(bearer(headers))
        return await self._app(scope, receive, send)

    def _strangers(self, token: str | None) -> str | None:
        return None if token is None or self._rules.is_operators(token) else token


def secret_of(scope: Scope) -> str | None:
    """What whoever calls a keyed path has shown, for the service to check; None where it is the operator's own token."""
    return scope[_SECRET]


def persona_of(scope: Scope) -> Persona | None:
    """What the token of an agent's request lets it do; None where the operator calls."""
    return scope[_PERSONA]


def bearer(headers: Headers) -> str | None:
    """The token of `Authorization: Bearer <token>`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def own_names(host: str, more: Collection[str], public_url: str | None = None) -> frozenset[str]:
    """What a server that listens on `host`, and is reached at `public_url` by others, may be called."""
    listening = () if host in WILDCARDS else (f"[{host}]" if ":" in host else host,)
    public = (_without_port(urlsplit(public_url).netloc),) if public_url else ()
    return frozenset(name.lower() for name in (*LOOPBACK, *listening, *public, *more))


def _taken_out(scope: Scope) -> str | None:
    """The key of the address, which has none afterwards: uvicorn writes its access log from this very scope."""
    parts = scope["query_string"].decode("latin-1").split("&")
    keys = [value for name, _, value in (part.partition("=") for part in parts) if unquote_plus(name) == KEY]
    kept = [part for part in parts if unquote_plus(part.partition("=")[0]) != KEY]
    scope["query_string"] = "&".join(kept).encode("latin-1")
    return unquote_plus(keys[0]) or None if keys else None


def _matches(path: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(path) for pattern in patterns)


def _without_port(host: str) -> str:
    return host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]
