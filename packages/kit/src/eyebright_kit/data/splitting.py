"""Say which image teaches and which examines: as the source says, as a plan says, or by a draw that is the same at every import.

A draw is stratified by class and decided by content: equal images, and ones that look alike, go together wherever they lie and
whatever they are called, and neither names nor order nor dates play a part.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from eyebright_kit.data.selection import Names, naming
from eyebright_kit.data.survey import Picture
from eyebright_wire.datasets import Split, SplitPlan

#: The sha256 that stands for a group of images which look alike, by the sha256 of each. Who is not in it stands for itself.
Groups = Mapping[str, str]

#: Contents that stay together, by the one that stands for them.
_Units: TypeAlias = dict[str, list[str]]

_NONE = -1  # the class of an image without any


@dataclass(frozen=True, slots=True)
class HoldoutRule:
    """How much of each class to hold back, and which draw."""

    share: float = 0.2
    seed: int = 0


def with_splits(
    pictures: Sequence[Picture], plan: SplitPlan | None, rule: HoldoutRule, groups: Groups
) -> tuple[Picture, ...]:
    """The same images, each in a split."""
    if plan and plan.shares:
        return _by_shares(pictures, plan, plan.shares, groups)
    if plan and plan.lists:
        lists = {split: naming(names) for split, names in plan.lists.items()}
        pictures = [_listed(picture, lists) for picture in pictures]
    return with_validation(pictures, rule, groups)


def with_validation(
    pictures: Sequence[Picture], rule: HoldoutRule | None = None, groups: Groups | None = None
) -> tuple[Picture, ...]:
    """Those that were in no split go to train; if val is empty then, it is drawn from train.

    A class with one distinct image keeps it for training. A set that has nothing to compare answers with, such as pictures with
    captions, has no use for validation and keeps everything for training.
    """
    split = tuple(picture if picture.split else picture.in_split(Split.TRAIN) for picture in pictures)
    if any(picture.split == Split.VAL for picture in split) or not any(picture.labels for picture in split):
        return split
    # An image that is also in test must not teach, but holding it back for validation harms nobody.
    training = [picture for picture in split if picture.split == Split.TRAIN]
    held = _held_back(training, rule or HoldoutRule(), groups or {})
    return tuple(
        picture.in_split(Split.VAL) if picture.split == Split.TRAIN and picture.sha256 in held else picture
        for picture in split
    )


def _listed(picture: Picture, lists: Mapping[Split, Names]) -> Picture:
    split = next((split for split, names in lists.items() if names(picture.source)), None)
    return picture.in_split(split) if split else picture


def _held_back(pictures: Sequence[Picture], rule: HoldoutRule, groups: Groups) -> set[str]:
    """The contents to hold back: of each stratum at least one of two, as far as train keeps one of every class."""
    pool = _Pool(pictures, groups)
    held: set[str] = set()
    for units in pool.strata(stratified=True):
        total = _size(units)
        held |= pool.draw(units, min(max(round(total * rule.share), 1), total - 1), rule.seed)
    return held


def _by_shares(
    pictures: Sequence[Picture], plan: SplitPlan, shares: Mapping[Split, float], groups: Groups
) -> tuple[Picture, ...]:
    """Whatever split the source gave them. Each share gets at least one image of a stratum, as far as there are; the largest
    keeps one of every class."""
    given: dict[str, Split] = {}
    pool = _Pool(pictures, groups)
    for units in pool.strata(stratified=plan.stratified):
        for split, count in _counts(_size(units), shares).items():
            drawn = pool.draw(units, count, plan.seed)
            given.update(dict.fromkeys(drawn, split))
            units = _without(units, drawn)
    largest = _smallest_first(shares)[-1]
    return tuple(picture.in_split(given.get(picture.sha256, largest)) for picture in pictures)


class _Pool:
    """The contents that are still to be drawn, and how many of them show each class: the last of a class is never drawn."""

    def __init__(self, pictures: Iterable[Picture], groups: Groups) -> None:
        self._groups = groups
        self._labels: dict[str, tuple[int, ...]] = {}
        for picture in pictures:
            known = self._labels.setdefault(picture.sha256, picture.labels)
            if known != picture.labels:  # the same image under several classes
                self._labels[picture.sha256] = tuple(sorted({*known, *picture.labels}))
        self._left = Counter(label for labels in self._labels.values() for label in labels)

    def strata(self, *, stratified: bool) -> Iterator[_Units]:
        """What looks alike is one unit, of the class that most of it counts for. An image counts for the rarest class that it
        shows, so that rare classes are shared out fairly, and frequent ones by their number."""
        frequency = Counter(self._left)

        def rarest(content: str) -> int:
            return min(self._labels[content], key=lambda label: (frequency[label], label), default=_NONE)

        units: _Units = defaultdict(list)
        for content in self._labels:
            units[self._groups.get(content, content)].append(content)
        strata: dict[int, _Units] = defaultdict(dict)
        for name, contents in units.items():
            strata[_most_common(map(rarest, contents)) if stratified else _NONE][name] = contents
        yield from (strata[label] for label in sorted(strata))

    def draw(self, units: _Units, count: int, seed: int) -> set[str]:
        """About `count` contents: whole units as long as they fit, else the smallest one if it is at most twice too large. If
        that gives less than half, as when most of a class is one film, units are torn, one after the other: better a leak that
        is told than hardly any validation."""
        names = sorted(units, key=lambda name: _lot(name, seed))
        drawn = self._whole([units[name] for name in names], count)
        if not drawn:
            limit = min(2 * count, _size(units) - 1)
            small = (units[name] for name in sorted(names, key=lambda name: len(units[name])))
            drawn = next((set(unit) for unit in small if len(unit) <= limit and self._take(unit)), drawn)
        if 2 * len(drawn) < count:
            rest = (content for name in names for content in sorted(units[name], key=lambda each: _lot(each, seed)))
            drawn |= self._whole([[content] for content in rest if content not in drawn], count - len(drawn))
        return drawn

    def _whole(self, units: Iterable[Collection[str]], count: int) -> set[str]:
        """As many as fit."""
        drawn: set[str] = set()
        for unit in units:
            if len(unit) <= count - len(drawn) and self._take(unit):
                drawn.update(unit)
        return drawn

    def _take(self, contents: Iterable[str]) -> bool:
        """Unless they are the last of a class."""
        taken = Counter(label for content in contents for label in self._labels[content])
        if any(self._left[label] <= count for label, count in taken.items()):
            return False
        self._left.subtract(taken)
        return True


def _most_common(labels: Iterable[int]) -> int:
    votes = Counter(labels)
    return min(votes, key=lambda label: (-votes[label], label))


def _size(units: _Units) -> int:
    return sum(map(len, units.values()))


def _without(units: _Units, drawn: Collection[str]) -> _Units:
    left = {name: [content for content in unit if content not in drawn] for name, unit in units.items()}
    return {name: unit for name, unit in left.items() if unit}


def _counts(total: int, shares: Mapping[Split, float]) -> dict[Split, int]:
    """How many go to each split but the largest, which takes the rest: at least one to each, as far as there are."""
    counts: dict[Split, int] = {}
    for split in _smallest_first(shares)[:-1]:
        left = total - sum(counts.values())
        counts[split] = min(max(round(total * shares[split]), 1), max(left - 1, 0))
    return counts


def _smallest_first(shares: Mapping[Split, float]) -> list[Split]:
    """Of equal ones train is the largest: the last of a class must teach."""
    used = (split for split, share in shares.items() if share > 0)
    return sorted(used, key=lambda split: (shares[split], split == Split.TRAIN))


def _lot(content: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{content}".encode()).digest()
