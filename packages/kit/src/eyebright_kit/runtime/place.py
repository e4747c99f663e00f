"""What a Grant opens, as whoever reads and writes there sees it: a folder on a shared disk, or a place in a bucket."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from eyebright_kit.disk import copy_durably
from eyebright_kit.errors import ConfigInvalid
from eyebright_wire.artifacts import Grant


class Listed(Protocol):
    """A file below a grant, and what its bytes must be. The size may be unknown."""

    @property
    def path(self) -> str: ...
    @property
    def size_bytes(self) -> int | None: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    path: str
    sha256: str
    size_bytes: int | None = None


class Place(Protocol):
    """Files are read and written below `folder`; `bring` comes before reading, `send` or `deliver` after writing.

    They raise StorageUnavailable, DiskFull, or Stopped when the run is to end.
    """

    @property
    def folder(self) -> Path:
        """The place itself where it lies on this disk, else where its files pass through."""
        ...

    def bring(self, files: Iterable[Listed]) -> None:
        """Sees that these files lie below `folder`. Gone through twice, so no generator."""
        ...

    def send(self, files: Iterable[Listed]) -> None:
        """Sees that these files of `folder` lie where others can read them."""
        ...

    def deliver(self, files: Iterable[Listed], last: Listed, then: Callable[[], None]) -> None:
        """Sends these and `last` after them, without keeping the caller waiting for a network, and calls `then` once they lie
        there. One that cannot be sent is logged, and `then` is never called."""
        ...

    def remove(self, paths: Sequence[str]) -> None:
        """Sees that these files, which `folder` has no more, are gone elsewhere too. One that stays is logged."""
        ...

    def settle(self) -> None:
        """Waits for what is being delivered."""
        ...

    def leave(self, last: Path) -> None:
        """The end: leaves this file there too, and nothing on the way."""
        ...


#: How a grant becomes a place.
Opening = Callable[[Grant], Place]


def local_folder(grant: Grant) -> Path:
    """The folder that a grant opens. Raises ConfigInvalid for a place that is not on this machine's disks."""
    parts = urlsplit(grant.uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ConfigInvalid(
            f"the grant opens {grant.uri!r}; this kit reads and writes file:///…, and buckets only where the grant names "
            "whom to ask for signed URLs"
        )
    return Path(unquote(parts.path))


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A folder that whoever reads from it sees too."""

    folder: Path

    def bring(self, files: Iterable[Listed]) -> None:
        """They lie there already."""

    def send(self, files: Iterable[Listed]) -> None:
        """They lie there already."""

    def deliver(self, files: Iterable[Listed], last: Listed, then: Callable[[], None]) -> None:
        then()

    def remove(self, paths: Sequence[str]) -> None:
        """They are gone already."""

    def settle(self) -> None:
        """Nothing is on its way."""

    def leave(self, last: Path) -> None:
        copy_durably(last, self.folder / last.name)


def local_place(grant: Grant) -> LocalPlace:
    """Raises ConfigInvalid as `local_folder` does."""
    return LocalPlace(local_folder(grant))
