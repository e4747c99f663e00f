"""The socket of places that data sets are fetched from: what one must do, and how the installed ones are found.

A source is a class of one argument, an Access, registered as an entry point of the group `eyebright.sources` under the scheme of
its addresses. It lists and it reads; what is resumed, how often, how much and under which names is decided elsewhere, for all.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from eyebright_kit.egress import EgressRules
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import FetchCode, FetchFailed

GROUP = "eyebright.sources"
CONNECT_SECONDS = 10
READ_SECONDS = 30
#: Objects that are read at once.
READERS = 8


@dataclass(frozen=True, slots=True)
class Access:
    """How a source may reach its places. Both are the operator's word, never the request's."""

    rules: EgressRules
    endpoint: str | None = None  # a store that speaks the same dialect, in place of the usual one


@dataclass(frozen=True, slots=True)
class Listed:
    """An object below a prefix. `tag` is another whenever the content is."""

    key: str
    size_bytes: int
    tag: str | None


@dataclass(frozen=True, slots=True)
class Body:
    """An object that is being read: `chunks` belong at byte `start` and after, of `size_bytes` in all where that is known."""

    start: int
    size_bytes: int | None
    tag: str | None
    chunks: Iterator[bytes]


class Interrupted(Exception):
    """The connection or the other side failed in a way that another try can mend, not before `wait_seconds` if that is said."""

    def __init__(self, message: str, wait_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class Reader(Protocol):
    """What opens one object. Raises Interrupted, or FetchFailed with what was found. Several threads read at once."""

    def read(self, address: Address, start: int, tag: str | None) -> AbstractContextManager[Body]:
        """The object from byte `start`, or all of it where the place cannot begin elsewhere.

        With a `tag`, only as long as the object still has it: raises FetchFailed with `changed` where the place can tell.
        """
        ...


class Source(Reader, Protocol):
    """One kind of place."""

    def list(self, prefix: Address) -> Iterator[Listed]:
        """Every object whose key begins with the prefix's."""
        ...

    def close(self) -> None: ...


def source_for(scheme: str, access: Access) -> Source:
    """The source of a scheme. Only here is what it needs imported. Raises FetchFailed when it is unknown or incomplete."""
    point = _registered().get(scheme)
    if point is None:
        raise FetchFailed(
            FetchCode.SCHEME_UNKNOWN, f"no source for {scheme}:// is installed; expected {schemes_in_words()}"
        )
    try:
        return point.load()(access)
    except ModuleNotFoundError as error:
        distribution = point.dist.name if point.dist else point.module
        raise FetchFailed(
            FetchCode.EXTRA_MISSING,
            f"{scheme}:// needs the module {error.name!r}, which is not installed on the server; "
            f"whoever runs it can install it: pip install '{distribution}[{scheme}]'",
        ) from error


def installed() -> tuple[str, ...]:
    """The schemes with a source, sorted; whether its extra is installed is another question."""
    return tuple(sorted(_registered()))


def schemes_in_words() -> str:
    """`az://, gs://, https:// or s3://`; plain http is for servers whose operator opened it."""
    *others, last = (f"{scheme}://" for scheme in installed() if scheme != "http")
    return f"{', '.join(others)} or {last}"


def changed(address: Address) -> FetchFailed:
    return FetchFailed(
        FetchCode.CHANGED, f"{address.shown} was changed while it was being fetched; fetch it again when it is complete"
    )


def no_answer(address: Address, endpoint: str, error: Exception) -> Interrupted:
    """Nor, maybe, an answer's end."""
    return Interrupted(
        f"{endpoint} gives no answer ({type(error).__name__}); is the store running, and can this server reach it? "
        f"EYEBRIGHT_SOURCES__{address.scheme.upper()}_ENDPOINT says where it is"
    )


def access_denied(address: Address, found: str) -> FetchFailed:
    return FetchFailed(
        FetchCode.ACCESS_DENIED,
        f"{address.shown} may not be read ({found}); give the server credentials that may, or make it public",
    )


def not_found(address: Address) -> FetchFailed:
    return FetchFailed(FetchCode.NOT_FOUND, f"there is nothing at {address.shown}; check the address")


def no_bucket(address: Address) -> FetchFailed:
    return FetchFailed(
        FetchCode.NOT_FOUND,
        f"there is nothing at {address.shown}: there is no {_kind(address)} {address.place}; check its name",
    )


def no_object(address: Address) -> FetchFailed:
    what = "nothing below that name" if address.is_prefix else "no object of that name"
    return FetchFailed(
        FetchCode.NOT_FOUND,
        f"there is nothing at {address.shown}: the {_kind(address)} is there, but has {what}; check that, or put it there",
    )


def no_bucket_or_object(address: Address) -> FetchFailed:
    """For a place that does not tell which."""
    kind = _kind(address)
    return FetchFailed(
        FetchCode.NOT_FOUND,
        f"there is nothing at {address.shown}: there is no {kind} {address.place}, or it has no object of that name; check both",
    )


def refused(address: Address, found: str) -> FetchFailed:
    return FetchFailed(FetchCode.REFUSED, f"{address.shown} could not be read: {found}")


def _kind(address: Address) -> str:
    return "container" if address.scheme == "az" else "bucket"


@cache
def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
