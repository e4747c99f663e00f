"""One HTTP connection to one server: who calls, what is tried again, and what a refusal becomes."""

import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
from httpx_sse import EventSource, connect_sse
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from eyebright.client.problems import error_from
from eyebright.errors import InvalidRequest, Unavailable

#: Connecting to a live server takes milliseconds; the longest silence in an answer is the server's own keep-alive (15 s).
TIMEOUT = httpx.Timeout(30.0, connect=5.0, read=60.0)
TRIES = 4


class Transport:
    """`moved` tells where the server is by now: one that was restarted may listen on another port. `sleep` and `through` are for
    tests: who waits between tries, and what carries the bytes.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        project: str | None = None,
        tries: int = TRIES,
        moved: Callable[[], str | None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
        through: httpx.BaseTransport | None = None,
    ) -> None:
        self.tries = tries
        self.sleep = sleep
        self._moved = moved
        self._http = httpx.Client(
            base_url=url,
            headers=_headers(token, project),
            timeout=TIMEOUT,
            transport=through,
            trust_env=not is_loopback(url),  # a company's HTTP_PROXY must not get between us and our own machine
        )

    @property
    def url(self) -> str:
        return str(self._http.base_url).rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, *, again: bool = True, **request: Any) -> httpx.Response:
        """Send, and raise what a refusal stands for. `again`: it does no harm to send it twice, so a hiccup is tried again."""
        if not again:
            return self._send(method, path, **request)
        retrying = Retrying(
            stop=stop_after_attempt(self.tries),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0, jitter=0.1),
            retry=retry_if_exception(is_transient),
            sleep=self.sleep,
            before_sleep=lambda _: self.follow(),
            reraise=True,
        )
        return retrying(self._send, method, path, **request)

    def follow(self) -> None:
        """Speak to the server where it is now, if it has moved."""
        if (url := self._moved()) is not None:
            self._http.base_url = url

    @contextmanager
    def stream(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        """An answer whose body is read piece by piece."""
        with self._understood(), self._http.stream(method, path, **request) as response:
            _check(response)
            yield response

    @contextmanager
    def listen(self, path: str, **request: Any) -> Iterator[EventSource]:
        """A stream of server-sent events. Trouble on the way is raised as it is: whoever listens can connect again."""
        with connect_sse(self._http, "GET", path, **request) as source:
            _check(source.response)
            yield source

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        with self._understood():
            response = self._http.request(method, path, **request)
            _check(response)
            return response

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise Unavailable(no_answer(self.url, error)) from error


def _headers(token: str, project: str | None) -> dict[str, str]:
    """Raises InvalidRequest for what no header can carry, without showing it."""
    for name, text in (("the token", token), ("the name of the project", project or "")):
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise InvalidRequest(f"{name} has a character that is in none; give it as it was told")
    meant = {"Eyebright-Project": project} if project else {}
    return meant | ({"Authorization": f"Bearer {token}"} if token else {})


def no_answer(url: str, error: Exception) -> str:
    reason = str(error) or type(error).__name__
    return f"no answer from {url} ({reason}). Is the server running? Start it with `eyebright serve`."


def is_transient(error: BaseException) -> bool:
    """Only a plain `unavailable` passes by itself: a trainer that is not installed stays so until somebody installs it."""
    return type(error) is Unavailable or isinstance(error, httpx.TransportError)


def is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_same(url: str, other: str) -> bool:
    """By host and port as they are written: what a name such as localhost stands for, somebody else may decide."""
    ours, theirs = httpx.URL(url), httpx.URL(other)
    return (ours.scheme, ours.host, ours.port) == (theirs.scheme, theirs.host, theirs.port)


def _check(response: httpx.Response) -> None:
    if response.is_error:
        response.read()
        raise error_from(response)
