"""Find the files that a list names: `Lookup(files).find("train2017/1.jpg", near="annotations", split=Split.TRAIN)`.

Lists name files as they lay where somebody drew the boxes: with folders that are gone, backslashes, drive letters, URLs. Such a
name is never opened. It is compared with the files that are there, and at most one of those is meant.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from urllib.parse import unquote, urlsplit

from eyebright_kit.data.walk import split_of
from eyebright_wire.datasets import Split

_WORD = re.compile(r"[A-Za-z]+")
_FILLERS = frozenset({"images", "image", "imgs", "img", "annotations", "annotation", "labels", "set", "data", "split"})
_SEVERAL = "{n} files are called so"


class NotFound(Exception):
    """None of the files is meant, or more than one could be: the text says which."""


class Lookup:
    """The files below a root, given as relative paths with forward slashes."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files: set[str] = set()
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for file in files:
            self._files.add(file)
            self._by_name[_plain(file.rpartition("/")[2])].append(file)

    def find(self, name: str, near: str = "", split: Split | None = None) -> str:
        """The file that a list in the folder `near`, which is about `split`, calls `name`. Raises NotFound."""
        parts = _parts(name)
        found = self._by_name.get(_plain(parts[-1]), ()) if parts else ()
        if len(found) > 1:
            found = self._exact(parts, near) or _closest(parts, near, split, found)
        if len(found) != 1:
            raise NotFound(_SEVERAL.format(n=len(found)) if found else "no file is called so")
        if _of_another_split(parts, found[0]):
            raise NotFound(f"the only file that is called so lies in {found[0].rpartition('/')[0]}")
        return found[0]

    def _exact(self, parts: list[str], near: str) -> list[str]:
        """The one that lies exactly there, seen from the list's folder or one above it."""
        name = "/".join(parts)
        while True:
            wanted = f"{near}/{name}" if near else name
            if wanted in self._files:
                return [wanted]
            if not near:
                return []
            near = near.rpartition("/")[0]


@cache
def split_of_folder(folder: str) -> Split | None:
    """The split that a relative path of folders stands for: its innermost folder that says `train`, and nothing but that."""
    for part in reversed(folder.split("/")):
        words = [word.casefold() for word in _WORD.findall(part)]
        splits = [split for word in words if (split := split_of(word))]
        if splits and all(split_of(word) or word in _FILLERS for word in words):
            return splits[-1]
    return None


def split_of_file(file: str) -> Split | None:
    """The split that a file is about: the last word of its name that is one, else by its folder."""
    folder, _, name = file.rpartition("/")
    words = _WORD.findall(name.rpartition(".")[0])
    splits = [split for word in words if (split := split_of(word))]
    return splits[-1] if splits else split_of_folder(folder)


def _plain(name: str) -> str:
    """Windows has one file where Linux has two, and macOS stores an accent apart from its letter."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _parts(name: str) -> list[str]:
    path = name
    if re.match(r"[a-z0-9]+://", name):
        with suppress(ValueError):  # http://[ is no URL
            path = unquote(urlsplit(name).path)
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def _closest(parts: list[str], near: str, split: Split | None, found: Iterable[str]) -> list[str]:
    """Those that speak for themselves most, in this order: by the folders that are named, by the list's own folder, by the
    split, by lying least deep."""

    def closeness(file: str) -> tuple[int, bool, bool, int]:
        folder = file.rpartition("/")[0]
        beside = bool(near) and f"{folder}/".startswith(f"{near}/")
        return _shared(parts, file.split("/")), beside, split_of_folder(folder) == split, -file.count("/")

    best = max(map(closeness, found))
    return [file for file in found if closeness(file) == best]


def _shared(parts: list[str], others: list[str]) -> int:
    """How many parts agree, from the end."""
    count = 0
    for part, other in zip(reversed(parts), reversed(others), strict=False):
        if part != other and _plain(part) != _plain(other):
            break
        count += 1
    return count


def _of_another_split(parts: list[str], file: str) -> bool:
    """`train/1.jpg` is listed but only `val/1.jpg` is there: that is another image."""
    named = split_of_folder("/".join(parts[:-1])) if len(parts) > 1 else None
    lies = split_of_folder(file.rpartition("/")[0])
    return named is not None and lies is not None and named != lies
