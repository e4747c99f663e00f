"""Say which image teaches and which examines: as the source says, as a plan says, or by a draw that is the same at every import.

A draw is stratified by class and decided by content: equal images, and ones that look alike, go together wherever they lie, and
neither names nor order nor dates play a part.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from eyebright_kit.data.selection import Names, naming
from eyebright_kit.data.survey import Picture
from eyebright_wire.datasets import Split, SplitPlan

#: The sha256 that stands for a group of images which look alike, by the sha256 of each. Who is not in it stands for itself.
Groups = Mapping[str, str]


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
    """The contents to hold back: of each stratum at least one of two, never all. What two strata share stays in train, where it
    cannot fake a good validation."""
    strata = _strata(pictures, stratified=True)
    times = Counter(content for contents in strata.values() for content in contents)
    held: set[str] = set()
    for contents in strata.values():
        own = {content for content in contents if times[content] == 1}
        count = min(max(round(len(own) * rule.share), 1), len(own) - 1)
        held |= _drawn(own, max(count, 0), rule.seed, groups)
    return held


def _by_shares(
    pictures: Sequence[Picture], plan: SplitPlan, shares: Mapping[Split, float], groups: Groups
) -> tuple[Picture, ...]:
    """Whatever split the source gave them. Each share gets at least one image of a stratum, as far as there are."""
    given: dict[str, Split] = {}
    strata = _strata(pictures, stratified=plan.stratified)
    # Contents in several strata are given by the first: by number, as the order of reading must play no part.
    for label in sorted(strata, key=lambda label: -1 if label is None else label):
        waiting = strata[label] - given.keys()
        for split, count in _counts(len(waiting), shares).items():
            drawn = _drawn(waiting, count, plan.seed, groups)
            given.update(dict.fromkeys(drawn, split))
            waiting -= drawn
        given.update(dict.fromkeys(waiting, _smallest_first(shares)[-1]))
    return tuple(picture.in_split(given[picture.sha256]) for picture in pictures)


def _strata(pictures: Iterable[Picture], *, stratified: bool) -> dict[int | None, set[str]]:
    """Contents by the rarest class that they show: rare classes are shared out fairly, and frequent ones by their number."""
    pictures = list(pictures)
    frequency = Counter(label for picture in pictures for label in picture.labels)
    strata: dict[int | None, set[str]] = defaultdict(set)
    for picture in pictures:
        rarest = min(picture.labels, key=lambda label: (frequency[label], label), default=None)
        strata[rarest if stratified else None].add(picture.sha256)
    return strata


def _drawn(contents: Collection[str], count: int, seed: int, groups: Groups) -> set[str]:
    """About `count` contents: whole groups of what looks alike as long as they fit, else the smallest one if it is at most twice
    too large. If that gives less than half, as when most of a class is one film, groups are torn: better a leak that is told
    than hardly any validation."""
    alike: dict[str, set[str]] = defaultdict(set)
    for content in contents:
        alike[groups.get(content, content)].add(content)
    drawn: set[str] = set()
    for group in sorted(alike, key=lambda group: _lot(group, seed)):
        if len(alike[group]) <= count - len(drawn):
            drawn |= alike[group]
    smallest = min(alike.values(), key=lambda members: (len(members), min(members)), default=set[str]())
    if not drawn and count and len(smallest) <= min(2 * count, len(contents) - 1):
        return smallest
    if 2 * len(drawn) < count:
        torn = sorted(set(contents) - drawn, key=lambda content: _lot(content, seed))
        drawn |= set(torn[: count - len(drawn)])
    return drawn


def _counts(total: int, shares: Mapping[Split, float]) -> dict[Split, int]:
    """How many go to each split but the largest, which takes the rest: at least one to each, as far as there are."""
    counts: dict[Split, int] = {}
    for split in _smallest_first(shares)[:-1]:
        left = total - sum(counts.values())
        counts[split] = min(max(round(total * shares[split]), 1), max(left - 1, 0))
    return counts


def _smallest_first(shares: Mapping[Split, float]) -> list[Split]:
    return sorted((split for split, share in shares.items() if share > 0), key=lambda split: shares[split])


def _lot(content: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{content}".encode()).digest()
