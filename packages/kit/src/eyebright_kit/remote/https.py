"""A zip behind a web address: `https://…`, and `http://…` where the operator permits it."""

import re
import socket
import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Never

import httpx

from eyebright_kit.egress import EgressDenied, client, shown
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import FetchCode, FetchFailed
from eyebright_kit.remote.source import (
    Access,
    Body,
    Interrupted,
    Listed,
    access_denied,
    changed,
    not_found,
    refused,
)

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_SECONDS = 60.0
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:(\d{1,18})|\*)")
_LENGTH = re.compile(r"\d{1,18}")
#: What a resolver says of a name that nobody has. EAI_NODATA is not known everywhere.
_NOBODY = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Https:
    def __init__(self, access: Access) -> None:
        self._client = client(access.rules, max_bytes=None)

    def list(self, prefix: Address) -> Iterator[Listed]:
        raise FetchFailed(
            FetchCode.ADDRESS_INVALID, f"{prefix.shown}: the web has no folders; give the address of a zip"
        )

    @contextmanager
    def read(self, address: Address, start: int, tag: str | None) -> Generator[Body]:
        with explained(address), answered(self._client, address, _conditions(start, tag)) as (begin, size, answer):
            yield Body(begin, size, _tag(answer), answer.iter_raw())

    def close(self) -> None:
        self._client.close()


@contextmanager
def answered(
    client: httpx.Client, address: Address, headers: dict[str, str]
) -> Generator[tuple[int, int | None, httpx.Response]]:
    """(where its bytes belong, how many there are in all, the answer). Raises what httpx does, Interrupted, or FetchFailed."""
    with client.stream("GET", address.url, headers=headers) as answer:
        _require_content(address, answer)
        yield *_extent(answer), answer


@contextmanager
def explained(address: Address) -> Generator[None]:
    """What httpx raises, as Interrupted where another try can help, else as FetchFailed."""
    try:
        yield
    except EgressDenied as error:
        raise FetchFailed(FetchCode.ADDRESS_DENIED, str(error)) from None
    except httpx.TransportError as error:
        cause = _root(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise refused(address, f"its certificate is not trusted ({cause})") from None
        if _names_nobody(cause):
            raise FetchFailed(
                FetchCode.HOST_UNKNOWN, f"no host is called {address.place} ({address.shown}); check the address"
            ) from None
        raise Interrupted(str(error) or type(error).__name__) from error


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _names_nobody(error: BaseException) -> bool:
    """A name server that is only silent may answer the next time."""
    return isinstance(error, UnicodeError) or (isinstance(error, socket.gaierror) and error.errno in _NOBODY)


def _conditions(start: int, tag: str | None) -> dict[str, str]:
    """A tag is a strong ETag, which stands in quotes, or the date of the last change."""
    if start == 0:
        return {}
    condition = {} if tag is None else {"If-Match" if tag.startswith('"') else "If-Unmodified-Since": tag}
    return {"Range": f"bytes={start}-", **condition}


def _tag(answer: httpx.Response) -> str | None:
    """A weak ETag promises the same meaning, not the same bytes."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified")


def _require_content(address: Address, answer: httpx.Response) -> None:
    status = answer.status_code
    if status not in (200, 206):
        _refuse(address, answer, status)
    if (coding := answer.headers.get("Content-Encoding", "identity")) != "identity":
        raise refused(address, f"it is sent with the encoding {coding!r}, though none was asked for")


def _refuse(address: Address, answer: httpx.Response, status: int) -> Never:
    require_lasting(answer)
    if status in (412, 416):
        raise changed(address)
    if status in (401, 403):
        raise access_denied(address, f"HTTP {status}")
    if status in (404, 410):
        raise not_found(address)
    if answer.has_redirect_location:
        target = shown(answer.headers["Location"])
        raise refused(
            address, f"it redirects (HTTP {status}) to {target}, which is not followed; give the final address"
        )
    raise refused(address, f"HTTP {status}")


def require_lasting(answer: httpx.Response) -> None:
    """Raises Interrupted for a status that passes by itself."""
    if answer.status_code in _PASSING:
        raise Interrupted(f"HTTP {answer.status_code}", _wait_seconds(answer))


def _wait_seconds(answer: httpx.Response) -> float:
    wait = answer.headers.get("Retry-After", "")
    return min(float(wait), _LONGEST_WAIT_SECONDS) if _LENGTH.fullmatch(wait) else 0.0


def _extent(answer: httpx.Response) -> tuple[int, int | None]:
    """Where the bytes belong, and how many there are in all."""
    if answer.status_code == 200:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if _LENGTH.fullmatch(length) else None
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if found is None:
        raise Interrupted("HTTP 206 without a Content-Range")
    return int(found[1]), int(found[2]) if found[2] else None
