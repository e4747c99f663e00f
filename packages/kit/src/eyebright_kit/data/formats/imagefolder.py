"""Class folders: the folder that an image lies in is its class.

    train/cats/1.jpg     split, then class
    cats/train/1.jpg     class, then split
    cats/1.jpg           class only; the platform makes the splits

Splits are called train; val, valid or validation; test or testing, in any case. A folder that only wraps all of this, as zips
usually have one, is looked through.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from eyebright_kit.data.format import Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.images import IMAGE_SUFFIXES
from eyebright_kit.data.local import LocalDataset
from eyebright_kit.data.materialise import materialise
from eyebright_kit.data.tree import Listing, Tree, target
from eyebright_wire.datasets import Split, VersionManifest

SPLIT_WORDS = {
    "train": Split.TRAIN,
    "val": Split.VAL,
    "valid": Split.VAL,
    "validation": Split.VAL,
    "test": Split.TEST,
    "testing": Split.TEST,
}
_DEEPEST_WRAPPING = 8
_DEEPEST_NESTING = 32


class ImageFolder:
    """The registered format."""

    name = "imagefolder"
    tasks = ("classification",)
    layout = "one folder per class, such as cats/1.jpg and dogs/1.jpg, alone or inside train/, val/ and test/"

    def matches(self, root: Path) -> Certainty:
        """Any folder with folders or images in it: the plainest of formats, so it yields to every surer one."""
        listing = Tree(root).list(root)
        return Certainty.POSSIBLE if listing.folders or listing.outside or _has_images(listing) else Certainty.NO

    def read(self, root: Path) -> Reading:
        tree = Tree(root)
        shape = _shape(tree)
        classes = tuple(sorted({branch.name for branch in shape.branches}, key=natural_order))
        labels = {name: label for label, name in enumerate(classes)}
        return Reading(
            classes=classes,
            found=partial(_found, tree, shape, labels),
            splits=shape.split_names,
            places={
                (branch.split, labels[branch.name]): f"{shown_path(branch.folder, shape.top)}/"
                for branch in shape.branches
            },
            class_noun="class folder",
        )

    def write(self, manifest: VersionManifest, blobs: Path, into: Path) -> LocalDataset:
        """Class folders are numbers of four digits: their order is the classes' order, and no name becomes a path."""
        return materialise(manifest, blobs, into)


def natural_order(name: str) -> tuple[list[str | int], str]:
    """Sort key: numbers by value, letters without case; a tie is decided by the exact name."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


# The shape of the tree


@dataclass(frozen=True, slots=True)
class _Branch:
    """The folder of one class in one split."""

    folder: Path
    name: str
    split: Split | None


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where the layout begins, and what each folder there is. Made once: listing a million files takes seconds."""

    top: Path
    branches: tuple[_Branch, ...]
    split_folders: tuple[Path, ...] = ()  # of split/class
    class_folders: tuple[Path, ...] = ()  # of class/split
    split_names: Mapping[Split, str] = field(default_factory=dict[Split, str])


def _shape(tree: Tree) -> _Shape:
    top = _look_through(tree)
    folders = tree.folders(top)
    inside = {folder: tree.folders(folder) for folder in folders}
    if splits := _splits_above(inside):
        return _split_then_class(top, {split: inside[split] for split in splits})
    if any(inside.values()) and all(_all_splits(inner) for inner in inside.values()):
        return _class_then_split(top, inside)
    return _Shape(top, tuple(_branch(folder, None) for folder in folders))


def _splits_above(inside: Mapping[Path, tuple[Path, ...]]) -> tuple[Path, ...]:
    """The split folders of a split/class layout, or none.

    `train` may also be the class of locomotives: it is a split when it holds folders, or when nothing but splits lies beside it.
    """
    named = tuple(folder for folder in inside if _split_of(folder))
    return named if len(named) == len(inside) or any(inside[folder] for folder in named) else ()


def _split_then_class(top: Path, inside: Mapping[Path, tuple[Path, ...]]) -> _Shape:
    branches = tuple(_branch(folder, _split_of(split)) for split, folders in inside.items() for folder in folders)
    names = _first_names((_split_of(split), f"{split.name}/") for split in inside)
    return _Shape(top, branches, split_folders=tuple(inside), split_names=names)


def _class_then_split(top: Path, inside: Mapping[Path, tuple[Path, ...]]) -> _Shape:
    pairs = [(folder, split) for folder, splits in inside.items() for split in splits]
    branches = tuple(_branch(folder, _split_of(split), split) for folder, split in pairs)
    branches += tuple(_branch(folder, Split.TRAIN) for folder, splits in inside.items() if not splits)
    names = _first_names((_split_of(split), f"*/{split.name}/") for _, split in pairs)
    return _Shape(
        top, branches, class_folders=tuple(folder for folder, splits in inside.items() if splits), split_names=names
    )


def _first_names(pairs: Iterable[tuple[Split | None, str]]) -> dict[Split, str]:
    names: dict[Split, str] = {}
    for split, name in pairs:
        if split:
            names.setdefault(split, name)
    return names


def _branch(class_folder: Path, split: Split | None, inner: Path | None = None) -> _Branch:
    # macOS stores an accent apart from its letter, others together: one class all the same.
    name = unicodedata.normalize("NFC", shown_path(class_folder, class_folder.parent))
    return _Branch(inner or class_folder, name, split)


def _look_through(tree: Tree) -> Path:
    """The folder where the layout begins."""
    top = tree.root
    for _ in range(_DEEPEST_WRAPPING):
        listing = tree.list(top)
        if len(listing.folders) != 1 or _has_images(listing) or not _only_wraps(tree, listing.folders[0]):
            break
        top = listing.folders[0]
    return top


def _only_wraps(tree: Tree, folder: Path) -> bool:
    """Not a split, not a class with images of its own, and not a single class that is divided into splits."""
    inside = tree.list(folder)
    if _split_of(folder) or not inside.folders or _has_images(inside):
        return False
    return not _all_splits(inside.folders) or any(tree.folders(split) for split in inside.folders)


def _split_of(folder: Path) -> Split | None:
    return SPLIT_WORDS.get(folder.name.casefold())


def _all_splits(folders: Iterable[Path]) -> bool:
    return all(_split_of(folder) for folder in folders)


def _has_images(listing: Listing) -> bool:
    return any(_named_like_image(file) for file in listing.files)


def _named_like_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES


# Walking


def _found(tree: Tree, shape: _Shape, labels: Mapping[str, int]) -> Iterator[Candidate | Remark]:
    """Every file below `root`, as a candidate or with a remark."""
    level = shape.top
    while level != tree.root:
        level = level.parent
        yield from _loose(tree.list(level), "image_without_class")
    yield from _above_the_classes(tree, shape)
    for branch in shape.branches:
        yield from _inside(tree, branch, labels[branch.name], shape.top)


def _above_the_classes(tree: Tree, shape: _Shape) -> Iterator[Remark]:
    """What lies beside the classes or their splits, and so belongs to none."""
    listing = tree.list(shape.top)
    yield from _loose(listing, "image_without_class")
    for folder in shape.split_folders:
        yield from _loose(tree.list(folder), "image_without_class")
    for folder in shape.class_folders:
        yield from _loose(tree.list(folder), "image_without_split")
    if shape.split_folders:
        yield from (Remark(folder, "unknown_folder") for folder in listing.folders if folder not in shape.split_folders)


def _loose(listing: Listing, code: str) -> Iterator[Remark]:
    yield from (Remark(file, code if _named_like_image(file) else "other_file") for file in listing.files)
    yield from _oddities(listing)


def _oddities(listing: Listing) -> Iterator[Remark]:
    yield from (Remark(path, "system_file") for path in listing.system)
    yield from (Remark(path, "special_file") for path in listing.special)
    yield from (Remark(path, "outside_link", f"it leads to {target(path)}") for path in listing.outside)
    yield from (Remark(path, "unreadable_file") for path in listing.unreadable)


def _inside(tree: Tree, branch: _Branch, label: int, top: Path) -> Iterator[Candidate | Remark]:
    for found in _walk(tree, branch.folder, (), set()):
        yield found if isinstance(found, Remark) else Candidate(found, shown_path(found, top), branch.split, label)


_Identity = tuple[int, int]  # of a folder, however it was come by: device and inode


def _walk(tree: Tree, folder: Path, above: tuple[_Identity, ...], seen: set[_Identity]) -> Iterator[Path | Remark]:
    """Files in and below a folder, each once: `above` are the folders that led here, so that a link back up is recognised, and
    `seen` all that were read, or folders full of links to each other would be read in every order."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in seen or len(above) > _DEEPEST_NESTING:
        yield Remark(folder, "special_file" if here in above else "repeated_folder" if here in seen else "too_deep")
        return
    if above:
        yield Remark(folder, "nested_folder")
    seen.add(here)
    listing = tree.list(folder)
    # A pipe that is called 1.jpg means to be an image like any other file of that name, and is judged as one.
    posing = tuple(path for path in listing.special if _named_like_image(path))
    yield from sorted((*listing.files, *posing))
    yield from _oddities(replace(listing, special=tuple(path for path in listing.special if path not in posing)))
    for inner in listing.folders:
        yield from _walk(tree, inner, (*above, here), seen)
