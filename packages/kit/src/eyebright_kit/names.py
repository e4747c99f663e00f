"""Which names from a stranger may become paths: `safe_parts(name)` for each, `Names` for all those of one tree.

They come from archives and from buckets. A name that would have to be repaired is refused, because a data set with other names
is no longer the one that its owner meant.
"""

import os
import re
import unicodedata
from dataclasses import dataclass
from typing import Never

from eyebright_kit.zipdirectory import Refusal, shown

_LONGEST_PART_BYTES = 255  # what ext4, APFS and NTFS can store
_LONGEST_PATH_BYTES = 1024  # leaves room for our own prefix below PATH_MAX
_DEEPEST = 32
_DRIVE = re.compile(r"[A-Za-z]:")
# Windows opens a device for these whatever follows the first dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ .]*(\..*)?", re.IGNORECASE)
# Controls, line breaks, lone surrogates; and the marks that make a name read in another order than it is written.
_CONTROL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class NameRefused(ValueError):
    """The name cannot become a path, or not beside the others. `code` is stable, `message` is for people."""

    def __init__(self, code: Refusal, message: str, name: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name = name


def safe_parts(name: str, noun: str = "entry") -> tuple[str, ...]:
    """The folders and the file of a path; a slash at its end says that it is a folder itself. Raises NameRefused."""
    parts = tuple(name.removesuffix("/").split("/"))
    if name.startswith("/") or any(_DRIVE.match(part) for part in parts):
        _unsafe_path(noun, name, "an absolute path")
    if "\\" in name:
        _unsafe_path(noun, name, "a path with a backslash")
    if ".." in parts:
        _unsafe_path(noun, name, "a path that leaves its folder (..)")
    if "" in parts or "." in parts:
        _unsafe_path(noun, name, "a path with an empty or '.' part")
    if len(parts) > _DEEPEST:
        _unsafe_path(noun, name, f"a path more than {_DEEPEST} folders deep")
    for part in parts:
        _refuse_unsafe_part(noun, name, part)
    if len(os.fsencode(name)) > _LONGEST_PATH_BYTES:
        _unsafe_path(noun, name, f"a path longer than {_LONGEST_PATH_BYTES} bytes")
    return parts


def _unsafe_path(noun: str, name: str, what: str) -> Never:
    raise NameRefused(
        Refusal.UNSAFE_PATH,
        f"the {noun} {shown(name)} has {what}; only plain relative paths with forward slashes are accepted",
        name,
    )


def _refuse_unsafe_part(noun: str, name: str, part: str) -> None:
    if any(unicodedata.category(letter) in _CONTROL_CATEGORIES or letter in _REORDERING for letter in part):
        _unsafe_name(noun, name, "contains control characters")
    if _DEVICE.fullmatch(part):
        _unsafe_name(noun, name, f"contains {part!r}, which is a device on Windows")
    if len(os.fsencode(part)) > _LONGEST_PART_BYTES:
        _unsafe_name(noun, name, f"contains a name longer than {_LONGEST_PART_BYTES} bytes")


def _unsafe_name(noun: str, name: str, what: str) -> Never:
    raise NameRefused(
        Refusal.UNSAFE_NAME, f"the path of the {noun} {shown(name)} {what}; rename it and try again", name
    )


@dataclass(slots=True)
class _Taken:
    """A path that is in use: exactly how it is spelled, and as what."""

    path: str
    is_folder: bool
    listed: bool


class Names:
    """The paths of one tree. No two may be one path to any file system: not by case, not by Unicode form, not as both file and
    folder."""

    def __init__(self) -> None:
        self._taken: dict[str, _Taken] = {}

    def take(self, parts: tuple[str, ...], *, is_folder: bool = False) -> None:
        """Add a path and the folders on the way to it. Raises NameRefused."""
        for depth in range(1, len(parts)):
            self._take("/".join(parts[:depth]), is_folder=True, listed=False)
        self._take("/".join(parts), is_folder=is_folder, listed=True)

    def _take(self, path: str, *, is_folder: bool, listed: bool) -> None:
        earlier = self._taken.setdefault(_twin_key(path), _Taken(path, is_folder, listed=False))
        if earlier.path != path:
            raise NameRefused(
                Refusal.AMBIGUOUS_NAME,
                f"{shown(earlier.path)} and {shown(path)} are the same name on some computers; rename one and try again",
                path,
            )
        if earlier.is_folder != is_folder:
            raise NameRefused(
                Refusal.FILE_AND_FOLDER, f"{shown(path)} is both a file and a folder; rename one and try again", path
            )
        if listed and earlier.listed:
            raise NameRefused(Refusal.DUPLICATE_NAME, f"{shown(path)} is there twice; keep one and try again", path)
        earlier.listed = earlier.listed or listed


def _twin_key(path: str) -> str:
    """Equal for paths that differ only in case, Unicode form, or the dots and spaces that Windows drops from an end."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
    return "/".join(part.rstrip(". ") for part in folded.split("/"))
