"""Lines of YOLO labels, one object each: a class number, then coordinates relative to the image.

    class x y width height                     a box; x and y are its middle
    class x1 y1 x2 y2 x3 y3 …                  an outline of three points or more
    class x y width height x1 y1 v1 x2 y2 v2   a box with keypoints, each with or without a visibility
    class x1 y1 x2 y2 x3 y3 x4 y4              a turned box

Two of them can look alike, so what long lines mean is settled once for a whole set, when the first is met: see `Census`.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from eyebright_kit.data.annotations import Instance, box_around
from eyebright_kit.data.documents import Unreadable, read_text
from eyebright_kit.data.format import Annotations, Remark
from eyebright_kit.data.formats.yolo_names import MOST_CLASSES
from eyebright_kit.data.tree import printable

#: Nothing that is in an image lies a whole image away from it; pixels do.
_LEAST, _MOST = -1.0, 2.0
_PLAIN_LABELS = {str(label): label for label in range(1000)}
_REMARKS_PER_FILE = 100  # garbage of 16 MB has a million lines


class Kind(Enum):
    """What the lines that are longer than a box mean."""

    OUTLINES = "outlines"
    KEYPOINTS = "keypoints"
    TURNED = "turned boxes"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the lines of a set are to be read. `points` and `values` say how many keypoints there are, and numbers in each."""

    kind: Kind = Kind.OUTLINES
    points: int = 0
    values: int = 3

    @property
    def count(self) -> int | None:
        """How many values a long line has; None where that is not fixed."""
        if self.kind is Kind.KEYPOINTS:
            return 5 + self.points * self.values
        return 9 if self.kind is Kind.TURNED else None


#: Asked for where it matters, because it can take all labels of a set to know it.
Ask: TypeAlias = Callable[[], Dialect]


# Reading


def read_labels(label: str, root: Path, dialect: Ask, width: int, height: int) -> Annotations:
    """The objects in a file, of an image of that size. Raises Unreadable for what is no text."""
    file = Path(label)
    text = read_text(file, root)
    # Python reads 1_000 and digits of any script as numbers; no other tool does.
    suspicious = "_" in text or not text.isascii()
    instances: list[Instance] = []
    marks: list[int] = []
    remarks: list[Remark] = []
    for number, line in enumerate(text.splitlines(), 1):
        tokens = line.split()
        if not tokens:
            continue
        try:
            if suspicious and ("_" in line or not line.isascii()):
                raise ValueError
            boxed = len(tokens) == 5
            instances.append(_boxed(tokens, width, height) if boxed else _shaped(tokens, dialect(), width, height))
            marks.append(number)
        except ValueError:
            remarks.append(Remark(file, "broken_annotations", _complaint(tokens, dialect()), str(number)))
            if len(remarks) == _REMARKS_PER_FILE:
                break
    return Annotations(instances=instances, file=file, marks=marks, remarks=remarks)


# Each of these reads one line, or raises ValueError. They are called a million times, so they do little else.


def _boxed(tokens: list[str], width: int, height: int) -> Instance:
    x, y, wide, high = float(tokens[1]), float(tokens[2]), float(tokens[3]), float(tokens[4])
    if not (_LEAST <= x <= _MOST and _LEAST <= y <= _MOST and _LEAST <= wide <= _MOST and _LEAST <= high <= _MOST):
        raise ValueError
    box = (
        round((x - wide / 2) * width, 4),
        round((y - high / 2) * height, 4),
        round(wide * width, 4),
        round(high * height, 4),
    )
    return Instance(label=_label(tokens[0]), box=box)


def _shaped(tokens: list[str], dialect: Dialect, width: int, height: int) -> Instance:
    """A line that is longer than a box."""
    if dialect.kind is Kind.OUTLINES:
        return _outlined(tokens, width, height)
    if len(tokens) != dialect.count:
        raise ValueError
    return (
        _turned(tokens, width, height) if dialect.kind is Kind.TURNED else _posed(tokens, dialect.values, width, height)
    )


def _label(token: str) -> int:
    """`3`, and `3.0` as numeric libraries write it."""
    known = _PLAIN_LABELS.get(token)
    return _odd_label(token) if known is None else known


def _odd_label(token: str) -> int:
    try:
        label = int(token)
    except ValueError:
        number = float(token)
        if not number.is_integer():
            raise ValueError from None
        label = int(number)
    if not 0 <= label < MOST_CLASSES:
        raise ValueError
    return label


def _numbers(tokens: list[str]) -> list[float]:
    numbers = [float(token) for token in tokens]
    # The sum, because whether a NaN is the least of some numbers depends on their order.
    if not math.isfinite(sum(numbers)) or min(numbers) < _LEAST or max(numbers) > _MOST:
        raise ValueError
    return numbers


def _scaled(numbers: list[float], width: int, height: int) -> tuple[float, ...]:
    scaled = [0.0] * len(numbers)
    scaled[0::2] = [round(x * width, 4) for x in numbers[0::2]]
    scaled[1::2] = [round(y * height, 4) for y in numbers[1::2]]
    return tuple(scaled)


def _outlined(tokens: list[str], width: int, height: int) -> Instance:
    if len(tokens) < 7 or len(tokens) % 2 == 0:
        raise ValueError
    ring = _scaled(_numbers(tokens[1:]), width, height)
    if ring[:2] == ring[-2:] and len(ring) > 6:
        ring = ring[:-2]  # the first point again, to close it
    return Instance(label=_label(tokens[0]), box=box_around(ring), polygons=(ring,))


def _turned(tokens: list[str], width: int, height: int) -> Instance:
    corners = _scaled(_numbers(tokens[1:]), width, height)
    return Instance(label=_label(tokens[0]), box=box_around(corners), corners=corners)


def _posed(tokens: list[str], values: int, width: int, height: int) -> Instance:
    """A box, then the keypoints. Without visibilities a point is seen, unless it lies in the corner or outside: there those
    tools put it that have none."""
    x, y, wide, high = _numbers(tokens[1:5])
    numbers = _numbers(tokens[5:])
    keypoints: list[float] = []
    for place in range(0, len(numbers), values):
        keypoints += _keypoint(numbers[place : place + values], width, height)
    left, top, wide, high = _scaled([x - wide / 2, y - high / 2, wide, high], width, height)
    return Instance(label=_label(tokens[0]), box=(left, top, wide, high), keypoints=tuple(keypoints))


def _keypoint(numbers: list[float], width: int, height: int) -> tuple[float, ...]:
    if len(numbers) == 2:
        x, y = numbers
        return (0.0, 0.0, 0) if x < 0 or y < 0 or x == y == 0 else (*_scaled(numbers, width, height), 2)
    if numbers[2] not in (0, 1, 2):
        raise ValueError
    return (*_scaled(numbers[:2], width, height), int(numbers[2]))


# Complaining


def _complaint(tokens: list[str], dialect: Dialect) -> str:
    """What is wrong with a line that could not be read, and what was expected."""
    return next(_complaints(tokens, dialect))


def _complaints(tokens: list[str], dialect: Dialect) -> Iterator[str]:
    for place, token in enumerate(tokens):
        if not _is_number(token):
            yield f"{_quoted(token)} is no number; expected {_expected(dialect)}" + _hint(place, token)
    if not float(tokens[0]).is_integer() or not 0 <= float(tokens[0]) < MOST_CLASSES:
        yield f"the class is {_quoted(tokens[0])}; expected a whole number from 0 to {MOST_CLASSES - 1:,}"
    yield from _complaint_about_the_count(len(tokens), dialect)
    yield from _complaint_about_a_visibility(tokens, dialect)
    for place, token in enumerate(tokens[1:]):
        if not _LEAST <= float(token) <= _MOST and not _is_visibility(place, dialect):
            yield f"a coordinate is {_quoted(token)}; expected 0 to 1, relative to the image: are these pixels?"
    yield f"it cannot be read; expected {_expected(dialect)}"


def _hint(place: int, token: str) -> str:
    return "; are its values separated by commas?" if "," in token else "; classes are numbers" if place == 0 else ""


def _complaint_about_the_count(count: int, dialect: Dialect) -> Iterator[str]:
    if count == 5 or (count == dialect.count if dialect.count else count > 6 and count % 2):
        return
    hint = ""
    if count == 6 or count - 1 == dialect.count:
        hint = ": the last may be the confidence of a prediction, which no label has"
    elif dialect.kind is Kind.OUTLINES and count > 6:
        hint = ": the last may be the confidence of a prediction; or, for keypoints, data.yaml needs a kpt_shape"
    yield f"there {'is 1 value' if count == 1 else f'are {count} values'}; expected {_expected(dialect)}{hint}"


def _complaint_about_a_visibility(tokens: list[str], dialect: Dialect) -> Iterator[str]:
    for place, token in enumerate(tokens[1:]):
        if _is_visibility(place, dialect) and float(token) not in (0, 1, 2):
            yield f"a visibility is {_quoted(token)}; expected 0 (unknown), 1 (hidden) or 2 (seen)"


def _is_visibility(place: int, dialect: Dialect) -> bool:
    """Of the numbers behind the class, from 0."""
    return dialect.kind is Kind.KEYPOINTS and dialect.values == 3 and place > 4 and place % 3 == 0


def _expected(dialect: Dialect) -> str:
    long_line = {
        Kind.OUTLINES: "7, 9, 11 … (class and an outline)",
        Kind.KEYPOINTS: f"{dialect.count} (class, box and {dialect.points} keypoints of {dialect.values})",
        Kind.TURNED: "9 (class and four corners)",
    }[dialect.kind]
    return f"5 values (class, x, y, width, height) or {long_line}"


def _is_number(token: str) -> bool:
    try:
        return math.isfinite(float(token)) and "_" not in token and token.isascii()
    except ValueError:
        return False


def _quoted(token: str) -> str:
    return repr(printable(token if len(token) <= 40 else f"{token[:39]}…"))


# Getting to know a set


def begins_like_labels(start: bytes) -> bool | None:
    """Does the beginning of a text have a line of nothing but numbers, as many as a box has or more? None when it is blank.

    Captions, read-me files and lists of images have none.
    """
    found = [tokens for line in start.decode("utf-8-sig", "replace").splitlines() if (tokens := line.split())]
    if not found:
        return None
    return any(len(tokens) >= 5 and all(map(_is_number, tokens)) for tokens in found)


@dataclass(slots=True)
class Census:
    """What the long lines of a set are together. Nine values are a turned box or an outline of four points.

    A set has turned boxes if every long line has nine, most of them are parallelograms (a rectangle stays one in relative
    coordinates, which are stretched by the sides of the image) and at least a tenth of those are turned: drawn outlines hardly
    ever are parallelograms, and boxes that a tool wrote as outlines never are turned.
    """

    long_lines: int = 0
    quadrilaterals: int = 0
    examined: int = 0
    parallelograms: int = 0
    turned: int = 0

    @property
    def has_outlines(self) -> bool:
        """Whatever is still to come."""
        return self.quadrilaterals < self.long_lines

    @property
    def has_turned_boxes(self) -> bool:
        return (
            0 < self.quadrilaterals == self.long_lines
            and self.parallelograms * 2 > self.examined
            and self.turned * 10 >= self.parallelograms
        )

    def add(self, text: str) -> None:
        """The lines of one file; those that cannot be understood are passed over, to be complained about when their image is
        read."""
        for tokens in map(str.split, text.splitlines()):
            if len(tokens) > 6 and _class_of(tokens) is not None:
                self._add(tokens)

    def _add(self, tokens: list[str]) -> None:
        self.long_lines += 1
        if len(tokens) != 9:
            return
        self.quadrilaterals += 1
        if self.examined < _EXAMINED:
            self._examine(tokens)

    def _examine(self, tokens: list[str]) -> None:
        try:
            corners = _numbers(tokens[1:])
        except ValueError:
            return
        self.examined += 1
        if _is_parallelogram(corners):
            self.parallelograms += 1
            self.turned += not _is_upright(corners)


_EXAMINED = 10_000
_SLACK = 0.03  # of the diagonal: corners that were rounded to pixels


def have_turned_boxes(labels: Iterable[str], root: Path) -> bool:
    """Reads as many of the labels as it takes to know."""
    taken = Census()
    for text in _texts(labels, root):
        taken.add(text)
        if taken.has_outlines:
            return False
    return taken.has_turned_boxes


def count_classes(labels: Iterable[str], root: Path) -> int:
    """One more than the highest number that all the labels have."""
    count = 0
    for text in _texts(labels, root):
        classes = (_class_of(tokens) for tokens in map(str.split, text.splitlines()) if len(tokens) >= 5)
        count = max(count, *(number + 1 for number in classes if number is not None), 0)
    return count


def _texts(labels: Iterable[str], root: Path) -> Iterator[str]:
    """Without those that cannot be read, which is said when their image is."""
    for label in labels:
        with suppress(Unreadable):
            yield read_text(Path(label), root)


def _class_of(tokens: list[str]) -> int | None:
    try:
        return _label(tokens[0])
    except ValueError:
        return None


def _is_parallelogram(corners: list[float]) -> bool:
    """The diagonals meet in their middles."""
    ax, ay, bx, by, cx, cy, dx, dy = corners
    size = max(math.hypot(cx - ax, cy - ay), math.hypot(dx - bx, dy - by))
    return size > 0 and math.hypot(ax + cx - bx - dx, ay + cy - by - dy) / 2 <= _SLACK * size


def _is_upright(corners: list[float]) -> bool:
    """Each side is level or plumb."""
    points = list(zip(corners[0::2], corners[1::2], strict=True))
    following = points[1:] + points[:1]
    sides = [(abs(bx - ax), abs(by - ay)) for (ax, ay), (bx, by) in zip(points, following, strict=True)]
    return all(min(side) <= _SLACK * max(side) for side in sides)
