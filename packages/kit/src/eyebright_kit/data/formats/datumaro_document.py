"""A file of Datumaro's JSON, decoded as far as is needed to know its images: what they show waits as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Raw, Struct

from eyebright_kit.data.categories import Category
from eyebright_kit.data.documents import MAX_INDEX_BYTES, Unreadable, decode_json, read_json
from eyebright_kit.data.format import Remark, shown_path
from eyebright_kit.data.gathering import Id, ListedImage, shown_id
from eyebright_kit.data.lookup import split_of_file
from eyebright_wire.datasets import Split


class _Label(Struct, frozen=True):
    name: str
    parent: str | None = None


class _Labels(Struct, frozen=True):
    labels: list[_Label] = []


class _Points(Struct, frozen=True):
    """The keypoints of a class."""

    label_id: int
    labels: list[str] = []
    joints: list[tuple[int, int]] = []


class _PointsOfAll(Struct, frozen=True):
    items: list[_Points] = []


class _Categories(Struct, frozen=True):
    label: _Labels = _Labels()
    points: _PointsOfAll = _PointsOfAll()


class _Content(Struct, frozen=True):
    items: list[Raw]
    categories: _Categories = _Categories()


class _Picture(Struct, frozen=True, gc=False):
    path: str | None = None
    size: tuple[int, int] | None = None  # height, width


class _Kind(Struct, frozen=True, gc=False):
    type: Any = None
    label_id: Any = None


class _Item(Struct, frozen=True, gc=False):
    id: Id
    image: _Picture | None = None
    annotations: list[_Kind] = []


@dataclass(frozen=True)
class Document:
    """The file of one subset. `images`, `items` and `labels` go together: a picture, what is said of it, its whole classes."""

    path: Path
    shown: str  # its name inside the data set, with forward slashes
    split: Split | None
    images: Sequence[ListedImage]
    items: Sequence[Raw]
    labels: Sequence[tuple[Id, ...]]
    categories: tuple[Category, ...]
    remarks: tuple[Remark, ...] = ()
    contested: Mapping[int, str] = field(default_factory=dict[int, str])
    used: frozenset[Id] = frozenset()  # nothing here asks


def open_document(path: Path, root: Path) -> Document:
    """Raises Unreadable."""
    content = read_json(path, root, _Content, MAX_INDEX_BYTES)
    images: list[ListedImage] = []
    items: list[Raw] = []
    labels: list[tuple[Id, ...]] = []
    remarks: list[Remark] = []
    for number, raw in enumerate(content.items, 1):
        try:
            item = decode_json(raw, _Item, path)
        except Unreadable as error:
            remarks.append(Remark(path, "broken_annotations", error.detail, f"item number {number}"))
            continue
        if item.image is None:
            detail = "it has no image, but perhaps a frame of a video or a cloud of points"
            remarks.append(Remark(path, "unsupported_annotations", detail, f"item {shown_id(item.id)}"))
            continue
        images.append(_listed(item, item.image, path.stem))
        items.append(raw)
        labels.append(_whole_labels(item.annotations))
    shown = shown_path(path, root)
    categories = tuple(_categories(content.categories))
    return Document(path, shown, split_of_file(shown), images, items, labels, categories, tuple(remarks))


def _listed(item: _Item, image: _Picture, subset: str) -> ListedImage:
    """Images lie in a folder that is called like their subset, by the name of their item."""
    height, width = image.size or (None, None)
    return ListedImage(f"{subset}/{image.path or f'{item.id}.jpg'}", item.id, width, height)


def _whole_labels(annotations: Iterable[_Kind]) -> tuple[Id, ...]:
    return tuple(
        each.label_id for each in annotations if each.type == "label" and isinstance(each.label_id, int | str | float)
    )


def _categories(found: _Categories) -> Iterable[Category]:
    """The labels by their number. Those that only name a keypoint of another are no classes."""
    points = {each.label_id: each for each in found.points.items}
    names = {found.label.labels[n].name: set(points[n].labels) for n in points if 0 <= n < len(found.label.labels)}
    for number, label in enumerate(found.label.labels):
        if label.name not in names.get(label.parent or "", ()):
            own = points.get(number)
            yield Category(number, label.name, None, own.labels if own else None, own.joints if own else None)
