"""Which split the images of a YOLO set are in, as far as data.yaml or lists of images say.

What they name is looked up among the files of the set: a place elsewhere is remarked upon and never looked at.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from eyebright_kit.data.documents import read_lines
from eyebright_kit.data.format import Remark
from eyebright_kit.data.formats.yolo_files import Files, folder_of
from eyebright_kit.data.formats.yolo_names import Description, display
from eyebright_kit.data.lookup import Lookup, NotFound, split_of_file
from eyebright_kit.data.pairs import beginning
from eyebright_kit.data.walk import named_like_image
from eyebright_wire.datasets import Split

_MOST_LIST_BYTES = 1024**3  # ten million paths


@dataclass(frozen=True, slots=True)
class Splits:
    """`listed` has the images that lists name; `named` the folders, from the root; `lists` the files that were read for it."""

    listed: dict[str, Split] = field(default_factory=dict[str, Split])
    named: dict[str, Split] = field(default_factory=dict[str, Split])
    lists: list[Path] = field(default_factory=list[Path])
    remarks: list[Remark] = field(default_factory=list[Remark])

    def of_folder(self, folder: str) -> Split | None:
        """That of the folder itself, or of the nearest one that it lies in."""
        return next((self.named[outer] for outer in _outwards(folder) if outer in self.named), None)


def splits(files: Files, description: Description) -> Splits:
    """What data.yaml says of where the images of a split are; without it, what train.txt, val.txt and test.txt list.

    Raises Unreadable for a list that is no text.
    """
    if description.file and description.sources:
        return _Described(files, description, description.file).splits()
    found = Splits()
    for text in files.at_the_top(map(Path, files.texts)):
        split = split_of_file(text.name)
        if split and str(text) not in files.labels and _lists_images(text, files):
            _take_list(found, files, text, split)
    return found


class _Described:
    """Looks up what data.yaml names."""

    def __init__(self, files: Files, description: Description, file: Path) -> None:
        self._files = files
        self._description = description
        self._file = file
        self._near = files.inside(str(file.parent))
        self._found = Splits()

    @cached_property
    def _folders(self) -> Lookup:
        return Lookup(_folders(self._files))

    @cached_property
    def _texts(self) -> Lookup:
        """Of all labels too, so it is made only for who asks."""
        return Lookup(map(self._files.inside, self._files.texts))

    def splits(self) -> Splits:
        for split, source in self._description.sources:
            if not self._is_taken(split, source):
                detail = f"{split} is {_quoted(source)}, which is not in the data set"
                self._found.remarks.append(Remark(self._file, "ignored_entry", detail))
        return self._found

    def _is_taken(self, split: Split, source: str) -> bool:
        if source.lower().endswith(".txt"):
            text = self._first(self._texts, source, split)
            if text is not None:
                _take_list(self._found, self._files, self._files.root / text, split)
            return text is not None
        folder = self._folder(source, split)
        if folder is not None:
            self._take_folder(folder, split, source)
        return folder is not None

    def _folder(self, source: str, split: Split) -> str | None:
        """A place elsewhere is one of the set, before it was moved, if two folders of its path are those of one in the set."""
        if source.rstrip("/") in ("", "."):
            return self._near
        folder = self._first(self._folders, source, split)
        return None if folder is not None and _is_elsewhere(source) and not _ends_alike(source, folder) else folder

    def _first(self, lookup: Lookup, source: str, split: Split) -> str | None:
        """Seen from the folder of data.yaml; or else from the one that its `path` names, if that lies in the set."""
        for name in (source, f"{self._description.folder}/{source}"):
            try:
                return lookup.find(name, self._near, split)
            except NotFound:
                continue
        return None

    def _take_folder(self, folder: str, split: Split, source: str) -> None:
        earlier = self._found.named.setdefault(folder, split)
        if earlier != split:
            detail = f"{split} is {_quoted(source)}, as {earlier} is; its images count for {earlier}"
            self._found.remarks.append(Remark(self._file, "contradiction", detail))


def _is_elsewhere(source: str) -> bool:
    """A path that starts from the root of a disk, a home, a host or a server. `../` only means the folder of data.yaml."""
    return bool(re.match(r"[/\\~]|[A-Za-z]:|[a-z0-9]+://", source))


def _ends_alike(source: str, folder: str) -> bool:
    named, lies = (path.replace("\\", "/").rstrip("/").casefold().split("/")[-2:] for path in (source, folder))
    return named == lies and len(lies) == 2


def _folders(files: Files) -> Iterator[str]:
    """Each folder that images lie in or below."""
    folders = {files.inside(folder) for folder in set(map(folder_of, files.images))}
    yield from {outer for folder in folders for outer in _outwards(folder) if outer}


def _outwards(folder: str) -> Iterator[str]:
    """The folder and all that it lies in, up to the root, which is empty."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _quoted(source: str) -> str:
    return display(repr(source))[:80]


# Lists


def _lists_images(text: Path, files: Files) -> bool:
    first = beginning(text, files.tree).split(b"\n", 1)[0].strip()
    return named_like_image(Path(first.decode("utf-8", "replace")))


def _take_list(found: Splits, files: Files, text: Path, split: Split) -> None:
    """An image that is in two lists counts for the first."""
    found.lists.append(text)
    near = files.inside(str(text.parent))
    for number, line in read_lines(text, files.root, _MOST_LIST_BYTES):
        try:
            found.listed.setdefault(str(files.root / files.lookup.find(line, near, split)), split)
        except NotFound as error:
            detail = f"{display(line)[:200]}: {error}"
            found.remarks.append(Remark(text, "missing_image", detail, str(number)))
