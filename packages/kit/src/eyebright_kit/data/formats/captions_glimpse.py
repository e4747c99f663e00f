"""Tell a set of captions from others by a glimpse of it: which folders have images, and what the texts beside these look like."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from eyebright_kit.data.images import IMAGE_SUFFIXES
from eyebright_kit.data.pairs import IMAGE_ROLES, TEXT_ROLES, beginning
from eyebright_kit.data.tree import Listing, Tree
from eyebright_kit.data.walk import split_of

TEXTS = (".txt", ".caption")  # the first goes before
REGULARISATION = re.compile(r"reg(?:ulari[sz]ation)?(?:[ _-]?(?:images?|imgs?))?", re.IGNORECASE)
CONCEPT = re.compile(r"([1-9][0-9]{0,2})_(.*)", re.DOTALL)  # 2024_holiday is no folder of kohya's
_FOLDERS_SEEN = 64
_TEXTS_SEEN = 8
_LEAST_NUMBERS = 5  # of a line in a label file: YOLO's has as many at least


@dataclass(slots=True)
class Glimpse:
    """What the folders nearest to the root hold: which have images, and what the texts beside these look like."""

    folders: list[tuple[str, ...]] = field(
        default_factory=list[tuple[str, ...]]
    )  # with images, as parts below the root
    names: set[str] = field(default_factory=set[str])  # of all folders
    images: int = 0
    paired: int = 0  # images with a text beside them
    captions: int = 0  # texts that were looked into
    labels: int = 0

    def has_captions(self) -> bool:
        """One note in a class folder makes no captions, but one caption for two images does."""
        meant = 2 * self.paired >= self.images or self.is_images_alone() or bool(self._repeats())
        return meant and self.captions > self.labels

    def is_of_concepts(self) -> bool:
        """kohya's folders. What is numbered one after the other without a gap may be classes, unless what lies around says."""
        repeats = self._repeats()
        above = {part for parts in self.folders for part in parts[:-1]}
        told = "img" in above or any(map(REGULARISATION.fullmatch, above))
        a_run = len(repeats) > 1 and sorted(repeats) == [*range(min(repeats), min(repeats) + len(repeats))]
        return bool(repeats) and (told or not a_run)

    def _repeats(self) -> list[int]:
        """The number of each folder if all of them are such as kohya's, else nothing."""
        numbers = [CONCEPT.fullmatch(parts[-1]) if parts else None for parts in self.folders]
        return [int(number[1]) for number in numbers if number] if all(numbers) else []

    def is_images_alone(self) -> bool:
        """In the root itself, in folders called after splits, or in one that is called `images` or the like."""
        bases: set[tuple[str, ...]] = set()
        for folder in self.folders:
            parts = [part.casefold() for part in folder if not split_of(part)]
            if parts and parts[-1] not in IMAGE_ROLES:
                return False
            bases.add(tuple(part for part in parts if part not in IMAGE_ROLES))
        return len(bases) == 1 and not self.names & TEXT_ROLES


def glimpse_of(tree: Tree) -> Glimpse:
    glimpse = Glimpse()
    waiting = [tree.root]
    for folder in islice(waiting, _FOLDERS_SEEN):  # the list grows while it is gone through
        listing = tree.list(folder)
        waiting += listing.folders
        glimpse.names.update(inner.name.casefold() for inner in listing.folders)
        _look_into(listing, folder, tree, glimpse)
    return glimpse


def _look_into(listing: Listing, folder: Path, tree: Tree, glimpse: Glimpse) -> None:
    images = [path for suffix in IMAGE_SUFFIXES & listing.by_suffix.keys() for path in listing.by_suffix[suffix]]
    if not images:
        return
    stems = {path.stem for path in images}
    names = stems.union(path.name for path in images)
    texts = [path for ending in TEXTS for path in listing.by_suffix.get(ending, ()) if path.stem in names]
    glimpse.folders.append(folder.relative_to(tree.root).parts)
    glimpse.images += len(stems)
    glimpse.paired += len({path.stem for path in texts})
    for path in texts:
        if glimpse.captions + glimpse.labels >= _TEXTS_SEEN:
            break
        text = beginning(path, tree).decode("utf-8", "ignore")
        glimpse.labels += is_labels(text)
        glimpse.captions += not is_labels(text) and bool(text.strip())


def is_labels(text: str) -> bool:
    """A line with numbers and hardly anything else, as in the labels of YOLO, DOTA or KITTI."""
    return any(_is_of_numbers(line.split()) for line in text.splitlines())


def _is_of_numbers(words: Sequence[str]) -> bool:
    numbers = sum(word.replace(".", "", 1).replace("-", "").replace("e", "").isdecimal() for word in words)
    return numbers >= _LEAST_NUMBERS and numbers >= 0.6 * len(words)


def has_ending(path: Path, endings: tuple[str, ...]) -> bool:
    return path.suffix.lower() in endings
