"""The one way out to addresses that a stranger gave: `client(rules)` and, for coroutines, `async_client(rules)`.

Both are ordinary httpx clients whose transport decides. A host is resolved once, every address that it has is compared with our
own list, and the connection goes to one of just these, so a name that changes its mind in between changes nothing; TLS still
verifies the name. No redirect is followed, and nothing (proxy, netrc, certificates) is taken from the environment.
"""

import logging
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Never, cast

import anyio.to_thread
import httpcore
import httpx

from eyebright_kit.addresses import Address, Network, destination, kind_of
from eyebright_kit.data.tree import printable

#: Of the addresses of one name. A resolver in strange hands could name thousands, each good for a time-out.
_ADDRESSES_TRIED = 4
#: Less than this, while somebody waits, is no transfer but a way to hold the connection.
_TRICKLE_BYTES_PER_SECOND = 1024
_LONGEST_SHOWN = 200
_CONNECTIONS = 10


class EgressDenied(ValueError):
    """The rules forbid this address. The message shows neither a query nor credentials: they may be secrets."""


class AnswerTooLarge(Exception):
    """More bytes came than the client was made to take."""


@dataclass(frozen=True, slots=True)
class EgressRules:
    """What may be called: public addresses over https on port 443, unless the operator permits more.

    `allow` are networks that may be called although they are not public, such as 10.0.0.0/8 for a store in the house.
    """

    schemes: tuple[str, ...] = ("https",)
    ports: tuple[int, ...] = (443,)
    allow: tuple[Network, ...] = ()
    authorities: Path | None = None  # a PEM file of certificates that are trusted besides the public ones
    connect_seconds: float = 10.0
    read_seconds: float = 30.0  # without a byte, or with a mere trickle of them


def client(rules: EgressRules, *, max_bytes: int | None = 1 << 20) -> httpx.Client:
    """A client that calls what the rules permit and takes at most `max_bytes` of each answer's body.

    Besides what httpx raises, requests raise EgressDenied, and reading an answer AnswerTooLarge.
    """
    return httpx.Client(transport=_Transport(rules, max_bytes), **_manners(rules))


def async_client(
    rules: EgressRules, *, max_bytes: int | None = 1 << 20, connections: int = _CONNECTIONS
) -> httpx.AsyncClient:
    """`client` for coroutines, with at most so many connections at once."""
    return httpx.AsyncClient(transport=_AsyncTransport(rules, max_bytes, connections), **_manners(rules))


def require_permitted(url: httpx.URL, rules: EgressRules) -> None:
    """What an address shows without being resolved: scheme, port, credentials. Raises EgressDenied."""
    if url.userinfo:
        _deny(url, "holds a name or password; leave them out, and use a signed URL where one is needed")
    if url.scheme not in rules.schemes:
        _deny(url, f"has the scheme {url.scheme!r}; this server may call {' and '.join(rules.schemes)}")
    if not url.host:
        _deny(url, "names no host")
    if (port := _port(url)) not in rules.ports:
        _deny(url, f"has port {port}; this server may call {', '.join(map(str, rules.ports))}")


def require_callable(url: str, rules: EgressRules) -> None:
    """What can be said of an address without asking anybody, a resolver neither: scheme, port, credentials, and the host where it
    is a number in whatever spelling, or this machine's own name. Raises EgressDenied, for what is no URL too."""
    try:
        asked = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise EgressDenied(f"{shown(url)} is no URL: {error}") from None
    require_permitted(asked, rules)
    host, port = asked.host.rstrip(".").lower(), _port(asked)
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    with suppress(socket.gaierror, UnicodeError):  # a name: whoever connects to it looks
        numeric = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        _require_each(asked.host, (ip_address(place[0]) for *_, place in numeric), rules)


def reach(url: str, rules: EgressRules) -> None:
    """Connects, with TLS where the address wants it, and leaves without a word. Raises EgressDenied, for what is no URL too;
    OSError or UnicodeError when nobody is there."""
    try:
        asked = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise EgressDenied(f"{shown(url)} is no URL: {error}") from None
    require_permitted(asked, rules)
    port = _port(asked)
    assert port is not None
    with _connected(permitted(asked.host, port, rules), port, rules.connect_seconds) as line:
        if asked.scheme == "https":
            _trust(rules).wrap_socket(line, server_hostname=asked.host).close()


def permitted(host: str, port: int, rules: EgressRules) -> tuple[Address, ...]:
    """The addresses of a host, each of which may be called. One that may not be denies the whole host.

    Raises EgressDenied; OSError or UnicodeError when the name cannot be resolved.
    """
    found = dict.fromkeys(_resolve(host, port))
    _require_each(host, found, rules)
    return tuple(found)


def _require_each(host: str, addresses: Iterable[Address], rules: EgressRules) -> None:
    for address in addresses:
        if (kind := denied(address, rules)) is not None:
            raise EgressDenied(
                f"{printable(host)} is at {address} ({kind}), and this server calls public addresses only; "
                "whoever runs it can permit that network with EYEBRIGHT_EGRESS__ALLOW"
            )


def _connected(addresses: tuple[Address, ...], port: int, seconds: float) -> socket.socket:
    """To the first of them that answers. Raises what the last one came to."""
    *others, last = addresses[:_ADDRESSES_TRIED]
    for address in others:
        with suppress(OSError):
            return socket.create_connection((str(address), port), seconds)
    return socket.create_connection((str(last), port), seconds)


def denied(address: Address, rules: EgressRules) -> str | None:
    """Why an address may not be called, in one word; None when it may."""
    if any(destination(address) in network for network in rules.allow):
        return None
    return kind_of(address)


def shown(url: str) -> str:
    """An address as messages and logs may show it: without query, fragment, credentials or control characters."""
    scheme, colon, rest = re.split(r"[?#]", url, maxsplit=1)[0].rpartition("://")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    if "@" in url and ":" in host:  # perhaps the first half of a password that holds a slash or a question mark
        host = "…"
    text = printable(f"{scheme}{colon}{host}{slash}{path}")
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _manners(rules: EgressRules) -> dict[str, Any]:
    keep_secrets_out_of_logs()
    return {
        "timeout": httpx.Timeout(rules.read_seconds, connect=rules.connect_seconds),
        "follow_redirects": False,
        "trust_env": False,
        "headers": {"User-Agent": "eyebright", "Accept-Encoding": "identity"},
    }


def _deny(url: httpx.URL, why: str) -> Never:
    raise EgressDenied(f"{shown(str(url))} {why}")


def _port(url: httpx.URL) -> int | None:
    return url.port or {"https": 443, "http": 80}.get(url.scheme)


def _resolve(host: str, port: int) -> Iterator[Address]:
    for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        yield ip_address(place[0])


# The transport


class _Transport(httpx.HTTPTransport):
    """httpx's own, over connections that we make. It stands or falls with the pool: without one, nothing is sent."""

    def __init__(self, rules: EgressRules, max_bytes: int | None) -> None:
        self._rules = rules
        self._max_bytes = max_bytes
        self._pool = httpcore.ConnectionPool(ssl_context=_trust(rules), network_backend=_Backend(rules))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        require_permitted(request.url, self._rules)
        answer = super().handle_request(request)
        assert isinstance(answer.stream, httpx.SyncByteStream)
        answer.stream = _Capped(answer.stream, self._max_bytes)
        return answer


class _AsyncTransport(httpx.AsyncHTTPTransport):
    def __init__(self, rules: EgressRules, max_bytes: int | None, connections: int) -> None:
        self._rules = rules
        self._max_bytes = max_bytes
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_trust(rules), max_connections=connections, network_backend=_AsyncBackend(rules)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        require_permitted(request.url, self._rules)
        answer = await super().handle_async_request(request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        answer.stream = _AsyncCapped(answer.stream, self._max_bytes)
        return answer


@lru_cache(maxsize=8)
def _trust(rules: EgressRules) -> ssl.SSLContext:
    """Kept: to read the certificates takes some 30 ms."""
    context = httpx.create_ssl_context(trust_env=False)
    if rules.authorities:
        context.load_verify_locations(cafile=rules.authorities)
    return context


class _Allowance:
    """Counts the bytes of one answer."""

    def __init__(self, max_bytes: int | None) -> None:
        self._max = self._left = max_bytes

    def take(self, chunk: bytes) -> bytes:
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise AnswerTooLarge(f"the answer has more than {self._max:,} bytes")
        return chunk


class _Capped(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, max_bytes: int | None) -> None:
        self._stream = stream
        self._allowance = _Allowance(max_bytes)

    def __iter__(self) -> Iterator[bytes]:
        return map(self._allowance.take, self._stream)

    def close(self) -> None:
        self._stream.close()


class _AsyncCapped(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, max_bytes: int | None) -> None:
        self._stream = stream
        self._allowance = _Allowance(max_bytes)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield self._allowance.take(chunk)

    async def aclose(self) -> None:
        await self._stream.aclose()


# Connections


class _Backend(httpcore.NetworkBackend):
    """Connects to the addresses that were compared, never to a name."""

    def __init__(self, rules: EgressRules) -> None:
        self._rules = rules
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = permitted(host, port, self._rules)
        except (OSError, UnicodeError) as error:
            raise _unresolved(host, error) from error
        failure: Exception = _unresolved(host, None)
        for address in addresses[:_ADDRESSES_TRIED]:
            try:
                stream = self._sockets.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _Stream(stream, self._rules.read_seconds)
        raise failure


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    """Its time-outs, and those of the stream, are parameters because httpcore calls it so."""

    def __init__(self, rules: EgressRules) -> None:
        self._rules = rules
        self._sockets = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())  # typed as its own absence

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await anyio.to_thread.run_sync(permitted, host, port, self._rules, abandon_on_cancel=True)
        except (OSError, UnicodeError) as error:
            raise _unresolved(host, error) from error
        failure: Exception = _unresolved(host, None)
        for address in addresses[:_ADDRESSES_TRIED]:
            try:
                stream = await self._sockets.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _AsyncStream(stream, self._rules.read_seconds)
        raise failure


def _unresolved(host: str, error: Exception | None) -> httpcore.ConnectError:
    return httpcore.ConnectError(f"the name {printable(host)} cannot be resolved" + (f" ({error})" if error else ""))


class _Pace:
    """Notices a sender who keeps a connection alive with a byte now and then.

    Counts only the time spent waiting, so a reader who is slow himself costs the sender nothing.
    """

    def __init__(self, window_seconds: float) -> None:
        self._window = window_seconds
        self.begin()

    def begin(self) -> None:
        self._waited = 0.0
        self._received = 0

    def note(self, seconds: float, received: int) -> None:
        self._waited += seconds
        self._received += received
        if self._waited < self._window:
            return
        if self._received < self._waited * _TRICKLE_BYTES_PER_SECOND:
            raise httpcore.ReadTimeout(f"{self._received:,} bytes in {self._waited:.0f} seconds")
        self.begin()


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, window_seconds: float) -> None:
        self._stream = stream
        self._window = window_seconds
        self._pace = _Pace(window_seconds)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        began = time.monotonic()
        data = self._stream.read(max_bytes, timeout)
        if data:  # an end is no trickle
            self._pace.note(time.monotonic() - began, len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._pace.begin()
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._window)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, window_seconds: float) -> None:
        self._stream = stream
        self._window = window_seconds
        self._pace = _Pace(window_seconds)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        began = time.monotonic()
        data = await self._stream.read(max_bytes, timeout)
        if data:
            self._pace.note(time.monotonic() - began, len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._pace.begin()
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _AsyncStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._window)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


# Logs


def keep_secrets_out_of_logs() -> None:
    """httpx logs whole addresses, httpcore whole headers, and a signed address is a secret."""
    for name in ("httpx", "httpcore.http11"):
        logging.getLogger(name).addFilter(_without_secrets)  # twice is once


def _without_secrets(record: logging.LogRecord) -> bool:
    record.msg = str(record.msg).partition(" return_value=")[0]
    if isinstance(record.args, tuple):
        record.args = tuple(shown(str(part)) if isinstance(part, httpx.URL) else part for part in record.args)
    return True
