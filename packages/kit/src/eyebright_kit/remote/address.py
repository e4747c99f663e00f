"""An address of a data set, taken apart: `Address.of("s3://bucket/prefix/")`."""

import re
from dataclasses import dataclass
from typing import Never
from urllib.parse import unquote

import httpx

from eyebright_kit.egress import shown
from eyebright_kit.remote.failure import FetchCode, FetchFailed

#: What all three of S3, Google Cloud Storage and Azure allow, and what cannot turn into another host or path.
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){1,220}[a-z0-9]")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_WEB = ("https", "http")


@dataclass(frozen=True, slots=True)
class Address:
    """`place` is the bucket, container or host, `key` the name in it; the key of a prefix ends with a slash or is empty.

    `url` is the whole in one spelling, secrets included; `shown` is for messages.
    """

    scheme: str
    place: str
    key: str
    url: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """Raises FetchFailed with `address_invalid`."""
        scheme = scheme_of(url)
        if not scheme:
            _invalid(url, "is no address; expected https://…, s3://bucket/…, gs://bucket/… or az://container/…")
        return _web(url) if scheme in _WEB else _bucket(scheme, url, url.partition("://")[2])

    def below(self, key: str) -> "Address":
        """Another object in the same place."""
        return Address(self.scheme, self.place, key, f"{self.scheme}://{self.place}/{key}")

    @property
    def is_prefix(self) -> bool:
        return self.scheme not in _WEB and (not self.key or self.key.endswith("/"))

    @property
    def shown(self) -> str:
        return shown(self.url)

    def lies_below(self, allowed: str) -> bool:
        """Is this the address `allowed`, or below it?"""
        root = Address.of(allowed).url.rstrip("/")
        return self.url == root or self.url.startswith(f"{root}/")


def scheme_of(url: str) -> str:
    """In lower case; empty for what is no address."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else ""


def _web(url: str) -> Address:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        _invalid(url, f"is no address: {error}")
    if not parsed.host:
        _invalid(url, "names no host")
    return Address(parsed.scheme, parsed.host, parsed.path.lstrip("/"), str(parsed.copy_with(fragment=None)))


def _bucket(scheme: str, url: str, rest: str) -> Address:
    place, _, key = rest.partition("/")
    if not _BUCKET.fullmatch(place):
        _invalid(
            url, f"names no bucket; expected {scheme}://bucket/set.zip, or {scheme}://bucket/folder/ for all below it"
        )
    if not key.isprintable() or "\\" in key:
        _invalid(url, "has control characters or backslashes in its path")
    if {".", ".."} & set(re.split(r"[/\\]", _decoded(key))):
        _invalid(url, "has a '.' or '..' in its path")
    return Address(scheme, place, key, f"{scheme}://{place}/{key}")


def _decoded(key: str) -> str:
    """What a careless reader could make of it. Between %-signs that mean nothing it stays as it is."""
    while (once := unquote(key)) != key:
        key = once
    return key


def _invalid(url: str, why: str) -> Never:
    raise FetchFailed(FetchCode.ADDRESS_INVALID, f"{shown(url)!r} {why}")
