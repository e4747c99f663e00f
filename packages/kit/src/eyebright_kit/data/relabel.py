"""Rename, merge and drop classes: `Relabelling(classes, plan)`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from eyebright_kit.data.annotations import Skeleton
from eyebright_wire.datasets import DatasetPlan

_SHOWN = 10  # names in a message


class PlanInvalid(ValueError):
    """A wish names something that the data set does not have."""


@dataclass(frozen=True)
class Relabelling:
    """`labels` has the new number of each old one; what is dropped is not in it."""

    classes: tuple[str, ...]
    labels: dict[int, int]
    before: int  # how many classes there were

    @cached_property  # asked for every image
    def identical(self) -> bool:
        return all(old == new for old, new in self.labels.items()) and len(self.labels) == self.before

    def skeletons(self, old: Mapping[int, Skeleton]) -> dict[int, Skeleton]:
        """Of a merged class, the one of its first part that has any."""
        kept: dict[int, Skeleton] = {}
        for label, skeleton in sorted(old.items()):
            if label in self.labels:
                kept.setdefault(self.labels[label], skeleton)
        return kept


def relabelling(
    classes: Sequence[str], plan: DatasetPlan, skeletons: Mapping[int, Skeleton] | None = None
) -> Relabelling:
    """New numbers follow the old order; a merged class stands where its first part stood.

    Raises PlanInvalid for a class that is not there, and for classes that would become one though their keypoints differ.
    """
    known_names, dropped = frozenset(classes), frozenset(plan.drop)
    for name in (*plan.rename, *plan.drop):
        if name not in known_names:
            near = get_close_matches(name, classes, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"there are {some_of(classes)}"
            raise PlanInvalid(f"the data set has no class {name!r}; {known}")
    kept = {label: plan.rename.get(name, name) for label, name in enumerate(classes) if name not in dropped}
    _require_one_skeleton(classes, kept, skeletons or {})
    numbers = {name: number for number, name in enumerate(dict.fromkeys(kept.values()))}
    return Relabelling(tuple(numbers), {label: numbers[name] for label, name in kept.items()}, len(classes))


def _require_one_skeleton(classes: Sequence[str], kept: Mapping[int, str], skeletons: Mapping[int, Skeleton]) -> None:
    first: dict[str, int] = {}
    for label in sorted(skeletons.keys() & kept.keys()):
        other = first.setdefault(kept[label], label)
        points, others = skeletons[label].keypoints, skeletons[other].keypoints
        if points != others and classes[label] != classes[other]:  # what the source itself calls alike is no wish
            raise PlanInvalid(
                f"{classes[other]!r} and {classes[label]!r} cannot become one class: their keypoints are {some_of(others)} "
                f"and {some_of(points)}; drop one of them, or leave them apart"
            )


def some_of(classes: Sequence[str]) -> str:
    """`a, b, c`; of many the first, and how many more there are."""
    shown = ", ".join(classes[:_SHOWN])
    return f"{shown} and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else shown or "none"
