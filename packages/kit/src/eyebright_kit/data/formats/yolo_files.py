"""Which files of a YOLO set are images, which text describes each, and which split it is in.

An image belongs to the text that is called alike and lies in its folder or, with `labels` for `images` in the path, beside it.
The split is what data.yaml or a list of images says; failing that, what a folder is called.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eyebright_kit.data.documents import read_lines
from eyebright_kit.data.format import Remark
from eyebright_kit.data.formats.yolo_lines import begins_like_labels
from eyebright_kit.data.formats.yolo_names import Description, display, is_list_of_names
from eyebright_kit.data.lookup import Lookup, NotFound, split_of_file, split_of_folder
from eyebright_kit.data.pairs import IMAGE_ROLES, Gathered, Places, beginning, gather, top_of
from eyebright_kit.data.tree import Tree
from eyebright_kit.data.walk import named_like_image
from eyebright_wire.datasets import Split

LABEL_ROLES = frozenset({"labels", "label"})
_ROLES = IMAGE_ROLES | LABEL_ROLES
_MOST_LIST_BYTES = 1024**3  # ten million paths


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the set, and the file that describes it, if there is one."""

    image: str
    label: str | None
    split: Split | None = None


class Files:
    """All files below a root. Paths are kept as text: there are hundreds of thousands."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.root = tree.root
        gathered = gather(tree, _is_text)
        self.images = tuple(map(str, gathered.images))
        self.texts = tuple(map(str, gathered.documents))
        self.others = gathered.others
        self.remarks = gathered.remarks
        self.label_of = self._paired(gathered)
        described = (*self.label_of, *self.label_of.values()) or self.images
        one_of_each = {file.rpartition("/")[0]: file for file in described}
        self.top = top_of(map(Path, one_of_each.values()), self.root, _ROLES)

    def _paired(self, gathered: Gathered) -> dict[str, str]:
        """The label of each image that has one; what lies in a folder for labels goes before what lies beside the image."""
        places = Places(self.root, _ROLES)
        inner, outer = _parted(gathered.documents)
        labels = {places.of(text): str(text) for text in (*outer, *inner)}
        pairs = ((str(image), labels.get(places.of(image))) for image in gathered.images)
        return {image: label for image, label in pairs if label is not None}

    def at_the_top(self, files: Iterable[Path]) -> list[Path]:
        """Those of the files that lie where the set begins or in a folder that wraps it, the outermost first."""
        folders = [folder for folder in (*reversed(self.top.parents), self.top) if folder.is_relative_to(self.root)]
        return sorted((file for file in files if file.parent in folders), key=lambda file: (len(file.parts), file))

    def lists_of_names(self) -> list[Path]:
        """Everywhere: labelImg writes one beside the labels, Roboflow one into each split. None of them is a label."""
        labels = set(self.label_of.values())
        files = (*map(Path, self.texts), *self.others)
        return [file for file in files if is_list_of_names(file) and str(file) not in labels]

    def inside(self, path: str) -> str:
        """The path from the root, with forward slashes; empty for the root itself."""
        return Path(path).relative_to(self.root).as_posix().removeprefix(".") if path != str(self.root) else ""


def _is_text(path: Path) -> bool:
    return path.name[-4:].lower() == ".txt"


def _parted(texts: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Those in a folder for labels, and the others."""
    known: dict[str, bool] = {}
    parts: tuple[list[Path], list[Path]] = ([], [])
    for text in texts:
        folder = str(text.parent)
        if folder not in known:
            known[folder] = is_label_folder(text.parent)
        parts[not known[folder]].append(text)
    return parts


def is_label_folder(folder: Path) -> bool:
    return any(part.casefold() in LABEL_ROLES for part in folder.parts)


# Splits


@dataclass(slots=True)
class Splits:
    """`listed` has the images that lists name, `named` the folders; what is in neither goes by the name of its folder, or is
    not in the set at all when there are lists."""

    listed: dict[str, Split] = field(default_factory=dict[str, Split])
    named: dict[str, Split] = field(default_factory=dict[str, Split])
    lists: list[Path] = field(default_factory=list[Path])
    remarks: list[Remark] = field(default_factory=list[Remark])


def splits(files: Files, description: Description) -> Splits:
    """What data.yaml says of where the images of a split are; without it, what train.txt, val.txt and test.txt list."""
    found = Splits()
    if description.file is None or not description.sources:
        for text in files.at_the_top(map(Path, files.texts)):
            split = split_of_file(text.name)
            if split and str(text) not in files.label_of.values() and _lists_images(text, files.tree):
                _take_list(found, files, text, split)
        return found
    near = files.inside(str(description.file.parent))
    folders = Lookup(_folders(files))
    texts = Lookup(map(files.inside, files.texts))
    for split, source in description.sources:
        entries = _tried(source, description.folder)
        if source.lower().endswith(".txt"):
            if text := _first(texts, entries, near, split):
                _take_list(found, files, files.root / text, split)
                continue
        elif not _is_elsewhere(source):
            folder = near if source.rstrip("/") in ("", ".") else _first(folders, entries, near, split)
            if folder is not None:
                _take_folder(found, folder, split, source, description.file)
                continue
        detail = f"{split} is {display(repr(source))[:80]}, which is not there"
        found.remarks.append(Remark(description.file, "ignored_entry", detail))
    return found


def _folders(files: Files) -> Iterator[str]:
    """Each folder that images lie in or below."""
    seen: set[str] = set()
    for folder in {image.rpartition("/")[0] for image in files.images}:
        inside = files.inside(folder)
        while inside and inside not in seen:
            seen.add(inside)
            yield inside
            inside = inside.rpartition("/")[0]


def _tried(source: str, folder: str) -> tuple[str, ...]:
    return (source, f"{folder}/{source}") if folder else (source,)


def _first(lookup: Lookup, names: Iterable[str], near: str, split: Split) -> str | None:
    for name in names:
        try:
            return lookup.find(name, near, split)
        except NotFound:
            continue
    return None


def _is_elsewhere(source: str) -> bool:
    """A path that starts from the root of a disk, a home, a host or a server. `../` only means the folder of data.yaml."""
    return bool(re.match(r"[/\\~]|[A-Za-z]:|[a-z0-9]+://", source))


def _take_folder(found: Splits, folder: str, split: Split, source: str, file: Path) -> None:
    earlier = found.named.setdefault(folder, split)
    if earlier != split:
        detail = f"{split} is {display(repr(source))[:80]}, as {earlier} is; its images count for {earlier}"
        found.remarks.append(Remark(file, "contradiction", detail))


def _lists_images(text: Path, tree: Tree) -> bool:
    first = beginning(text, tree).split(b"\n", 1)[0].strip()
    return named_like_image(Path(first.decode("utf-8", "replace")))


def _take_list(found: Splits, files: Files, text: Path, split: Split) -> None:
    """Raises Unreadable. An image that is in two lists counts for the first."""
    found.lists.append(text)
    images, near = Lookup(map(files.inside, files.images)), files.inside(str(text.parent))
    for number, line in read_lines(text, files.root, _MOST_LIST_BYTES):
        try:
            found.listed.setdefault(str(files.root / images.find(line, near, split)), split)
        except NotFound as error:
            detail = f"{display(line)[:200]}: {error}"
            found.remarks.append(Remark(text, "missing_image", detail, str(number)))


# Everything in its place


@dataclass(frozen=True, slots=True)
class Layout:
    """The images of the set, and what became of every other file."""

    top: Path
    pictures: tuple[Picture, ...]
    remarks: tuple[Remark, ...]
    splits: Mapping[Split, str]


def lay_out(files: Files, described: Splits, in_use: Iterable[Path]) -> Layout:
    """`in_use` are the files that describe the set as a whole."""
    places = _Membership(files, described)
    pictures = tuple(picture for image in files.images if (picture := places.picture(image)))
    members = {picture.image for picture in pictures}
    used = {*filter(None, (picture.label for picture in pictures)), *map(str, in_use), *map(str, described.lists)}
    remarks = (
        *described.remarks,
        *(Remark(Path(image), "unlisted_image") for image in files.images if image not in members),
        *(_of_text(text, files) for text in files.texts if text not in used),
        *(Remark(file, "other_file") for file in files.others if str(file) not in used),
        *files.remarks,
    )
    return Layout(files.top, pictures, remarks, places.names)


class _Membership:
    """Decides folder by folder, as there are few of them."""

    def __init__(self, files: Files, described: Splits) -> None:
        self._files = files
        self._described = described
        self._top = files.inside(str(files.top))
        self._labelled = {image.rpartition("/")[0] for image in files.label_of}
        self._folders: dict[str, tuple[Split | None, bool]] = {}
        self.names: dict[Split, str] = {}

    def picture(self, image: str) -> Picture | None:
        """None when the image lies where none is looked for."""
        folder = image.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = self._judged(folder)
        split, belongs = self._folders[folder]
        if self._described.listed:
            split = self._described.listed.get(image) or self._named(folder)
            belongs = split is not None
        if not belongs:
            return None
        if split and split not in self.names:
            self.names[split] = f"{self._files.inside(folder)}/"
        return Picture(image, self._files.label_of.get(image), split)

    def _named(self, folder: str) -> Split | None:
        """Only what data.yaml says, as what no list has would not be in the set by the name of its folder."""
        inside = self._files.inside(folder)
        known = self._described.named
        return next((known[outer] for outer in _outwards(inside) if outer in known), None)

    def _judged(self, folder: str) -> tuple[Split | None, bool]:
        inside = self._files.inside(folder)
        split = self._named(folder) or split_of_folder(inside.removeprefix(self._top).strip("/"))
        parts = {part.casefold() for part in inside.split("/")}
        if parts & LABEL_ROLES:
            return split, False
        return split, bool(split or parts & IMAGE_ROLES or folder in self._labelled)


def _outwards(folder: str) -> Iterator[str]:
    """The folder and all that it lies in, up to the root, which is empty."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _of_text(text: str, files: Files) -> Remark:
    """A text that describes no image: was it meant to?"""
    path = Path(text)
    meant = begins_like_labels(beginning(path, files.tree))
    if meant is None:
        meant = is_label_folder(path.relative_to(files.root).parent)
    return Remark(path, "orphan_annotations" if meant else "other_file")
