"""Images and the files that describe them, matched by where they lie and what they are called.

`images/train/1.jpg` belongs to `annotations/train/1.xml` as `train/1.jpg` does to `train/1.xml`: folders that only say what kind
of file lies in them do not count.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from eyebright_kit.data.documents import marked_encoding
from eyebright_kit.data.format import Remark
from eyebright_kit.data.tree import NotOpened, Tree, first_bytes
from eyebright_kit.data.walk import named_like_image, split_of, walk
from eyebright_wire.datasets import Split

IMAGE_ROLES = frozenset({"images", "image", "jpegimages", "imgs", "img", "img_dir", "pictures", "photos", "rgb"})
TEXT_ROLES = frozenset({"annotations", "annotation", "xmls", "xml", "labels", "label", "json", "jsons", "labelme"})
_MOST_FOLDERS = 64
_FEW = 3
_NOTHING = re.compile(r"(?!)")


class Places:
    """Where the files below a root belong. `roles` are folders that do not count; the ends of names that match `tails`, and of
    folders that match `folder_tails`, do not either."""

    def __init__(
        self,
        root: Path,
        roles: frozenset[str],
        tails: re.Pattern[str] = _NOTHING,
        folder_tails: re.Pattern[str] = _NOTHING,
    ) -> None:
        self._root = root
        self._roles = roles
        self._tails = tails
        self._folder_tails = folder_tails
        self._folders: dict[str, str] = {}  # a hundred thousand files lie in a handful of folders

    def of(self, path: Path) -> str:
        """What the file shares with its counterpart: the folders that count, and its name without ending."""
        text = str(path)
        above = text[: len(text) - len(path.name)]  # Path.parent takes ten times as long to make and to look up
        if above not in self._folders:
            self._folders[above] = self.folder(path.parent)
        return self._folders[above] + self._tails.sub("", path.stem)

    def beside(self, document: Path, name: str | None) -> str:
        """Of the file that a document means by a name, which may say anything; one that no file has for what lies outside."""
        path = Path(os.path.normpath(document.parent / (name or "").replace("\\", "/")))
        inside = bool(name) and "\0" not in str(path) and path.is_relative_to(self._root) and path != self._root
        return self.of(path) if inside else "/"

    def folder(self, folder: Path) -> str:
        """The folders that count, each with a slash behind it; empty for the root."""
        inside = folder.relative_to(self._root).parts
        parts = (self._folder_tails.sub("", part) for part in inside)
        counting = (part for part in parts if part and part.casefold() not in self._roles)
        return "".join(f"{part}/" for part in counting)


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that lies below a root, by what it is. `images` and `documents` in the order of their paths."""

    images: tuple[Path, ...]
    documents: tuple[Path, ...]
    others: tuple[Path, ...]
    remarks: tuple[Remark, ...]


def gather(tree: Tree, is_document: Callable[[Path], bool]) -> Gathered:
    """Walk the whole tree. What `is_document` claims is no image, whatever it is called."""
    images: list[Path] = []
    documents: list[Path] = []
    others: list[Path] = []
    remarks: list[Remark] = []
    for found in walk(tree, tree.root):
        if isinstance(found, Remark):
            remarks.append(found)
        elif is_document(found):
            documents.append(found)
        else:
            (images if named_like_image(found) else others).append(found)
    return Gathered(tuple(images), tuple(documents), tuple(others), tuple(remarks))


def matched(
    images: Iterable[Path], documents: Iterable[Path], places: Places, named: Callable[[Path], str | None]
) -> tuple[dict[Path, Path], list[Path]]:
    """The document of each image that has one: of the same name in the same place or, failing that, the one that names it, or
    else the only one of its name anywhere; and what is left.

    `named` opens a document of which no image has the name. Only what the walk has found is ever meant.
    """
    by_place: dict[str, list[Path]] = {}
    for image in images:
        by_place.setdefault(places.of(image), []).append(image)
    found: dict[Path, Path] = {}

    def claimed(document: Path, place: str) -> bool:
        free = [image for image in by_place.get(place, ()) if image not in found]
        found.update(dict.fromkeys(free, document))
        return bool(free)

    elsewhere = [document for document in documents if not claimed(document, places.of(document))]
    nameless = [document for document in elsewhere if not claimed(document, places.beside(document, named(document)))]
    lonely = _only_of_their_names(path for group in by_place.values() for path in group if path not in found)
    alone = {path: lonely[stem] for stem, path in _only_of_their_names(nameless).items() if stem in lonely}
    found.update((image, document) for document, image in alone.items())
    return found, [document for document in nameless if document not in alone]


def _only_of_their_names(paths: Iterable[Path]) -> dict[str, Path]:
    """By name without ending, those of which there is but one."""
    by_stem: dict[str, list[Path]] = {}
    for path in paths:
        by_stem.setdefault(path.stem, []).append(path)
    return {stem: group[0] for stem, group in by_stem.items() if len(group) == 1}


def top_of(files: Iterable[Path], root: Path, roles: frozenset[str]) -> Path:
    """The folder that a data set of these files begins in, without what only wraps it: names are told from there."""
    folders = {os.path.dirname(path) for path in files}  # noqa: PTH120 - half the time of Path.parent
    top = Path(os.path.commonpath(folders)) if folders else root
    while top != root and (top.name.casefold() in roles or split_of(top.name)):
        top = top.parent
    return top


def split_within(folder: str) -> tuple[Split, str] | None:
    """The split that one of the folders of a relative path stands for, with its name; the innermost if there are several."""
    for part in reversed(folder.split("/")):
        if split := split_of(part):
            return split, part
    return None


def glimpsed(tree: Tree, ending: str) -> Iterator[Path]:
    """A few files whose name ends so, from the folders nearest to the root: enough to tell what the others are."""
    suffix = f".{ending.rpartition('.')[2]}"
    waiting = [tree.root]
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            return
        listing = tree.list(waiting.pop(0))
        named_so = (path for path in listing.by_suffix.get(suffix, ()) if path.name.lower().endswith(ending))
        yield from islice(named_so, _FEW)
        waiting += listing.folders


def beginning(path: Path, tree: Tree, size: int = 4096) -> bytes:
    """The first bytes of a plain file, in UTF-8 where a mark says UTF-16 or UTF-32; none when it cannot be read."""
    try:
        content = first_bytes(path, tree.root, size)
    except (NotOpened, OSError):
        return b""
    encoding = marked_encoding(content)
    return content.decode(encoding, "ignore").encode() if encoding else content
