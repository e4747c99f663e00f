"""Look into the folder of a data set without leaving it: `Tree(root).list(folder)`.

A link is followed as long as it stays below the root; the root itself may be one. What a link would bring in from elsewhere could
be the whole disk, and is gone when that place is.
"""

import os
import re
import stat
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

#: Controls and line breaks, which a terminal obeys, and the marks that make a name read in another order than it is written.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ONE_CALL_BYTES = 1024**3  # the system gives no more than twice that at once
_SYSTEM_NAMES = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information"}
)


@dataclass(frozen=True)
class Listing:
    """What lies directly in a folder, each part sorted by name. A link counts as what it leads to."""

    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()  # links to files among them may lead out: whoever opens one looks (see images.examine)
    system: tuple[Path, ...] = ()  # hidden, or left by an operating system
    special: tuple[Path, ...] = ()  # pipes, sockets, links to nowhere
    outside: tuple[Path, ...] = ()  # links to folders that are not below the root
    unreadable: tuple[Path, ...] = ()  # the folder itself

    @cached_property
    def by_suffix(self) -> Mapping[str, tuple[Path, ...]]:
        """The files by their suffixes in lower case: each format asks for its own, so they are told apart once."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self.files:
            found[path.suffix.lower()].append(path)
        return {suffix: tuple(paths) for suffix, paths in found.items()}


_seen: ContextVar["dict[tuple[Path, Path], Listing] | None"] = ContextVar("_seen", default=None)


@contextmanager
def listed_once() -> Generator[None]:
    """While this lasts no folder is listed a second time: when every format looks at the same few folders, all of which stay
    in memory meanwhile."""
    token = _seen.set({} if (seen := _seen.get()) is None else seen)
    try:
        yield
    finally:
        _seen.reset(token)


class Tree:
    """The folders below a root, and below nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def list(self, folder: Path) -> Listing:
        seen = _seen.get()
        if seen is None:
            return self._list(folder)
        key = (self.root, folder)
        if key not in seen:
            seen[key] = self._list(folder)
        return seen[key]

    def _list(self, folder: Path) -> Listing:
        parts: dict[str, list[Path]] = {"folders": [], "files": [], "system": [], "special": [], "outside": []}
        try:
            with os.scandir(folder) as entries:
                for entry in _by_name(entries):
                    parts[self._part_of(entry)].append(folder / entry.name)  # half the time of Path(entry.path)
        except PermissionError:
            return Listing(unreadable=(folder,))
        return Listing(**{part: tuple(paths) for part, paths in parts.items()})

    def folders(self, folder: Path) -> tuple[Path, ...]:
        """Only the folders in a folder: a tenth of the time of listing the images too."""
        if listing := (_seen.get() or {}).get((self.root, folder)):
            return listing.folders
        try:
            with os.scandir(folder) as entries:
                return tuple(folder / entry.name for entry in _by_name(entries) if self._part_of(entry) == "folders")
        except PermissionError:
            return ()

    def _part_of(self, entry: os.DirEntry[str]) -> str:
        if entry.name.startswith(".") or entry.name.casefold() in _SYSTEM_NAMES:
            return "system"
        try:
            if entry.is_dir():
                return "outside" if entry.is_symlink() and leads_out(entry.path, self.root) else "folders"
            return "files" if entry.is_file() else "special"
        except OSError:  # a link to itself, or into a folder that may not be entered
            return "special"


def _by_name(entries: Iterable[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """Sorted before they become paths: comparing those takes ten times as long."""
    return sorted(entries, key=attrgetter("name"))


def leads_out(path: str | Path, root: Path) -> bool:
    """Does what this path names, with every link on the way followed, lie elsewhere than below the root?"""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


class NotOpened(Exception):
    """What lies there is not to be read: `code` is a finding, `detail` says what it is."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


def opened(path: Path, root: Path | None = None) -> BinaryIO:
    """A plain file, to be read. With `root`, a link that leads out of that folder is not followed. Raises NotOpened or OSError.

    What is no plain file is refused before it is opened, because a pipe waits for a writer for ever; it is opened without
    blocking and without following a link, because it may have become one since.
    """
    return os.fdopen(_descriptor(path, root), "rb")


def first_bytes(path: Path, root: Path | None, most: int) -> bytes:
    """Of a plain file, under the same conditions; all of it where it has no more. For small files twice as fast as `opened`."""
    file = _descriptor(path, root)
    try:
        size = min(os.fstat(file).st_size, most)
        if size <= _ONE_CALL_BYTES:
            return os.read(file, size)
        with os.fdopen(file, "rb", closefd=False) as large:
            return large.read(size)
    finally:
        os.close(file)


def _descriptor(path: Path, root: Path | None) -> int:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        path = _followed(path, root)
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise NotOpened("not_an_image", "it is a pipe, a socket or a device")
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)


def _followed(link: Path, root: Path | None) -> Path:
    if not link.exists():
        raise NotOpened("unreadable_file", f"it leads to {target(link)}, which is not there")
    if root and leads_out(link, root):
        raise NotOpened("outside_link", f"it leads to {target(link)}")
    return link.resolve()


def target(link: Path) -> str:
    """Where a link leads in the end, as `printable` text."""
    return printable(os.path.realpath(link))


def printable(path: str) -> str:
    """A path as text that is safe to show: bytes that are not UTF-8, control characters and reordering marks are escaped."""
    if path.isascii() and path.isprintable():
        return path  # nearly all are
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)
