"""Bring the images of a data set and the files that list them together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from eyebright_kit.data.format import Remark
from eyebright_kit.data.lookup import Lookup, NotFound, split_of_folder
from eyebright_kit.data.pairs import top_of
from eyebright_kit.data.tree import printable
from eyebright_kit.data.walk import named_like_image
from eyebright_wire.datasets import Split

Id: TypeAlias = int | str | float  # pandas makes 1.0 of 1
Place: TypeAlias = tuple[int, int]  # a file that lists images, and an image in it

_ROLES = frozenset({"images", "image", "annotations", "imgs", "img", "data"})


class ListedImage(Struct, frozen=True, gc=False):
    """What a file says about an image. No size when it says none."""

    file_name: str = ""
    id: Id | None = None
    width: float | str | None = None  # a text says nothing, but breaks nothing either
    height: float | str | None = None
    coco_url: Any = None

    @property
    def name(self) -> str:
        """LVIS gives only the address that an image of COCO had."""
        return self.file_name or (self.coco_url if isinstance(self.coco_url, str) else "")


class Listing(Protocol):
    """A file that lists images. `contested` are those that cannot be told from others, by their place, and why."""

    @property
    def path(self) -> Path: ...
    @property
    def shown(self) -> str: ...  # its name inside the data set, with forward slashes
    @property
    def split(self) -> Split | None: ...
    @property
    def images(self) -> Sequence[ListedImage]: ...
    @property
    def contested(self) -> Mapping[int, str]: ...


def split_names(listings: Iterable[Listing]) -> dict[Split, str]:
    """The file that is about each split, or the first such."""
    names: dict[Split, str] = {}
    for listing in listings:
        if listing.split:
            names.setdefault(listing.split, listing.shown)
    return names


class Gathering:
    """Where each listed image lies: by split and file, the places that list it. `rest` are remarks on whatever else lies there.

    `found` is what a walk finds below the root, `known` the files that are neither images nor to be remarked upon.
    """

    def __init__(
        self, root: Path, found: Sequence[Path | Remark], listings: Sequence[Listing], known: Set[Path]
    ) -> None:
        self.places: dict[Split | None, dict[str, list[Place]]] = defaultdict(dict)
        self.remarks: list[Remark] = []
        self._root = root
        files = {self.file(path): path for path in found if isinstance(path, Path)}
        one_of_each_folder = {file.rpartition("/")[0]: path for file, path in files.items()}
        self._top = self.file(top_of(one_of_each_folder.values(), root, _ROLES))
        lookup = Lookup(files)
        for number, listing in enumerate(listings):
            self._gather(number, listing, lookup)
        self._spread()
        self.rest = (*self._unlisted(files, known), *(each for each in found if isinstance(each, Remark)))

    def path(self, file: str) -> Path:
        return self._root / file

    def source(self, file: str) -> str:
        """Its name as it is shown, without the folders that only wrap the data set."""
        return printable(file.removeprefix(f"{self._top}/"))

    def file(self, path: Path) -> str:
        """Its path below the root, with forward slashes."""
        return "" if path == self._root else str(path)[len(str(self._root)) :].lstrip("/")

    def _gather(self, number: int, listing: Listing, lookup: Lookup) -> None:
        near = self.file(listing.path.parent)
        for place, image in enumerate(listing.images):
            if place in listing.contested:
                self._remark("broken_annotations", listing.contested[place], listing, image)
                continue
            try:
                file = lookup.find(image.name, near, listing.split)
            except NotFound as error:
                self._remark("missing_image", f"{printable(image.name)}: {error}", listing, image)
                continue
            split = listing.split or split_of_folder(self.source(file).rpartition("/")[0])
            places = self.places[split].setdefault(file, [])
            if places and places[-1][0] == number:  # one listing comes after the other
                self._remark("listed_twice", self.source(file), listing, image)
            places.append((number, place))

    def _remark(self, code: str, detail: str, listing: Listing, image: ListedImage) -> None:
        self.remarks.append(Remark(listing.path, code, detail, f"image {shown_id(image.id)}"))

    def _spread(self) -> None:
        """What a file without a split says of an image that others put into one is said of it there."""
        unsplit = self.places.pop(None, {})
        for file in [file for file in unsplit if any(file in files for files in self.places.values())]:
            places = unsplit.pop(file)
            for files in self.places.values():
                if file in files:
                    files[file] += places
        if unsplit:
            self.places[None] = unsplit

    def _unlisted(self, files: Mapping[str, Path], known: Set[Path]) -> Iterator[Remark]:
        listed = frozenset(file for listed in self.places.values() for file in listed)
        for file, path in files.items():
            if file not in listed and path not in known:
                yield Remark(path, "unlisted_image" if named_like_image(path) else "other_file")


def key_of(number: Id) -> Id:
    """The same for 7, 7.0 and "7"."""
    if type(number) is int or not isinstance(number, str):
        return number
    return int(number) if number.isdecimal() and len(number) < 19 and str(int(number)) == number else number


def shown_id(number: object) -> str:
    """An id as text that is safe to show, and short."""
    if type(number) is int and -(10**18) < number < 10**18:
        return str(number)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    text = printable(str(number)) if isinstance(number, int | str | float) else type(number).__name__
    return text if len(text) <= 40 else f"{text[:39]}…"


def mark_of(annotation_id: object, number: int) -> str:
    return f"entry {number + 1}" if annotation_id is None else f"annotation {shown_id(annotation_id)}"


def other_size(path: Path, image: ListedImage, width: int, height: int) -> Iterator[Remark]:
    """A remark if the image is not as large as it is said to be."""
    wide, high = image.width, image.height
    if not wide or not high or isinstance(wide, str) or isinstance(high, str) or (wide, high) == (width, height):
        return
    turned = ", turned" if (wide, high) == (height, width) else ""
    detail = f"{wide:g}×{high:g} where it is listed, {width}×{height} in fact{turned}"
    yield Remark(path, "size_mismatch", detail)
