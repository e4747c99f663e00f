"""The pages of a login. Between them a signed cookie remembers what was asked, for minutes."""

import hashlib
import hmac
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from eyebright.core.access import AuditEntry, Token, read
from eyebright.doors import problems
from eyebright.doors.door import DoorContext
from eyebright.doors.oidc.paths import CALLBACK, LOGIN, LOGOUT, PREFIX
from eyebright.doors.oidc.provider import Provider
from eyebright.doors.sessions import begin, end, session_token
from eyebright.errors import EyebrightError
from eyebright.services.audit import entry_id
from eyebright.settings import OidcSettings
from eyebright_wire.access import Actor

LOGIN_SECONDS = 600
_NEXT, _STATE_COOKIE = "next", "eyebright_login"


class Pages:
    """Of one server."""

    def __init__(self, context: DoorContext) -> None:
        self._settings: OidcSettings = context.settings.oidc
        self._logins = context.services.logins
        self._audit = context.services.audit
        self._clock = context.clock
        self._public_url = context.settings.public_url
        self._secure = urlsplit(self._public_url or "").scheme == "https"
        self._secret = _secret_of(self._settings)
        self._provider = Provider(self._settings, self._secret)

    def app(self) -> SessionMiddleware:
        routes = [
            Route(LOGIN, self._login),
            Route(CALLBACK, self._callback),
            Route(LOGOUT, self._logout, methods=["POST"]),
        ]
        handlers = {EyebrightError: _refused}
        # Every server of a database has this secret, and whichever is called back can read what another has signed.
        key = hmac.digest(self._secret.encode(), b"eyebright login", hashlib.sha256).hex()
        return SessionMiddleware(
            Starlette(routes=routes, exception_handlers=handlers),  # pyright: ignore[reportArgumentType]
            secret_key=key,
            session_cookie=f"__Secure-{_STATE_COOKIE}" if self._secure else _STATE_COOKIE,
            max_age=LOGIN_SECONDS,
            path=PREFIX,
            https_only=self._secure,
        )

    async def _login(self, request: Request) -> Response:
        request.session.clear()
        request.session[_NEXT] = _own_page(request.query_params.get(_NEXT, "/"))
        return await self._provider.ask(request, f"{self._own_url(request)}{CALLBACK}")

    async def _callback(self, request: Request) -> Response:
        said = await self._provider.heard(request)
        session = await self._logins.begin(said.address, self._settings.session_seconds)
        response = RedirectResponse(_own_page(str(request.session.pop(_NEXT, "/"))), status_code=303)
        request.session.clear()
        await self._note(request, "login", session.token, response)
        begin(response, session.written, self._settings.session_seconds, secure=self._secure)
        return response

    async def _logout(self, request: Request) -> Response:
        claimed = read(session_token(request.headers, secure=self._secure) or "")
        ended = await self._logins.end(*claimed) if claimed else None
        response = Response(status_code=204)
        if ended is not None:
            await self._note(request, "logout", ended, response)
        end(response)
        return response

    async def _note(self, request: Request, operation: str, token: Token, response: Response) -> None:
        """The gate lets these pages pass to whoever comes, and knows nobody by name there."""
        now_ms, call = self._clock.now_ms(), secrets.token_hex(8)
        entry = AuditEntry(
            id=entry_id(now_ms, call),
            at_ms=now_ms,
            actor=Actor.TOKEN,
            token_id=token.id,
            user_id=token.user_id,
            project=None,
            method=request.method,
            operation=operation,
            resource=request.url.path,
            status=response.status_code,
            remote=request.client.host if request.client else "",
            request_id=call,
        )
        response.headers["X-Request-Id"] = call
        await self._audit.note(entry)

    def _own_url(self, request: Request) -> str:
        return (self._public_url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, EyebrightError)
    return problems.answer(error)


def _own_page(wanted: str) -> str:
    """Where to go afterwards: a page of this server, and of no other."""
    own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if own else "/"


def _secret_of(settings: OidcSettings) -> str:
    assert settings.client_secret_file is not None
    return Path(settings.client_secret_file).read_text().strip()
