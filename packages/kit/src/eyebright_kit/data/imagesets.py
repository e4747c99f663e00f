"""The lists of images that Pascal VOC keeps for each split: `ImageSets/Main/train.txt`; `ImageSets/Segmentation/` for masks."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eyebright_kit.data.documents import read_lines
from eyebright_kit.data.format import Remark, shown_path
from eyebright_kit.data.pairs import Places, split_within
from eyebright_kit.data.tree import printable
from eyebright_wire.datasets import Split

_LISTS: Mapping[str, Split | None] = {
    "train": Split.TRAIN,
    "val": Split.VAL,
    "test": Split.TEST,
    "trainval": Split.TRAIN,  # only asked where neither train nor val lists an image
    "default": None,  # CVAT's, when there are no subsets
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list."""

    split: Split | None
    path: Path
    line: int


@dataclass(frozen=True, slots=True)
class ImageSets:
    """What the lists say, by place. `governed` are the folders whose images must be in one of them."""

    files: frozenset[Path] = frozenset()
    entries: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    governed: tuple[str, ...] = ()

    def leaves_out(self, place: str) -> bool:
        """There are lists for where the image lies, and it is in none of them."""
        return place not in self.entries and any(place.startswith(folder) for folder in self.governed)

    def split_of(self, place: str, path: Path, root: Path) -> Split | None:
        """As the lists say; where there are none, as the folders do."""
        if place in self.entries:
            return self.entries[place].split
        found = split_within(path.parent.relative_to(root).as_posix())
        return found[0] if found else None

    def missing(self, known: frozenset[str]) -> Iterator[Remark]:
        """The lines that name an image which is not there."""
        for place, entry in self.entries.items():
            if place not in known:
                yield Remark(entry.path, "missing_image", f"no image is called {printable(place)}", str(entry.line))


def read_image_sets(others: Iterable[Path], kind: str, root: Path, places: Places, known: frozenset[str]) -> ImageSets:
    """`kind` is "Main" or "Segmentation"; `known` are the places of all images. Raises Unreadable."""
    files = sorted((path for path in others if _is_list(path, kind)), key=lambda path: list(_LISTS).index(path.stem))
    entries: dict[str, Entry] = {}
    governed: set[str] = set()
    for path in files:
        folder = places.folder(path.parent.parent.parent)
        for number, line in read_lines(path, root):
            entries.setdefault(_place_in(folder, line, known), Entry(_LISTS[path.stem], path, number))
            governed.add(folder)
    return ImageSets(frozenset(files), entries, tuple(sorted(governed)))


def split_names(others: Iterable[Path], kind: str, images: Iterable[Path], root: Path) -> dict[Split, str]:
    """What the source calls its splits: by its lists or, failing that, by folders."""
    names: dict[Split, str] = {}
    for path in others:
        if _is_list(path, kind) and (split := _LISTS[path.stem]):
            names.setdefault(split, shown_path(path, path.parent.parent.parent))
    for folder in sorted({path.parent for path in images}):
        if found := split_within(folder.relative_to(root).as_posix()):
            names.setdefault(found[0], f"{printable(found[1])}/")
    return names


def _is_list(path: Path, kind: str) -> bool:
    return path.parts[-3:-1] == ("ImageSets", kind) and path.suffix == ".txt" and path.stem in _LISTS


def _place_in(folder: str, line: str, known: frozenset[str]) -> str:
    """`a`, `a.jpg`, `"a b"` in CVAT's way, or `a -1` in the way of the lists of one class: as it fits an image."""
    bare = line.strip('"')
    readings = (bare, re.sub(r"\s+-?[01]$", "", bare), re.sub(r"\.\w{3,4}$", "", bare))
    return next((folder + reading for reading in readings if folder + reading in known), folder + bare)
