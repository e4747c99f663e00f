"""Sessions of pages: a cookie that carries a team's token, which no script of a page can read."""

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

#: The prefix keeps it to this very host, and to connections that nobody reads.
SECURE, PLAIN = "__Host-eyebright", "eyebright"


def session_token(headers: Headers, *, secure: bool) -> str | None:
    """`secure`: one without the prefix could have been set by any neighbour of this host."""
    return cookie_parser(headers.get("cookie", "")).get(SECURE if secure else PLAIN)


def begin(response: Response, token: str, seconds: int, *, secure: bool) -> None:
    name = SECURE if secure else PLAIN
    response.set_cookie(name, token, max_age=seconds, path="/", secure=secure, httponly=True, samesite="lax")


def end(response: Response) -> None:
    for name in (SECURE, PLAIN):
        response.delete_cookie(name, path="/", secure=name == SECURE, httponly=True, samesite="lax")
