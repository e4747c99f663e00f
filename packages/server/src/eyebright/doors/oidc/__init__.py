"""Log in by OpenID Connect: the company's own provider says who somebody is, and its page asks for the password.

    /auth/login?next=/…    to the provider
    /auth/callback         back from it, with a session in a cookie
    /auth/logout           (POST) the session ends, here and for whoever has copied its cookie

What the session may do is what its user may: it is a token of that user, as a team has them, for as long as a working day.
"""

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from eyebright.doors import problems
from eyebright.doors.oidc.paths import CALLBACK, LOGIN, LOGOUT
from eyebright.errors import NotFound


class LoginPages:
    """Made at the first call: only then is the server there that they belong to."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["app"].state
        if state.context.settings.oidc.issuer is None:
            refused = NotFound("nobody can log in here: this server has no login provider (EYEBRIGHT_OIDC__ISSUER)")
            return await problems.answer(refused)(scope, receive, send)
        if not hasattr(state, "login_pages"):
            from eyebright.doors.oidc.pages import Pages  # authlib, where it was chosen

            state.login_pages = Pages(state.context).app()
        return await state.login_pages(scope, receive, send)


class OidcDoor:
    routes = (
        Route(LOGIN, LoginPages(), methods=["GET"]),
        Route(CALLBACK, LoginPages(), methods=["GET"]),
        Route(LOGOUT, LoginPages(), methods=["POST"]),
    )
    public = frozenset({LOGIN, CALLBACK, LOGOUT})
    job_paths = ()
