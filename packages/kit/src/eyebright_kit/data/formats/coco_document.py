"""A COCO file, decoded as far as is needed to know which entries belong to which image: `open_document(path, root)`.

The entries stay text until their image is looked at. A million boxes are 50 MB beside the file itself that way, in the place of
a gigabyte of objects.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from eyebright_kit.data.categories import Category
from eyebright_kit.data.documents import MAX_INDEX_BYTES, Unreadable, decode_json, read_json
from eyebright_kit.data.format import Remark, shown_path
from eyebright_kit.data.gathering import Id, ListedImage, key_of, mark_of, shown_id
from eyebright_kit.data.lookup import split_of_file
from eyebright_kit.data.tree import printable
from eyebright_wire.datasets import Split


class _Content(Struct, frozen=True):
    images: list[Raw] | None = None
    annotations: list[Raw] | None = None
    categories: list[Raw] | None = None
    info: Raw = Raw(b"")
    licenses: Raw = Raw(b"")


class _Panoptic(Struct, frozen=True):
    segments_info: Raw = Raw(b"")


class _Reference(Struct, frozen=True, gc=False):
    """What an entry is about."""

    image_id: Id | None = None
    category_id: Id | None = None


class _Stray(Struct, frozen=True, gc=False):
    """The same of an entry that cannot be understood, or belongs nowhere."""

    id: Any = None
    image_id: Id | None = None


_REFERENCE = msgspec.json.Decoder(_Reference)
_STRAY = msgspec.json.Decoder(_Stray)
_UNDECODED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOWHERE = -1
_SAYS_SOMETHING = re.compile(
    rb'(?:^|[:\[])\s*"\s*[^"\s]'
)  # a text that is not blank; CVAT writes every field, filled or not


class Unsupported(Exception):
    """A COCO file, but of a kind that says nothing that is read here."""


@dataclass(frozen=True)
class Document:
    """One file. `contested` are images that cannot be told from others, by their place among `images`."""

    path: Path
    shown: str  # its name inside the data set, with forward slashes
    split: Split | None
    images: Sequence[ListedImage]
    entries: Sequence[Raw]
    categories: tuple[Category, ...]
    used: frozenset[Id]  # the numbers of the categories that entries are of
    contested: Mapping[int, str] = field(default_factory=dict[int, str])
    remarks: tuple[Remark, ...] = ()
    #: For each entry the place of its image, and the entries in the order of their images.
    _places: "array[int]" = field(default_factory=lambda: array("i"), repr=False)
    _order: "array[int]" = field(default_factory=lambda: array("I"), repr=False)

    def of(self, image: int) -> Iterator[tuple[int, Raw]]:
        """The entries of an image with their numbers, in the order of the file."""
        start = bisect_left(self._order, image, key=self._places.__getitem__)
        for place in range(start, len(self._order)):
            number = self._order[place]
            if self._places[number] != image:
                return
            yield number, self.entries[number]

    def strays(self) -> Iterator[Remark]:
        """A remark for each entry that belongs to no image of the file."""
        for number, entry in self.of(_NOWHERE):
            yield self._stray(number, entry)

    def _stray(self, number: int, entry: Raw) -> Remark:
        try:
            reference = decode_json(entry, _Stray, self.path)
        except Unreadable as error:
            return Remark(self.path, "broken_annotations", error.detail, f"entry {number + 1}")
        detail = (
            "it has no image_id" if reference.image_id is None else f"there is no image {shown_id(reference.image_id)}"
        )
        return Remark(self.path, "broken_annotations", detail, mark_of(reference.id, number))


def open_document(path: Path, root: Path) -> Document:
    """Raises Unreadable for what is no COCO file at all, and when its categories cannot be told apart; Unsupported."""
    content = read_json(path, root, _Content, MAX_INDEX_BYTES)
    if content.annotations is None:
        raise Unsupported("it lists images but has no annotations, so nobody knows what they show")
    if content.annotations and _is_panoptic(content.annotations[0]):
        raise Unsupported("its annotations are panoptic (segments_info), which is not read")
    shown = shown_path(path, root)
    images = _Images(path)
    for number, entry in enumerate(content.images or ()):
        images.add(number, entry)
    places, used = _references(content.annotations, images.places)
    categories = _categories(content.categories or (), path)
    return Document(
        path=path,
        shown=shown,
        split=split_of_file(shown),
        images=images.images,
        entries=content.annotations,
        categories=categories,
        used=used,
        contested=images.contested,
        remarks=(*images.remarks, *_left_behind(content, categories, path)),
        _places=places,
        _order=array("I", sorted(range(len(places)), key=places.__getitem__)),
    )


class _Images:
    """The images of a file while they are read."""

    def __init__(self, path: Path) -> None:
        self.images: list[ListedImage] = []
        self.places: dict[Id, int] = {}
        self.contested: dict[int, str] = {}
        self.remarks: list[Remark] = []
        self._path = path

    def add(self, number: int, entry: Raw) -> None:
        try:
            image = decode_json(entry, ListedImage, self._path)
        except Unreadable as error:
            return self._remark("broken_annotations", error.detail, f"image number {number + 1}")
        if image.id is None or not image.name:
            missing = "file_name" if image.id is not None else "id"
            return self._remark("broken_annotations", f"it has no {missing}", f"image number {number + 1}")
        place = self.places.setdefault(key_of(image.id), len(self.images))
        if place < len(self.images):
            return self._repeat(self.images[place], image, place)
        self.images.append(image)
        return None

    def _repeat(self, first: ListedImage, second: ListedImage, place: int) -> None:
        mark = f"image {shown_id(first.id)}"
        if first.name == second.name:
            return self._remark("listed_twice", printable(first.name), mark)
        self.contested[place] = f"{printable(first.name)} and {printable(second.name)} have the same id"
        return None

    def _remark(self, code: str, detail: str, mark: str) -> None:
        self.remarks.append(Remark(self._path, code, detail, mark))


def _references(entries: Sequence[Raw], places: Mapping[Id, int]) -> tuple["array[int]", frozenset[Id]]:
    """For each entry the place of its image; and the categories of all."""
    found = array("i")
    used: set[Id | None] = set()
    for entry in entries:
        try:
            reference = _REFERENCE.decode(entry)
        except _UNDECODED:
            found.append(_place_of_broken(entry, places))
            continue
        used.add(reference.category_id)
        found.append(_place_of(reference.image_id, places))
    return found, frozenset(key_of(number) for number in used if number is not None)


def _place_of(number: Id | None, places: Mapping[Id, int]) -> int:
    if number is None:
        return _NOWHERE
    place = places.get(number)  # nearly always as it is written
    return places.get(key_of(number), _NOWHERE) if place is None else place


def _place_of_broken(entry: Raw, places: Mapping[Id, int]) -> int:
    """An entry with a category that is none still belongs to its image, which cannot be used then."""
    try:
        return _place_of(_STRAY.decode(entry).image_id, places)
    except _UNDECODED:
        return _NOWHERE  # said by `strays`


def _left_behind(content: _Content, categories: Iterable[Category], path: Path) -> Iterator[Remark]:
    """What the file says of the set as a whole, for which a version has no place."""
    said = {
        "info": _SAYS_SOMETHING.search(bytes(content.info)),
        "licenses": _SAYS_SOMETHING.search(bytes(content.licenses)),
        "supercategories": any(category.group for category in categories),
    }
    if any(said.values()):
        yield Remark(path, "details_left_behind", ", ".join(what for what, found in said.items() if found))


def _is_panoptic(entry: Raw) -> bool:
    try:
        return bool(msgspec.json.decode(entry, type=_Panoptic).segments_info)
    except _UNDECODED:
        return False


def _categories(entries: Sequence[Raw], path: Path) -> tuple[Category, ...]:
    """In the order of the file, each number once. Raises Unreadable."""
    known: dict[Id, Category] = {}
    for number, entry in enumerate(entries, 1):
        try:
            category = decode_json(entry, Category, path)
        except Unreadable as error:
            raise Unreadable(path, f"category number {number}: {error.detail}") from None
        first = known.setdefault(key_of(category.id), category)
        if first.name != category.name:
            names = " and ".join(repr(printable(str(one.name))) for one in (first, category))
            raise Unreadable(path, f"category {shown_id(category.id)} is both {names}; each needs a number of its own")
    return tuple(known.values())
