"""Put the objects of an item together: Datumaro keeps box, outline and keypoints of one apart, under one group number."""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw, Struct

from eyebright_kit.data.annotations import Attribute, Box, Instance, Ring
from eyebright_kit.data.documents import decode_json
from eyebright_kit.data.format import Remark
from eyebright_kit.data.formats.datumaro_document import Document
from eyebright_kit.data.gathering import Id, shown_id
from eyebright_kit.data.shapes import (
    RunLengths,
    attributes_in,
    box_holding,
    box_in,
    keypoints_of,
    ring_in,
    run_lengths,
)
from eyebright_kit.data.tree import printable

CROWD = "is_crowd"  # the attribute, as Datumaro calls it when it reads COCO
_SHAPES = frozenset({"bbox", "polygon", "mask", "points", "skeleton"})


class _Entry(Struct, frozen=True, gc=False):
    type: str
    group: int | None = None
    label_id: Id | None = None
    attributes: Raw = Raw(b"")
    bbox: list[float] | None = None
    points: list[float] | None = None
    visibility: list[int] | None = None
    rle: RunLengths | None = None
    caption: str | None = None


class _Entries(Struct, frozen=True, gc=False):
    annotations: list[Raw] = []


_ENTRY = msgspec.json.Decoder(_Entry)


class _Thing:
    """An object while its parts are found."""

    def __init__(self, label: int, mark: str) -> None:
        self.label = label
        self.mark = mark
        self.box: Box | None = None
        self.polygons: list[Ring] = []
        self.runs = ""
        self.keypoints: tuple[float, ...] = ()
        self.attributes: dict[str, Attribute] = {}

    def has(self, kind: str) -> bool:
        """Already one of what it can have only one of."""
        known = {"bbox": self.box is not None, "mask": bool(self.runs)}
        return known.get(kind, kind in ("points", "skeleton") and bool(self.keypoints))

    def instance(self, height: int) -> Instance:
        attributes = dict(self.attributes)
        crowd = bool(attributes.pop(CROWD, False))
        polygons = tuple(self.polygons)
        return Instance(
            label=self.label,
            box=self.box or box_holding(polygons, self.runs, self.keypoints, height),
            polygons=polygons,
            rle=self.runs,
            keypoints=self.keypoints,
            crowd=crowd,
            attributes=attributes,
        )


class ItemReader:
    """Reads what is said of one image. `labels` are the classes of the numbers of its file."""

    def __init__(self, document: Document, labels: Mapping[Id, int], points: Mapping[int, int]) -> None:
        self._document = document
        self._labels = labels
        self._points = points

    def read(self, place: int, width: int, height: int) -> "Item":
        """Raises Unreadable for an item that is none."""
        item = Item(self._document, place, (width, height))
        entries = decode_json(self._document.items[place], _Entries, self._document.path)
        for number, raw in enumerate(entries.annotations, 1):
            mark = f"{item.mark}, annotation {number}"
            try:
                self._add(_ENTRY.decode(raw), mark, item)
            except _Nameless as error:
                item.remark("class_without_name", str(error), mark)
            except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
                item.remark("broken_annotations", printable(str(error))[:200], mark)
        return item

    def _add(self, entry: _Entry, mark: str, item: "Item") -> None:
        if entry.type == "caption":
            item.captions.append((entry.caption or "").strip())
        elif entry.type == "label":
            self._label(entry)
        elif entry.type in _SHAPES:
            thing = item.thing(entry.group, self._label(entry), entry.type, mark)
            self._shape(entry, thing, item)
        else:
            item.remark("unsupported_annotations", f"it is of the type {printable(entry.type)[:40]!r}", mark)

    def _shape(self, entry: _Entry, thing: _Thing, item: "Item") -> None:
        if entry.type == "bbox":
            thing.box = box_in(entry.bbox or ())
        elif entry.type == "polygon":
            thing.polygons.append(ring_in(entry.points or (), True))
        elif entry.type == "mask":
            thing.runs = _runs(entry, *item.size)
        else:
            thing.keypoints = keypoints_of(_triples(entry), self._points.get(thing.label))
        kept, lost = attributes_in(entry.attributes)
        thing.attributes |= kept
        for name in lost:
            item.remark("unsupported_annotations", f"attribute {name!r} is neither text, number nor truth", thing.mark)

    def _label(self, entry: _Entry) -> int:
        if entry.label_id is None:
            raise _Nameless("it has no label")
        if entry.label_id not in self._labels:
            raise _Nameless(f"there is no label {shown_id(entry.label_id)}")
        return self._labels[entry.label_id]


class _Nameless(Exception):
    pass


class Item:
    """What one file says of an image."""

    def __init__(self, document: Document, place: int, size: tuple[int, int]) -> None:
        self.size = size
        self.mark = f"item {shown_id(document.images[place].id)}"
        self.captions: list[str] = []
        self.remarks: list[Remark] = []
        self._path = document.path
        self._things: list[_Thing] = []
        self._of_group: dict[tuple[int, int], _Thing] = {}

    def thing(self, group: int | None, label: int, kind: str, mark: str) -> _Thing:
        """The object of this group that still lacks such a part, or a new one."""
        known = self._of_group.get((group, label)) if group else None
        if known and not known.has(kind):
            return known
        thing = _Thing(label, mark)
        self._things.append(thing)
        if group:
            self._of_group[group, label] = thing
        return thing

    def remark(self, code: str, detail: str, mark: str) -> None:
        self.remarks.append(Remark(self._path, code, detail, mark))

    def instances(self) -> Iterator[tuple[Instance, str]]:
        """Each object, with where it stands."""
        if any(remark.code != "unsupported_annotations" for remark in self.remarks):
            return  # an object that lost a part cannot be put together, and the image is not used
        for thing in self._things:
            try:
                yield thing.instance(self.size[1]), thing.mark
            except ValueError as error:
                self.remark("broken_annotations", str(error), thing.mark)


def _runs(entry: _Entry, width: int, height: int) -> str:
    if entry.rle is None:
        raise ValueError("its mask has no run lengths (rle)")
    return run_lengths(entry.rle, width, height)


def _triples(entry: _Entry) -> list[float]:
    """A skeleton has them; points have their visibilities apart, or none, and then all are seen."""
    numbers = entry.points or []
    if entry.type == "skeleton":
        return numbers
    seen = entry.visibility if entry.visibility is not None else [2] * (len(numbers) // 2)
    if len(numbers) != 2 * len(seen):
        raise ValueError(f"it has {len(numbers)} coordinates and {len(seen)} visibilities; expected two to one")
    return [number for x, y, v in zip(numbers[0::2], numbers[1::2], seen, strict=True) for number in (x, y, v)]
