"""Which images a plan wants: by names, and by patterns on names."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import TypeAlias

from eyebright_wire.datasets import DatasetPlan

#: Is an image of this name meant?
Names: TypeAlias = Callable[[str], bool]

_WILD = re.compile(r"[*?\[]")


def chosen_by(plan: DatasetPlan) -> Names:
    """Among those to include, if there are any, and none of those to exclude."""
    included, excluded = naming(plan.include), naming(plan.exclude)
    return lambda source: (not plan.include or included(source)) and not excluded(source)


def naming(names: Iterable[str]) -> Names:
    """Equal to one of the names, or fits one of the patterns, in which `*` crosses folders. Made once and asked for every image:
    a list can name a hundred thousand."""
    exact = frozenset(names)
    patterns = re.compile("|".join(translate(name) for name in sorted(exact) if _WILD.search(name)) or r"(?!)")
    return lambda source: source in exact or patterns.match(source) is not None
