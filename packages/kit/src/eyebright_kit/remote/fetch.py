"""Bring a data set from elsewhere onto this disk: `fetch(url, into)`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eyebright_kit.egress import EgressRules

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all (None while nobody knows)
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Sources:
    """What the operator decided about places to fetch from; never part of a request.

    `endpoints` are addresses of stores that speak one of the dialects, such as `{"s3": "https://minio.example:9000"}`. `only`,
    if not empty, are the addresses below which a data set may lie, such as `s3://datasets/`.
    """

    schemes: tuple[str, ...] = ("https", "s3", "gs", "az")
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What a data set from elsewhere may cost."""

    max_objects: int = 1_500_000
    max_total_bytes: int = 500 * 1024**3
    max_file_bytes: int = 1024**3  # of one object below a prefix; a zip counts as a whole
    spare_bytes: int = 512 * 1024**2  # that must stay free on the disk


def fetch(
    url: str,
    into: Path,
    *,
    rules: EgressRules | None = None,
    sources: Sources | None = None,
    limits: FetchLimits | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Path:
    """Fetch the zip that `url` names, or every object below a prefix (`s3://bucket/prefix/`, with a slash at its end).

    Answers the zip file or the folder, which lies in `into`; `into` is made, or must be empty, and belongs to the caller, who
    removes it, also after a failure. `progress` and `stop` are called about five times a second, in the caller's thread; what
    they raise ends the work and passes through. Raises FetchFailed with the reason, Stopped within a second of `stop`
    answering True, OSError when the disk is full or cannot be written.
    """
    raise NotImplementedError


def require_fetchable(url: str, *, rules: EgressRules | None = None, sources: Sources | None = None) -> None:
    """What can be said of an address without calling anybody, for a door that wants to refuse at once. Raises FetchFailed."""
    raise NotImplementedError


def default_name(url: str) -> str:
    """What a data set from there is called unless its owner says otherwise: `https://…/My photos.zip?sig=…` → `My-photos`."""
    raise NotImplementedError
