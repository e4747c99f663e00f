"""Rename, merge and drop classes: `Relabelling(classes, plan)`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from eyebright_kit.data.annotations import Skeleton
from eyebright_wire.datasets import DatasetPlan

_SHOWN = 10  # names in a message


class PlanInvalid(ValueError):
    """A wish names something that the data set does not have."""


@dataclass(frozen=True, slots=True)
class Relabelling:
    """`labels` has the new number of each old one; what is dropped is not in it."""

    classes: tuple[str, ...]
    labels: dict[int, int]

    @property
    def identical(self) -> bool:
        return all(old == new for old, new in self.labels.items()) and len(self.labels) == len(self.classes)

    def skeletons(self, old: Mapping[int, Skeleton]) -> dict[int, Skeleton]:
        return {self.labels[label]: skeleton for label, skeleton in old.items() if label in self.labels}


def relabelling(classes: Sequence[str], plan: DatasetPlan) -> Relabelling:
    """New numbers follow the old order; a merged class stands where its first part stood. Raises PlanInvalid."""
    for name in (*plan.rename, *plan.drop):
        if name not in classes:
            near = get_close_matches(name, classes, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"there are {_some_of(classes)}"
            raise PlanInvalid(f"the data set has no class {name!r}; {known}")
    kept = {label: plan.rename.get(name, name) for label, name in enumerate(classes) if name not in plan.drop}
    names = tuple(dict.fromkeys(kept.values()))
    return Relabelling(names, {label: names.index(name) for label, name in kept.items()})


def _some_of(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:_SHOWN])
    return f"{shown} and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else shown or "none"
