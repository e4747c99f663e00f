"""Who may come in: outside of every route and mount, closed unless opened.

And whose things are meant: within that project, or within all of them, everything behind the gate happens.

Three questions, in this order. Is the server called by one of its own names (else a page that re-bound its DNS name to this
address could speak to it)? Does a browser's request come from a page that may call us? Is the operator's token there, or, for
an agent's door, one that was made of it, or a team's, which opens what its role in its project does, if need be as the cookie of
a login?

Whatever is meant to change something is noted in the audit log, whoever with a name called and whatever came of it. What the
trainers say is not: each has a token of its own, and its events are their own log.

A program that can call an address and nothing else carries its token there, as `key=`. Only a few paths are opened so, and the
key goes no further than this: it is taken out of the request before anything else sees it, access logs and errors included.
"""

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import unquote_plus, urlsplit

from starlette.datastructures import Headers
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eyebright.core import agent_token
from eyebright.core.access import AuditEntry, Caller, is_teams
from eyebright.core.agent_token import Persona
from eyebright.core.scope import DEFAULT_PROJECT, EVERYTHING, project_id, within
from eyebright.core.scope import Scope as ProjectScope
from eyebright.doors import problems
from eyebright.doors.roles import HEADER, Guest, guest_at, operation_of
from eyebright.doors.sessions import session_token
from eyebright.errors import EyebrightError, Forbidden, InvalidRequest, TooManyRequests, Unauthenticated, no_project
from eyebright.services.access import Access
from eyebright.services.audit import Audit, entry_id
from eyebright_wire.access import Actor
from eyebright_wire.model import noted

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, never bound
_PERSONA, _SECRET, _GUEST = "eyebright.persona", "eyebright.secret", "eyebright.guest"
KEY = "key"


async def _whenever(_project: str) -> None:
    """Where nobody counts."""


async def _only_default(name: str) -> bool:
    return name == DEFAULT_PROJECT


#: What changes nothing, and is in no audit log.
_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
_WENT_AWAY = 499


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who calls. `actor` None: everybody, or a job or a stranger whom the service behind has yet to ask."""

    actor: Actor | None = None
    token_id: str | None = None
    persona: Persona | None = None
    caller: Caller | None = None
    project: str | None = None  # which is meant, once that is known
    by_page: bool = False  # it has shown a session's cookie
    guest: Guest | None = None  # once it is settled what the caller may do here


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`public` paths need no token; those that match `job_paths` carry one that the service behind them checks, and those that
    match `keyed_paths` the operator's, or one that the service checks, if need be in the address; `agent_paths` are open to
    agents' tokens too, but for those whose ids are `revoked`. Tokens of teams are those that `access` knows. On `project_paths`
    the operator says in a header which project is meant, if one of that name `exists`; anywhere else it is the one that is always
    there. `require_turn` refuses tokens of a project that ask too often. `secure`: pages reach the server by https alone."""

    token: str
    public: Collection[str]
    job_paths: Sequence[re.Pattern[str]]
    hosts: Collection[str]
    now_ms: Callable[[], int]
    access: Access | None = None
    keyed_paths: Sequence[re.Pattern[str]] = ()
    origins: Collection[str] = ()
    agent_paths: Collection[str] = ()
    revoked: Collection[str] = ()
    project_paths: Sequence[re.Pattern[str]] = ()
    exists: Callable[[str], Awaitable[bool]] = _only_default
    require_turn: Callable[[str], Awaitable[None]] = _whenever
    secure: bool = False

    async def visitor(self, path: str, headers: Headers, key: str | None = None) -> Visitor:
        """Raises Forbidden or Unauthenticated.

        `key` is what the address of a keyed path carries; it goes before a bearer token, which may be some proxy's.
        """
        host = headers.get("host", "")
        self._check_host(host)
        self._check_origin(headers.get("origin"), host)
        if path in self.public or key:
            return Visitor()
        shown = bearer(headers)
        return (
            await self._holder(path, shown) if shown else await self._page(session_token(headers, secure=self.secure))
        )

    async def meant(self, path: str, headers: Headers, guest: Guest | None, secret: str | None) -> ProjectScope | None:
        """Whose things a request that may come in is about. None on public paths, which are nobody's. `secret`: what a stranger
        has shown on a keyed path. Raises InvalidRequest or NotFound."""
        if path in self.public:
            return None
        if guest is not None:
            return ProjectScope(guest.project)
        if secret is not None or _matches(path, self.job_paths):
            return EVERYTHING  # the service behind them checks that the token is that job's
        return ProjectScope(await self._project(path, headers.get(HEADER, DEFAULT_PROJECT)))

    async def _project(self, path: str, name: str) -> str:
        if name == DEFAULT_PROJECT:
            return name
        if not _matches(path, self.project_paths):
            raise InvalidRequest(f"{path} is for the project {DEFAULT_PROJECT} alone; leave {HEADER} out")
        if not await self.exists(project_id(name)):
            raise no_project(name)
        return name

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

    async def _holder(self, path: str, token: str | None) -> Visitor:
        if token is None:
            raise Unauthenticated
        if agent_token.read(token) is not None:
            return self._agent(path, token)
        if is_teams(token):
            return await self._team(token)
        if self.is_operators(token) and not _matches(path, self.job_paths):
            return Visitor(actor=Actor.OPERATOR)
        if _matches(path, self.job_paths) or _matches(path, self.keyed_paths):
            return Visitor()
        raise Unauthenticated("this is not the operator's token; it is in the file `token` of the data folder")

    async def _page(self, session: str | None) -> Visitor:
        """A browser, which sends its cookie whoever has made it call: `Gate` asks more of it."""
        if session is None:
            raise Unauthenticated
        return replace(await self._team(session), by_page=True)

    def _agent(self, path: str, token: str) -> Visitor:
        if path not in self.agent_paths:
            raise Forbidden("this token is an agent's: it opens the door for agents and nothing else")
        known = agent_token.verified(token, self.token, self.now_ms() // 1000)
        if known.id in self.revoked:
            raise Unauthenticated(f"this agent's token ({known.id}) was revoked by EYEBRIGHT_MCP__REVOKED")
        return Visitor(actor=Actor.AGENT, token_id=known.id, persona=known.persona)

    async def _team(self, token: str) -> Visitor:
        if self.access is None:
            raise Unauthenticated("this server takes no tokens of teams")
        caller = await self.access.caller(token)
        return Visitor(actor=Actor.TOKEN, token_id=caller.token_id, caller=caller)


class Gate:
    """ASGI middleware that lets only HTTP pass, and only by the rules."""

    def __init__(
        self, app: ASGIApp, rules: Rules, routes: Sequence[BaseRoute] = (), audit: Audit | None = None
    ) -> None:
        """`routes`: of the whole application, in its own order."""
        self._app = app
        self._rules = rules
        self._routes = routes
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        keyed, headers = self._rules.is_keyed(scope["path"]), Headers(scope=scope)
        key = _taken_out(scope) if keyed else None
        try:
            visitor = await self._rules.visitor(scope["path"], headers, key)
        except EyebrightError as error:
            return await problems.answer(error)(scope, receive, send)
        if keyed:
            scope[_SECRET] = key or self._strangers(bearer(headers))
        try:
            if visitor.caller is not None:
                visitor = await self._counted(visitor, visitor.caller, headers.get(HEADER))
            visitor = self._settled(scope, visitor, headers)
            meant = await self._rules.meant(scope["path"], headers, visitor.guest, scope.get(_SECRET))
        except TooManyRequests as error:  # noted nowhere: the log would grow with each of them
            return await problems.answer(error)(scope, receive, send)
        except EyebrightError as error:
            return await self._noted(problems.answer(error), visitor, scope, receive, send)
        scope[_PERSONA], scope[_GUEST] = visitor.persona, visitor.guest
        visitor = replace(visitor, project=meant.project if meant else None)
        with within(meant) if meant else nullcontext():
            return await self._noted(self._app, visitor, scope, receive, send)

    async def _counted(self, visitor: Visitor, caller: Caller, named: str | None) -> Visitor:
        """Before anything is judged: what is refused has cost something too."""
        project = named if named in caller.roles else min(caller.roles, default=None)
        if project is not None:
            await self._rules.require_turn(project)
        return replace(visitor, project=project)

    def _settled(self, scope: Scope, visitor: Visitor, headers: Headers) -> Visitor:
        if visitor.by_page and scope["method"] not in _LOOKING and headers.get("origin") is None:
            raise Forbidden("what changes something with a login's cookie says which page asks for it (Origin)")
        if visitor.caller is None:
            return visitor
        return replace(visitor, guest=guest_at(self._routes, scope, visitor.caller, headers.get(HEADER)))

    async def _noted(self, app: ASGIApp, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        if self._audit is None or visitor.actor is None or scope["method"] in _LOOKING:
            return await app(scope, receive, send)
        call = _Call(self._audit, self._rules.now_ms, visitor, scope, self._routes)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), call.header]}
                await call.note(message["status"], Headers(raw=message["headers"]).get("location"))
            await send(message)

        try:
            await app(scope, receive, told)
        except Exception:
            await call.note(HTTPStatus.INTERNAL_SERVER_ERROR, None)  # which is answered further out
            raise
        finally:
            await call.note(_WENT_AWAY, None)

    def _strangers(self, token: str | None) -> str | None:
        return None if token is None or self._rules.is_operators(token) else token


class _Call:
    """One entry of the audit log: written once, before whoever called hears the answer."""

    def __init__(
        self, audit: Audit, now_ms: Callable[[], int], visitor: Visitor, scope: Scope, routes: Sequence[BaseRoute]
    ) -> None:
        self._audit = audit
        self._now_ms = now_ms
        self._visitor = visitor
        self._scope = scope
        self._routes = routes
        self._id = secrets.token_hex(8)
        self._written = False

    @property
    def header(self) -> tuple[bytes, bytes]:
        return b"x-request-id", self._id.encode()

    async def note(self, status: int, location: str | None) -> None:
        if self._written:
            return
        self._written = True
        scope, visitor, now_ms = self._scope, self._visitor, self._now_ms()
        operation = operation_of(self._routes, scope)
        entry = AuditEntry(
            id=entry_id(now_ms, self._id),
            at_ms=now_ms,
            actor=visitor.actor or Actor.OPERATOR,
            token_id=visitor.token_id,
            user_id=visitor.caller.user_id if visitor.caller else None,
            project=visitor.guest.project if visitor.guest else visitor.project,
            method=noted(scope["method"])[:20],
            operation=operation or "",
            resource=noted(location or scope["path"]),
            status=status,
            remote=(scope.get("client") or ("",))[0],
            request_id=self._id,
        )
        await self._audit.note(entry)


def secret_of(scope: Scope) -> str | None:
    """What whoever calls a keyed path has shown, for the service to check; None where it is the operator's own token."""
    return scope[_SECRET]


def persona_of(scope: Scope) -> Persona | None:
    """What the token of an agent's request lets it do; None where the operator calls."""
    return scope[_PERSONA]


def guest_of(scope: Scope) -> Guest | None:
    """Who calls with a team's token; None where the operator does."""
    return scope[_GUEST]


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
