"""Read one entry of a COCO file: an object with its box, outline and keypoints, or a caption."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw, Struct

from eyebright_kit.data.annotations import Attribute, Box, Instance, Ring, box_around, rounded
from eyebright_kit.data.formats.coco_document import Id, key_of, mark_of, shown_id
from eyebright_kit.data.rle import box_of, checked, compress, expand
from eyebright_kit.data.tree import printable

_NOTHING = (b"", b"null", b"[]", b'""')
_FINE = re.compile(rb"\.[0-9]{5}|[eE]")  # a number with more decimals than are kept
_FARTHEST = 1e7  # no image is that large, and sums of such numbers stay exact to four decimals
_LARGEST = 2**63  # what JSON is written with elsewhere


class Entry(Struct, frozen=True, gc=False):
    """An annotation as it is written. What few have is decoded only where there is something."""

    id: Any = None
    category_id: Id | None = None
    bbox: list[float] | None = None
    segmentation: Raw = Raw(b"")
    keypoints: Raw = Raw(b"")
    iscrowd: float | bool | None = None
    attributes: Raw = Raw(b"")
    caption: str | None = None


class _RunLengths(Struct, frozen=True, gc=False):
    size: tuple[int, int]  # height, width
    counts: str | list[int]


@dataclass(frozen=True, slots=True)
class Thing:
    """What an entry says: an object, or else a caption. `mark` is where it says so; `lost` are attributes that were not read."""

    mark: str
    instance: Instance | None = None
    caption: str | None = None
    lost: tuple[str, ...] = ()


class Broken(Exception):
    """An entry that cannot be understood: a finding, what is wrong, and where that stands."""

    def __init__(self, code: str, detail: str, mark: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.mark = mark


_ENTRY = msgspec.json.Decoder(Entry)
_RINGS = msgspec.json.Decoder(list[list[float]])
_NUMBERS = msgspec.json.Decoder(tuple[float, ...])
_RUNS = msgspec.json.Decoder(_RunLengths)
_ATTRIBUTES = msgspec.json.Decoder(dict[str, Any])


class Objects:
    """Reads the entries of one file, whose categories are `labels`. `points` is how many keypoints a class has."""

    def __init__(self, labels: Mapping[Id, int], points: Mapping[int, int]) -> None:
        self._labels = labels
        self._points = points

    def read(self, number: int, raw: Raw, width: int, height: int) -> Thing:
        """The entry with this number in its file, of an image of this size. Raises Broken."""
        try:
            entry = _ENTRY.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Broken("broken_annotations", _sentence(error), _mark_in(raw, number)) from None
        mark = mark_of(entry.id, number)
        if entry.caption is not None and entry.category_id is None:
            return Thing(mark, caption=entry.caption.strip())
        try:
            attributes, lost = _attributes(entry.attributes) if entry.attributes else ({}, ())
            return Thing(mark, self._instance(entry, attributes, width, height), lost=lost)
        except _Odd as odd:
            raise Broken(odd.code, str(odd), mark) from None
        except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
            raise Broken("broken_annotations", _sentence(error), mark) from None

    def _instance(self, entry: Entry, attributes: dict[str, Attribute], width: int, height: int) -> Instance:
        label = self._label(entry)
        polygons, runs = _outline(entry.segmentation, width, height) if entry.segmentation else ((), "")
        keypoints = _keypoints(entry.keypoints, self._points.get(label)) if entry.keypoints else ()
        return Instance(
            label=label,
            box=_box(entry.bbox) if entry.bbox else _box_of(polygons, runs, keypoints, height),
            polygons=polygons,
            rle=runs,
            keypoints=keypoints,
            crowd=bool(entry.iscrowd),
            attributes=attributes,
        )

    def _label(self, entry: Entry) -> int:
        if entry.category_id is None:
            raise ValueError("it has no category_id")
        label = self._labels.get(key_of(entry.category_id))
        if label is None:
            raise _Odd("class_without_name", f"there is no category {shown_id(entry.category_id)}")
        return label


class _Odd(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def _mark_in(raw: Raw, number: int) -> str:
    """The id of an entry that is broken elsewhere."""
    try:
        return mark_of(msgspec.json.decode(raw, type=_OnlyId).id, number)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return mark_of(None, number)


class _OnlyId(Struct, frozen=True, gc=False):
    id: Any = None


def _sentence(error: Exception) -> str:
    return printable(str(error))[:200]


def _sane(numbers: Sequence[float]) -> None:
    if not -_FARTHEST < min(numbers) <= max(numbers) < _FARTHEST:
        raise ValueError(f"a coordinate is {max(numbers, key=abs):g}")


# Boxes


def _box(numbers: list[float]) -> Box:
    if len(numbers) != 4:
        raise ValueError(f"its bbox has {len(numbers)} numbers; expected left, top, width, height")
    _sane(numbers)
    left, top, wide, high = rounded(*numbers)
    return left, top, wide, high


def _box_of(polygons: tuple[Ring, ...], runs: str, keypoints: tuple[float, ...], height: int) -> Box:
    """What a box that is not given must hold."""
    if polygons:
        return box_around(sum(polygons, ()))
    if runs:
        return box_of(expand(runs), height)
    triples = zip(keypoints[0::3], keypoints[1::3], keypoints[2::3], strict=True)
    seen = [number for x, y, visibility in triples if visibility for number in (x, y)]
    if not seen:
        raise ValueError("it has neither a box nor an outline")
    return box_around(tuple(seen))


# Outlines


def _outline(segmentation: Raw, width: int, height: int) -> tuple[tuple[Ring, ...], str]:
    """Polygons, or compressed run lengths, or neither. Raises ValueError."""
    text = bytes(segmentation)
    if text in _NOTHING:
        return (), ""
    if text[:1] == b"{":
        return (), _run_lengths(_RUNS.decode(text), width, height)
    # Some write one outline without the brackets for several.
    nested = text[1:].lstrip()[:1] == b"["
    rings = _RINGS.decode(text) if nested else [_NUMBERS.decode(text)]
    fine = _FINE.search(text) is not None  # rounding costs more than all the rest
    return tuple(_ring(ring, fine) for ring in rings if ring), ""


def _ring(numbers: Sequence[float], fine: bool) -> Ring:
    if len(numbers) % 2 or len(numbers) < 6:
        raise ValueError(f"an outline has {len(numbers)} numbers; expected x and y of 3 or more points")
    _sane(numbers)
    ring = rounded(*numbers) if fine else tuple(numbers)
    return ring[:-2] if len(ring) > 6 and ring[:2] == ring[-2:] else ring


def _run_lengths(found: _RunLengths, width: int, height: int) -> str:
    if found.size != (height, width):
        raise ValueError(f"its run lengths are for {found.size[1]}×{found.size[0]}; the image has {width}×{height}")
    counts = expand(found.counts) if isinstance(found.counts, str) else found.counts
    checked(counts, width, height)
    return compress(counts) if isinstance(found.counts, list) else found.counts


# Keypoints and attributes


def _keypoints(text: Raw, expected: int | None) -> tuple[float, ...]:
    if bytes(text) in _NOTHING:
        return ()
    numbers = rounded(*_NUMBERS.decode(text))
    if len(numbers) % 3 or (expected is not None and len(numbers) != expected * 3):
        wanted = f"{expected} × 3" if expected is not None else "x, y and visibility of each point"
        raise ValueError(f"its keypoints are {len(numbers)} numbers; expected {wanted}")
    _sane(numbers)
    if not {0.0, 1.0, 2.0}.issuperset(numbers[2::3]):
        raise ValueError("a visibility is neither 0, 1 nor 2")
    # What is unknown is nowhere, whatever number was left there.
    triples = zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True)
    return tuple(number for x, y, v in triples for number in ((x, y, v) if v else (0.0, 0.0, 0.0)))


def _attributes(text: Raw) -> tuple[dict[str, Attribute], tuple[str, ...]]:
    """Those that are texts, numbers or true and false; and the names of the others. Nothing is no value."""
    if bytes(text) in (*_NOTHING, b"{}"):
        return {}, ()
    kept: dict[str, Attribute] = {}
    lost: list[str] = []
    for name, value in _ATTRIBUTES.decode(text).items():
        if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < _LARGEST):
            kept[name] = value
        elif value is not None:
            lost.append(printable(name))
    return kept, tuple(lost)
