"""Say which image teaches and which examines: as the source says, as a plan says, or by a draw that is the same at every import.

A draw is stratified by class and decided by content: equal images, and ones that look alike, go together wherever they lie, and
neither names nor order nor dates play a part.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from eyebright_kit.data.selection import matches
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
        pictures = [_listed(picture, plan.lists) for picture in pictures]
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
    held = _drawn(training, rule or HoldoutRule(), groups or {})
    return tuple(
        picture.in_split(Split.VAL)
        if picture.split == Split.TRAIN and _group(picture, groups or {}) in held
        else picture
        for picture in split
    )


def _group(picture: Picture, groups: Groups) -> str:
    return groups.get(picture.sha256, picture.sha256)


def _listed(picture: Picture, lists: Mapping[Split, Sequence[str]]) -> Picture:
    split = next((split for split, names in lists.items() if matches(picture.source, names)), None)
    return picture.in_split(split) if split else picture


def _drawn(pictures: Sequence[Picture], rule: HoldoutRule, groups: Groups) -> set[str]:
    """The groups to hold back. What two strata share stays in train, where it cannot fake a good validation."""
    by_stratum = _strata(pictures, groups, stratified=True)
    shared = {
        group for group, count in Counter(g for members in by_stratum.values() for g in members).items() if count > 1
    }
    return {
        group
        for members in by_stratum.values()
        for group in _draw([member for member in members if member not in shared], rule)
    }


def _strata(pictures: Iterable[Picture], groups: Groups, *, stratified: bool) -> dict[int | None, set[str]]:
    """Groups by the rarest class that they show: then the rare classes are shared out fairly, and the frequent ones by number."""
    pictures = list(pictures)
    frequency = Counter(label for picture in pictures for label in picture.labels)
    strata: dict[int | None, set[str]] = defaultdict(set)
    for picture in pictures:
        rarest = min(picture.labels, key=lambda label: (frequency[label], label), default=None)
        strata[rarest if stratified else None].add(_group(picture, groups))
    return strata


def _draw(groups: Sequence[str], rule: HoldoutRule) -> list[str]:
    """At least one of two, never all."""
    count = min(max(round(len(groups) * rule.share), 1), len(groups) - 1)
    return sorted(groups, key=lambda group: _lot(group, rule.seed))[: max(count, 0)]


def _by_shares(
    pictures: Sequence[Picture], plan: SplitPlan, shares: Mapping[Split, float], groups: Groups
) -> tuple[Picture, ...]:
    """Whatever split the source gave them. Each share gets at least one group of a stratum, as far as there are."""
    given: dict[str, Split] = {}
    for members in _strata(pictures, groups, stratified=plan.stratified).values():
        waiting = sorted(members - given.keys(), key=lambda group: _lot(group, plan.seed))
        for split, count in _counts(len(waiting), shares).items():
            given.update(dict.fromkeys(waiting[:count], split))
            del waiting[:count]
    return tuple(picture.in_split(given[_group(picture, groups)]) for picture in pictures)


def _counts(total: int, shares: Mapping[Split, float]) -> dict[Split, int]:
    """How many go to each split: the smaller ones first and at least one to each, the largest takes the rest."""
    smallest_first = sorted((split for split, share in shares.items() if share > 0), key=lambda split: shares[split])
    counts: dict[Split, int] = {}
    left = total
    for place, split in enumerate(smallest_first):
        last = place == len(smallest_first) - 1
        counts[split] = left if last else min(max(round(total * shares[split]), 1), max(left - 1, 0))
        left -= counts[split]
    return counts


def _lot(group: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{group}".encode()).digest()
