"""Make the validation split that a source lacks: the same images at every import, and none of them also in train."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eyebright_kit.data.survey import Good
from eyebright_wire.datasets import Split


@dataclass(frozen=True, slots=True)
class HoldoutRule:
    """How much of each class to hold back, and which draw."""

    share: float = 0.2
    seed: int = 0


def with_validation(images: Sequence[Good], rule: HoldoutRule | None = None) -> tuple[Good, ...]:
    """The same images, each in a split. Those that were in none go to train; if val is empty then, it is drawn from train.

    The draw is stratified by class and decided by content: equal files go together wherever they lie, and neither names nor
    order nor dates play a part. A class with one distinct image keeps it for training.
    """
    split = tuple(image if image.split else image.in_split(Split.TRAIN) for image in images)
    if any(image.split == Split.VAL for image in split):
        return split
    # An image that is also in test must not teach, but holding it back for validation harms nobody.
    held = _drawn((image for image in split if image.split == Split.TRAIN), rule or HoldoutRule())
    return tuple(_moved(image, held) for image in split)


def _moved(image: Good, held: set[str]) -> Good:
    return image.in_split(Split.VAL) if image.split == Split.TRAIN and image.sha256 in held else image


def _drawn(images: Iterable[Good], rule: HoldoutRule) -> set[str]:
    """The contents to hold back. What two classes share stays in train, where it cannot fake a good validation."""
    classes: dict[str, set[int | None]] = defaultdict(set)
    for image in images:
        classes[image.sha256].add(image.label)
    by_class: dict[int | None, list[str]] = defaultdict(list)
    for sha256, labels in classes.items():
        if len(labels) == 1:
            by_class[next(iter(labels))].append(sha256)
    return {sha256 for contents in by_class.values() for sha256 in _draw(contents, rule)}


def _draw(contents: list[str], rule: HoldoutRule) -> list[str]:
    """At least one of two, never all."""
    count = min(max(round(len(contents) * rule.share), 1), len(contents) - 1)
    return sorted(contents, key=lambda sha256: _lot(sha256, rule.seed))[:count]


def _lot(sha256: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{sha256}".encode()).digest()
