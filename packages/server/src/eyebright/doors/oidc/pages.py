"""The pages of a login. Between them a signed cookie remembers what was asked, for minutes."""

import hashlib
import hmac
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from eyebright.core.access import read
from eyebright.doors import problems
from eyebright.doors.door import DoorContext
from eyebright.doors.oidc.paths import CALLBACK, LOGIN, LOGOUT, PREFIX
from eyebright.doors.oidc.provider import Provider
from eyebright.doors.sessions import begin, end, session_token
from eyebright.errors import EyebrightError
from eyebright.settings import OidcSettings

LOGIN_SECONDS = 600
_NEXT, _STATE_COOKIE = "next", "eyebright_login"


class Pages:
    """Of one server."""

    def __init__(self, context: DoorContext) -> None:
        self._settings: OidcSettings = context.settings.oidc
        self._logins = context.services.logins
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
        begin(response, session, self._settings.session_seconds, secure=self._secure)
        return response

    async def _logout(self, request: Request) -> Response:
        claimed = read(session_token(request.headers, secure=self._secure) or "")
        if claimed is not None:
            await self._logins.end(*claimed)
        response = Response(status_code=204)
        end(response)
        return response

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
