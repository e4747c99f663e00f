"""Go through all that lies in a folder of a data set: every file once, every oddity with its remark."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from eyebright_kit.data.format import Remark
from eyebright_kit.data.images import IMAGE_SUFFIXES
from eyebright_kit.data.tree import Listing, Tree, target
from eyebright_wire.datasets import Split

SPLIT_WORDS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VAL,
    "valid": Split.VAL,
    "validation": Split.VAL,
    "test": Split.TEST,
    "testing": Split.TEST,
}
_DEEPEST_NESTING = 32

_Identity = tuple[int, int]  # of a folder, however it was come by: device and inode


def split_of(name: str) -> Split | None:
    """The split that a folder, or a part of a file name, stands for by its name alone."""
    return SPLIT_WORDS.get(name.casefold())


def named_like_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES


def natural_order(name: str) -> tuple[list[str | int], str]:
    """Sort key: numbers by value, letters without case; a tie is decided by the exact name."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def oddities(listing: Listing) -> Iterator[Remark]:
    """What in a folder is neither a plain file nor a folder to be entered."""
    yield from (Remark(path, "system_file") for path in listing.system)
    yield from (Remark(path, "special_file") for path in listing.special)
    yield from (Remark(path, "outside_link", f"it leads to {target(path)}") for path in listing.outside)
    yield from (Remark(path, "unreadable_file") for path in listing.unreadable)


def walk(
    tree: Tree,
    folder: Path,
    *,
    nested: str | None = None,
    _above: tuple[_Identity, ...] = (),
    _seen: set[_Identity] | None = None,
) -> Iterator[Path | Remark]:
    """Files in and below a folder, each once, and remarks; `nested` is the code to remark a folder in the folder with.

    The folders that led here are known, so that a link back up is recognised, and so are all that were read, or folders full
    of links to each other would be read in every order.
    """
    seen: set[_Identity] = set() if _seen is None else _seen
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in seen or len(_above) > _DEEPEST_NESTING:
        yield Remark(folder, "special_file" if here in _above else "repeated_folder" if here in seen else "too_deep")
        return
    if _above and nested:
        yield Remark(folder, nested)
    seen.add(here)
    listing = tree.list(folder)
    # A pipe that is called 1.jpg means to be an image like any other file of that name, and is judged as one.
    posing = tuple(path for path in listing.special if named_like_image(path))
    yield from sorted((*listing.files, *posing)) if posing else listing.files
    yield from oddities(replace(listing, special=tuple(path for path in listing.special if path not in posing)))
    for inner in listing.folders:
        yield from walk(tree, inner, nested=nested, _above=(*_above, here), _seen=seen)
