"""Class folders: the folder that an image lies in is its class.

    train/cats/1.jpg     split, then class
    cats/train/1.jpg     class, then split
    cats/1.jpg           class only; the platform makes the splits

Splits are called train; val, valid or validation; test or testing, in any case; or training_set and test_set. A folder that only
wraps all of this, as zips usually have one, is looked through, and so is train/ in train/.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.tree import Listing, Tree
from eyebright_kit.data.walk import named_like_image, natural_order, oddities, split_of, walk
from eyebright_kit.data.writing import Target
from eyebright_wire.datasets import Split

_DEEPEST_WRAPPING = 8


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

    def carries(self, present: Features) -> Features:
        return present & {Feature.LABEL}

    def write(self, target: Target) -> None:
        """`train/cats/1.jpg`. A class whose name cannot be a folder's is called by its number."""
        classes = target.header.classes
        folders = [target.name(target.into, name) for name in classes]
        for sample in target.samples():
            for name in folders if sample.label is not None else ():
                target.folder(sample.split, name)  # every class in every split, or its number would change
            inner = [folders[sample.label]] if sample.label is not None else []
            target.place_image(sample, target.folder(sample.split, *inner))


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
    wrappings: tuple[Path, ...] = ()  # round some of these
    class_folders: tuple[Path, ...] = ()  # of class/split
    split_names: Mapping[Split, str] = field(default_factory=dict[Split, str])


def _shape(tree: Tree) -> _Shape:
    top = _look_through(tree)
    folders = tree.folders(top)
    inside = {folder: tree.folders(folder) for folder in folders}
    if splits := _splits_above(inside) or _splits_by_affix(inside):
        return _split_then_class(tree, top, splits)
    if any(inside.values()) and all(_all_splits(inner) for inner in inside.values()):
        return _class_then_split(top, inside)
    return _Shape(top, tuple(_branch(folder, None) for folder in folders))


def _splits_above(inside: Mapping[Path, tuple[Path, ...]]) -> dict[Path, Split]:
    """The split folders of a split/class layout, or none.

    `train` may also be the class of locomotives: it is a split when it holds folders, or when nothing but splits lies beside it.
    """
    named = {folder: split for folder in inside if (split := split_of(folder.name))}
    return named if len(named) == len(inside) or any(inside[folder] for folder in named) else {}


def _splits_by_affix(inside: Mapping[Path, tuple[Path, ...]]) -> dict[Path, Split]:
    """Of `training_set` and `test_set`, or of `seg_train` and `seg_test`: folders of folders whose names differ only in the
    split; none where that leaves a choice."""
    found: dict[tuple[str, ...], dict[Path, Split]] = defaultdict(dict)
    for folder in filter(inside.get, inside):
        words = re.split(r"[_ .-]", folder.name.casefold())
        splits = [split for word in words if (split := split_of(word))]
        if len(splits) == 1 and len(words) > 1:
            found[tuple(word for word in words if not split_of(word))][folder] = splits[0]
    told = [folders for folders in found.values() if len(set(folders.values())) > 1]
    return told[0] if len(told) == len(found) == 1 else {}


def _split_then_class(tree: Tree, top: Path, splits: Mapping[Path, Split]) -> _Shape:
    within = {_unwrapped(tree, folder): split for folder, split in splits.items()}
    branches = tuple(_branch(folder, split) for inner, split in within.items() for folder in tree.folders(inner))
    names = _first_names((split, f"{folder.name}/") for folder, split in splits.items())
    wrappings = tuple(folder for folder in splits if folder not in within)
    return _Shape(top, branches, split_folders=tuple(within), wrappings=wrappings, split_names=names)


def _unwrapped(tree: Tree, folder: Path) -> Path:
    """The folder, or the one of the same name and with folders that lies in it alone, as unpacking leaves it."""
    inner, *others = tree.folders(folder) or (folder,)
    alone = not others and inner.name.casefold() == folder.name.casefold()
    return inner if alone and tree.folders(inner) else folder


def _class_then_split(top: Path, inside: Mapping[Path, tuple[Path, ...]]) -> _Shape:
    pairs = [(folder, split) for folder, splits in inside.items() for split in splits]
    branches = tuple(_branch(folder, split_of(split.name), split) for folder, split in pairs)
    branches += tuple(_branch(folder, Split.TRAIN) for folder, splits in inside.items() if not splits)
    names = _first_names((split_of(split.name), f"*/{split.name}/") for _, split in pairs)
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
    if split_of(folder.name) or not inside.folders or _has_images(inside):
        return False
    return not _all_splits(inside.folders) or any(tree.folders(split) for split in inside.folders)


def _all_splits(folders: Iterable[Path]) -> bool:
    return all(split_of(folder.name) for folder in folders)


def _has_images(listing: Listing) -> bool:
    return any(named_like_image(file) for file in listing.files)


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
    for folder in (*shape.wrappings, *shape.split_folders):
        yield from _loose(tree.list(folder), "image_without_class")
    for folder in shape.class_folders:
        yield from _loose(tree.list(folder), "image_without_split")
    if shape.split_folders:
        known = {*shape.wrappings, *shape.split_folders}
        yield from (Remark(folder, "unknown_folder") for folder in listing.folders if folder not in known)


def _loose(listing: Listing, code: str) -> Iterator[Remark]:
    yield from (Remark(file, code if named_like_image(file) else "other_file") for file in listing.files)
    yield from oddities(listing)


def _inside(tree: Tree, branch: _Branch, label: int, top: Path) -> Iterator[Candidate | Remark]:
    for found in walk(tree, branch.folder, nested="nested_folder"):
        yield found if isinstance(found, Remark) else Candidate(found, shown_path(found, top), branch.split, label)
