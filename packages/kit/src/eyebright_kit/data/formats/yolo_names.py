"""What holds for a whole YOLO set: its `data.yaml`, or a plain list of names such as classes.txt or obj.names.

Nothing that such a file names is opened because of it: folders and lists are looked up among the files of the set, and where a
`path` or a `download` would lead is not looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard, TypeVar

import msgspec

from eyebright_kit.data.annotations import Skeleton
from eyebright_kit.data.documents import Unreadable, read_text, read_yaml
from eyebright_kit.data.format import Remark
from eyebright_kit.data.tree import printable
from eyebright_kit.data.walk import SPLIT_WORDS
from eyebright_wire.datasets import Split

#: More than any data set has; a class number of a billion must not make a list of a billion names.
MOST_CLASSES = 100_000
_MOST_NAMES = 1_000_000  # of keypoints, over all classes
_EXPECTED = "expected names: a list of them, or a map from numbers to names"
_SHOWN = 10  # entries in a remark
TASKS = frozenset({"detect", "segment", "pose", "obb"})

_T = TypeVar("_T")
_Scalar: TypeAlias = str | int | float | bool


class _DataYaml(msgspec.Struct):
    """The entries that are read, in the types that they must have."""

    names: list[_Scalar] | dict[int | str, _Scalar] | None = None
    nc: Any = None
    task: Any = None
    kpt_shape: tuple[Annotated[int, msgspec.Meta(ge=1, le=1000)], Literal[2, 3]] | None = None
    flip_idx: list[int] | None = None
    kpt_names: list[_Scalar] | dict[int | str, list[_Scalar]] | None = None
    skeleton: dict[int | str, list[tuple[int, int]]] | list[Any] | None = None
    path: Any = None
    download: Any = None


@dataclass(frozen=True, slots=True)
class Description:
    """`names=None`: nobody says how many classes there are. `sources` are the folders and lists of images by split, as they
    were written; `keypoints` is how many points an object has, and how many numbers each."""

    file: Path | None = None
    names: tuple[str, ...] | None = None
    task: str | None = None
    keypoints: tuple[int, int] | None = None
    skeletons: Mapping[int, Skeleton] = field(default_factory=dict[int, Skeleton])
    sources: tuple[tuple[Split, str], ...] = ()
    folder: str = ""  # that `path` names, for the sources to be looked up in
    remarks: tuple[Remark, ...] = ()


def is_yaml(file: Path) -> bool:
    return file.suffix.lower() in (".yaml", ".yml")


def is_data_yaml(file: Path) -> bool:
    return file.name.casefold() in ("data.yaml", "data.yml")


def is_list_of_names(file: Path) -> bool:
    """As darknet, labelImg, CVAT, Label Studio and Roboflow call it."""
    name = file.name.casefold()
    return name in ("classes.txt", "predefined_classes.txt", "_darknet.labels") or name.endswith(".names")


def unnamed(file: Path, names: Iterable[str]) -> list[Remark]:
    return [Remark(file, "unnamed_classes", f"class {name}") for name in names]


def number_names(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


# data.yaml


def describe(yamls: Sequence[Path], root: Path) -> Description:
    """What the first of the files that describes a data set says; nothing if there is none. `data.yaml` comes first.

    Raises Unreadable for a `data.yaml` that is no YAML, and for another unless there is one that can be understood: it may be
    some other tool's. What is called so, or is the only one, and describes no data set is remarked upon.
    """
    broken: Unreadable | None = None
    unclear: list[Remark] = []
    for file in sorted(yamls, key=is_data_yaml, reverse=True):
        meant = is_data_yaml(file) or len(yamls) == 1
        try:
            content = read_yaml(file, root)
        except Unreadable as error:
            if meant:
                raise
            broken = broken or error
            continue
        if is_description(content):
            found = _Description(file, content).read()
            return replace(found, remarks=(*unclear, *found.remarks))
        if meant:
            unclear.append(Remark(file, "unsupported_annotations", f"{_kind(content)}; {_EXPECTED}"))
    if broken:
        raise broken
    return Description(remarks=tuple(unclear))


def describe_alike(yamls: Iterable[Path], root: Path) -> Description:
    """The same for files that lie side by side, as in two exports in one folder.

    Raises Unreadable when they name different classes: then a number has no certain meaning.
    """
    found = {file: each for file in sorted(yamls) if (each := describe([file], root)).names is not None}
    first, description = next(iter(found.items()), (root, Description()))
    for file, other in found.items():
        if other.names != description.names:
            raise _otherwise_named(file, first, root)
    return description


def _otherwise_named(file: Path, first: Path, root: Path) -> Unreadable:
    shown = printable(first.relative_to(root).as_posix())
    return Unreadable(
        file,
        f"it names other classes than {shown}; give one data.yaml with the names that hold, or import each by itself",
    )


def _kind(content: object) -> str:
    """What stands in a file that describes no data set."""
    match content:
        case None:
            return "it is empty"
        case str():
            return "it is a text"
        case list():
            return "it is a list"
        case dict() if content:
            return f"it has no names, but {_shown([*islice(content, 5)])[1:-1]}"  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return f"it is {_shown(content)}"


def is_description(content: object) -> TypeGuard[dict[Any, Any]]:
    """A map that names classes, or counts them beside the place of the images."""
    return isinstance(content, dict) and ("names" in content or ("nc" in content and "train" in content))


def _is_read(key: object) -> bool:
    return key in _DataYaml.__struct_fields__ or key in SPLIT_WORDS


class _Description:
    """Takes the content of one file apart."""

    def __init__(self, file: Path, content: dict[Any, Any]) -> None:
        self._file = file
        known = {key: content[key] for key in _DataYaml.__struct_fields__ if key in content}
        try:
            self._content = msgspec.convert(known, _DataYaml)
        except msgspec.ValidationError as error:
            raise self._wrong(display(str(error).replace("`$.", "`"))) from None
        self._unread = [key for key, value in content.items() if value and not _is_read(key)]
        self._places = {word: content[word] for word in SPLIT_WORDS if content.get(word) is not None}
        self._remarks: list[Remark] = []

    def read(self) -> Description:
        names = self._names()
        self._leave_behind()
        task, keypoints = self._content.task, self._content.kpt_shape
        if task == "pose" and keypoints is None:
            raise self._wrong("task is pose, but there is no kpt_shape; expected such as [17, 3]")
        return Description(
            file=self._file,
            names=names,
            task=task if isinstance(task, str) and task in TASKS else None,
            keypoints=keypoints,
            skeletons=self._skeletons(len(names), keypoints[0]) if keypoints else {},
            sources=self._sources(),
            folder=self._folder(),
            remarks=tuple(self._remarks),
        )

    def _wrong(self, detail: str) -> Unreadable:
        return Unreadable(self._file, detail)

    def _remark(self, code: str, detail: str) -> None:
        self._remarks.append(Remark(self._file, code, detail))

    def _leave_behind(self) -> None:
        """What the file says besides, such as Roboflow's licence and address."""
        if self._unread:
            shown = ", ".join(_text(key) for key in self._unread[:_SHOWN])
            more = len(self._unread) - _SHOWN
            self._remark("details_left_behind", f"{shown} and {more} more" if more > 0 else shown)

    # Classes

    def _names(self) -> tuple[str, ...]:
        given, count = self._content.names, self._content.nc
        if given is None:
            return self._counted()
        numbered = dict(enumerate(given)) if isinstance(given, list) else self._by_number(given, "names")
        total = max(numbered, default=-1) + 1
        if count is not None and count != total:
            self._remark("contradiction", f"nc is {_shown(count)}, but there are names for {total}")
        names = number_names(total)
        self._remarks += unnamed(self._file, (name for number, name in enumerate(names) if number not in numbered))
        return tuple(_text(numbered.get(number, name)) for number, name in enumerate(names))

    def _counted(self) -> tuple[str, ...]:
        if self._content.nc is None:
            raise self._wrong("names is empty; expected a list of names, or a map from numbers to names")
        names = number_names(self._number(self._content.nc, "nc"))
        self._remarks += unnamed(self._file, names)
        return names

    def _by_number(self, given: Mapping[int | str, _T], where: str) -> dict[int, _T]:
        """What a map has for each class; quotes round a number are no harm."""
        return {self._number(key, where): value for key, value in given.items()}

    def _number(self, value: object, where: str) -> int:
        number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < MOST_CLASSES:
            raise self._wrong(f"{where} has {_shown(value)}; expected a number from 0 to {MOST_CLASSES - 1:,}")
        return number

    # Keypoints

    def _skeletons(self, classes: int, points: int) -> dict[int, Skeleton]:
        """Of each class that something is known of: what the points are called, or which change sides in a mirror."""
        if classes * points > _MOST_NAMES:
            raise self._wrong(f"{classes:,} classes have {points:,} keypoints each; expected {_MOST_NAMES:,} in all")
        flip = self._flip(points)
        names = self._keypoint_names(classes, points)
        if not names and flip:
            names = dict.fromkeys(range(classes), number_names(points))
        edges = self._edges(points)
        return {label: Skeleton(keypoints=own, edges=edges.get(label, ()), flip=flip) for label, own in names.items()}

    def _flip(self, points: int) -> tuple[int, ...]:
        flip = self._content.flip_idx or []
        if flip and sorted(flip) != list(range(points)):
            raise self._wrong(f"flip_idx is {_shown(flip)}; expected each of 0 to {points - 1} once")
        return tuple(flip)

    def _keypoint_names(self, classes: int, points: int) -> dict[int, tuple[str, ...]]:
        """By class; a plain list holds for every class."""
        given = self._content.kpt_names or {}
        if isinstance(given, list):
            return dict.fromkeys(range(classes), self._texts(given, points))
        named = self._by_number(given, "kpt_names")
        return {label: self._texts(names, points) for label, names in named.items() if label < classes}

    def _texts(self, names: Sequence[_Scalar], points: int) -> tuple[str, ...]:
        if len(names) != points:
            raise self._wrong(f"kpt_names has {len(names)} names; expected {points}")
        return tuple(map(_text, names))

    def _edges(self, points: int) -> dict[int, tuple[tuple[int, int], ...]]:
        """The points that a line joins. Not a key of Ultralytics', which passes over it, but one that we write; what others
        write there can count from 0 or from 1."""
        given = self._content.skeleton
        if not isinstance(given, dict):
            return {}
        for edge in (edge for edges in given.values() for edge in edges):
            if not all(0 <= end < points for end in edge):
                raise self._wrong(f"skeleton joins {edge[0]} and {edge[1]}; expected numbers from 0 to {points - 1}")
        return {label: tuple(edges) for label, edges in self._by_number(given, "skeleton").items()}

    # Where the images are

    def _sources(self) -> tuple[tuple[Split, str], ...]:
        """In the order of the splits: what is named twice belongs to train."""
        named: list[tuple[Split, str]] = []
        for word, value in self._places.items():
            try:
                given: str | list[str] = msgspec.convert(value, str | list[str])
            except msgspec.ValidationError:
                raise self._wrong(f"{word} is {_shown(value)}; expected a folder or a list, or several") from None
            named += [(SPLIT_WORDS[word], name) for name in ([given] if isinstance(given, str) else given)]
        return tuple(named)

    def _folder(self) -> str:
        """`path` and `download` lead anywhere in the world, so they are not followed."""
        path = self._content.path
        for key, value in (("path", path), ("download", self._content.download)):
            if value not in (None, "", ".", "./"):
                self._remark("ignored_entry", f"{key} is {_shown(value)}")
        return path if isinstance(path, str) else ""


# Lists of names


def listed_names(lists: Sequence[Path], root: Path) -> Description:
    """The names that all the lists agree on. Raises Unreadable when they do not: then a number has no certain meaning."""
    named = [(file, _lines(file, root)) for file in lists]
    for file, names in named[1:]:
        if names != named[0][1]:
            raise _otherwise_named(file, named[0][0], root)
    if not named or not named[0][1]:
        return Description()
    file, names = named[0]
    numbers = number_names(len(names))
    gaps = unnamed(file, (number for number, name in zip(numbers, names, strict=True) if not name))
    return Description(
        file=file,
        names=tuple(name or number for number, name in zip(numbers, names, strict=True)),
        remarks=tuple(gaps),
    )


def _lines(file: Path, root: Path) -> tuple[str, ...]:
    lines = tuple(display(line.strip()) for line in read_text(file, root).rstrip().splitlines())
    if len(lines) > MOST_CLASSES:
        raise Unreadable(file, f"it has {len(lines):,} lines; expected the name of one class in each")
    return lines


# Values from strangers


def display(text: str) -> str:
    """Text that is safe to show and to store."""
    return printable(text.encode("utf-8", "backslashreplace").decode())


def _text(value: "_Scalar") -> str:
    """A name that looks like a number or a truth is one to YAML."""
    return display(str(value).lower() if isinstance(value, bool) else str(value))


def _shown(value: object) -> str:
    text = display(repr(value))
    return text if len(text) <= 60 else f"{text[:59]}…"
