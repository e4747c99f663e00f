"""Read one entry of a COCO file: an object with its box, outline and keypoints, or a caption."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from eyebright_kit.data.annotations import Attribute, Instance
from eyebright_kit.data.gathering import Id, key_of, mark_of, shown_id
from eyebright_kit.data.shapes import NOTHING, attributes_in, box_holding, box_in, keypoints_in, outline
from eyebright_kit.data.tree import printable


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


class Thing(Struct, frozen=True, gc=False):  # a dataclass would take longer to make than an entry to read
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
            if not entry.attributes:
                return Thing(mark, self._instance(entry, {}, width, height))
            attributes, lost = attributes_in(entry.attributes)
            return Thing(mark, self._instance(entry, attributes, width, height), lost=lost)
        except _Odd as odd:
            raise Broken(odd.code, str(odd), mark) from None
        except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
            raise Broken("broken_annotations", _sentence(error), mark) from None

    def _instance(self, entry: Entry, attributes: dict[str, Attribute], width: int, height: int) -> Instance:
        label = self._label(entry.category_id)
        outlined = entry.segmentation not in NOTHING
        polygons, runs = outline(entry.segmentation, width, height) if outlined else ((), "")
        keypoints = keypoints_in(entry.keypoints, self._points.get(label)) if entry.keypoints else ()
        return Instance(
            label=label,
            box=box_in(entry.bbox) if entry.bbox else box_holding(polygons, runs, keypoints, height),
            polygons=polygons,
            rle=runs,
            keypoints=keypoints,
            crowd=bool(entry.iscrowd),
            attributes=attributes,
        )

    def _label(self, number: Id | None) -> int:
        if number is None:
            raise ValueError("it has no category_id")
        label = self._labels.get(number)  # nearly always as it is written
        label = self._labels.get(key_of(number)) if label is None else label
        if label is None:
            raise _Odd("class_without_name", f"there is no category {shown_id(number)}")
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
