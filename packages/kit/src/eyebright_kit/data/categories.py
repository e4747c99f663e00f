"""Make one list of classes of the categories of several files: by name, because the numbers can differ from file to file."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from eyebright_kit.data.annotations import Skeleton
from eyebright_kit.data.format import Remark
from eyebright_kit.data.gathering import Id, key_of, shown_id
from eyebright_kit.data.tree import printable
from eyebright_kit.data.walk import natural_order

_SIDES = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"))


class Category(Struct, frozen=True):
    """A class, under the number that it has in one file."""

    id: Id
    name: str | int | float | None = None
    supercategory: Any = None
    keypoints: list[str] | None = None
    skeleton: list[tuple[int, int]] | None = None

    @property
    def group(self) -> str:
        """What its supercategory says; empty for one that says nothing."""
        group = str(self.supercategory)
        return "" if group in ("", "none", "None", str(self.name)) else group


class Categorised(Protocol):
    """A file with categories. `used` are the numbers that annotations are of."""

    @property
    def path(self) -> Path: ...
    @property
    def shown(self) -> str: ...  # its name inside the data set, with forward slashes
    @property
    def categories(self) -> Sequence[Category]: ...
    @property
    def used(self) -> Set[Id]: ...


@dataclass(frozen=True, slots=True)
class Classes:
    """`labels` has for each file the class of each category number."""

    names: tuple[str, ...]
    labels: tuple[Mapping[Id, int], ...]
    skeletons: Mapping[int, Skeleton]
    remarks: tuple[Remark, ...]


def classes_of(files: Sequence[Categorised]) -> Classes:
    """In ascending order of the number under which each was met first."""
    left_out = _placeholder(files)
    numbers: dict[str, Id] = {}
    for file in files:
        for category in file.categories:
            if (name := _name(category)) != left_out:
                numbers.setdefault(name, category.id)
    names = tuple(sorted(numbers, key=lambda name: natural_order(str(key_of(numbers[name])))))
    labels = {name: label for label, name in enumerate(names)}
    skeletons, contradictions = _skeletons(files, labels)
    return Classes(
        names=names,
        labels=tuple(
            {key_of(each.id): labels[_name(each)] for each in file.categories if _name(each) in labels}
            for file in files
        ),
        skeletons=skeletons,
        remarks=(*_remarks(files, left_out), *contradictions),
    )


def _name(category: Category) -> str:
    """macOS stores an accent apart from its letter, others together: one class all the same."""
    name = category.name if category.name not in (None, "") else shown_id(category.id)
    return printable(unicodedata.normalize("NFC", str(name)))


def _placeholder(files: Sequence[Categorised]) -> str | None:
    """The category that no entry is of and that all others call their supercategory: Roboflow's exports begin with one."""
    groups = {group for file in files for each in file.categories if (group := each.group)}
    if len(groups) != 1:
        return None
    (group,) = groups
    return group if all(_only_groups(group, file) for file in files) else None


def _only_groups(group: str, file: Categorised) -> bool:
    named = [each for each in file.categories if _name(each) == group]
    others = [each for each in file.categories if _name(each) != group]
    return (
        bool(named and others)
        and all(key_of(each.id) not in file.used for each in named)
        and all(str(each.supercategory) == group for each in others)
    )


def _remarks(files: Sequence[Categorised], left_out: str | None) -> Iterator[Remark]:
    for file in files:
        for category in file.categories:
            mark = f"category {shown_id(category.id)}"
            if category.name in (None, ""):
                yield Remark(file.path, "unnamed_classes", f"called {_name(category)!r}", mark)
            if _name(category) == left_out:
                yield Remark(file.path, "placeholder_class", repr(left_out), mark)
    yield from _several_numbers(files, left_out)
    yield from _several_names(files)


def _several_numbers(files: Sequence[Categorised], left_out: str | None) -> Iterator[Remark]:
    first: dict[str, tuple[Id, Categorised]] = {}
    for file in files:
        for category in file.categories:
            number, where = first.setdefault(_name(category), (key_of(category.id), file))
            if number != key_of(category.id) and _name(category) != left_out:
                detail = f"{_name(category)!r} is number {shown_id(number)} in {where.shown}"
                yield Remark(file.path, "conflicting_categories", detail, f"category {shown_id(category.id)}")


def _several_names(files: Sequence[Categorised]) -> Iterator[Remark]:
    first: dict[Id, tuple[str, Categorised]] = {}
    known = defaultdict[str, set[Id]](set)
    for file in files:
        for category in file.categories:
            known[_name(category)].add(key_of(category.id))
    for file in files:
        for category in file.categories:
            name, where = first.setdefault(key_of(category.id), (_name(category), file))
            # A name that has another number elsewhere was remarked upon already.
            if name != _name(category) and len(known[_name(category)]) == len(known[name]) == 1:
                detail = f"{_name(category)!r} is {name!r} in {where.shown}"
                yield Remark(file.path, "conflicting_categories", detail, f"category {shown_id(category.id)}")


def _skeletons(files: Sequence[Categorised], labels: Mapping[str, int]) -> tuple[dict[int, Skeleton], list[Remark]]:
    """By class, as the first file has them."""
    found: dict[int, Skeleton] = {}
    remarks: list[Remark] = []
    for file in files:
        for category in file.categories:
            if not category.keypoints or _name(category) not in labels:
                continue
            mark = f"category {shown_id(category.id)}"
            skeleton, dangling = _skeleton(category, category.keypoints)
            if dangling:
                remarks.append(Remark(file.path, "unsupported_annotations", dangling, mark))
            known = found.setdefault(labels[_name(category)], skeleton)
            if known != skeleton:
                detail = f"{_name(category)!r} has other keypoints or lines than in another file"
                remarks.append(Remark(file.path, "conflicting_categories", detail, mark))
    return found, remarks


def _skeleton(category: Category, keypoints: Sequence[str]) -> tuple[Skeleton, str]:
    """Numbers of keypoints begin with 1; where a 0 occurs, with 0. With it, what is wrong with its lines."""
    names = tuple(printable(name) for name in keypoints)
    lines = category.skeleton or ()
    first = 0 if any(0 in line for line in lines) else 1
    edges = tuple((start - first, end - first) for start, end in lines)
    sound = tuple(edge for edge in edges if all(0 <= end < len(names) for end in edge))
    wrong = f"{len(edges) - len(sound)} lines of its skeleton lead to keypoints that it does not have"
    return Skeleton(keypoints=names, edges=sound, flip=_flip(names)), wrong if len(sound) < len(edges) else ""


def _flip(names: Sequence[str]) -> tuple[int, ...]:
    """Left becomes right in a mirror. Not known when no name says a side, or one has no counterpart."""
    places = {name: place for place, name in enumerate(names)}
    mirrored = [_mirrored(name) for name in names]
    if list(names) == mirrored or len(places) < len(names) or not places.keys() >= set(mirrored):
        return ()
    return tuple(places[name] for name in mirrored)


def _mirrored(name: str) -> str:
    for left, right in _SIDES:
        if left in name:
            return name.replace(left, right)
        if right in name:
            return name.replace(right, left)
    return name
