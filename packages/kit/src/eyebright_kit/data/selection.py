"""Which images a plan names: by names, and by patterns on names."""

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from fnmatch import translate
from itertools import islice
from pathlib import PurePosixPath
from typing import TypeAlias

from eyebright_kit.data.relabel import PlanInvalid
from eyebright_wire.datasets import DatasetPlan, Split

#: Is an image of this name meant?
Names: TypeAlias = Callable[[str], bool]

_WILD = re.compile(r"[*?\[]")
_COMPARED = 10_000  # names that a wrong one is compared with: half a second


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


def require_fits(plan: DatasetPlan, sources: Callable[[], Iterator[str]]) -> None:
    """Raises PlanInvalid for a name or pattern that none of the images fits, for an image that is listed for two splits, and when
    all names together leave no image. `sources` goes through the names of all images afresh at each call; where there are none,
    there is nothing to be wrong."""
    named = [(where, names) for where, names in _named(plan) if names]
    first = next(sources(), None) if named else None
    if first is None:
        return
    for where, names in named:
        if idle := _idle(names, sources):
            more = f" (and {len(idle) - 1:,} more)" if idle[1:] else ""
            raise PlanInvalid(f"no image fits {idle[0]!r}{more} in {where}; {_hint(idle[0], sources, first)}")
    _require_one_split(plan, filter(chosen_by(plan), sources()))
    if not any(map(chosen_by(plan), sources())):
        raise PlanInvalid(f"no image is left by include and exclude; images are called like {first}")


def _named(plan: DatasetPlan) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "include", plan.include
    yield "exclude", plan.exclude
    yield from ((f"splits.lists.{split}", names) for split, names in _lists(plan).items())


def _lists(plan: DatasetPlan) -> dict[Split, tuple[str, ...]]:
    return (plan.splits and plan.splits.lists) or {}


def _require_one_split(plan: DatasetPlan, chosen: Iterable[str]) -> None:
    listed = {split: names for split, names in _lists(plan).items() if names}
    if len(listed) < 2:
        return
    lists = {split: naming(names) for split, names in listed.items()}
    for source in chosen:
        splits = [split for split, names in lists.items() if names(source)]
        if splits[1:]:
            raise PlanInvalid(f"{source} is listed for {' and '.join(splits)} in splits.lists; list it for one of them")


def _idle(names: tuple[str, ...], sources: Callable[[], Iterator[str]]) -> list[str]:
    """Those that nothing fits. What is the name of an image needs no try as a pattern."""
    left = dict.fromkeys(names)
    for source in sources():
        left.pop(source, None)
    patterns = {name: re.compile(translate(name)) for name in left if _WILD.search(name)}
    for source in sources() if patterns else ():
        for name in [name for name, pattern in patterns.items() if pattern.match(source)]:
            del left[name], patterns[name]
    return list(left)


def _hint(name: str, sources: Callable[[], Iterator[str]], example: str) -> str:
    known = list(islice(sources(), _COMPARED))
    folders = dict.fromkeys(f"{folder}/*" for source in known for folder in PurePosixPath(source).parents)
    near = get_close_matches(name, [*folders, *known], n=1)
    return f"did you mean {near[0]!r}?" if near else f"images are called like {example}"
