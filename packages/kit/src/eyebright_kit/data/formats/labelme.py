"""LabelMe: one JSON file beside each image.

    train/1.jpg, train/1.json              LabelMe's and X-AnyLabeling's own
    images/1.jpg, annotations/1.json       where somebody sorted them

The picture that LabelMe keeps inside the JSON is not looked at, and not written: the image beside it counts.
"""

import base64
import binascii
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from eyebright_kit.data.annotations import Attribute, Instance, Ring, box_around, rounded
from eyebright_kit.data.bitmaps import bitmap_of, counts_of
from eyebright_kit.data.classlist import PLAIN_LISTS, on_one_line, read_plain_list
from eyebright_kit.data.documents import Unreadable, read_json
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.geometry import ellipse
from eyebright_kit.data.images import ImageLimits, Unusable, decoded_bytes
from eyebright_kit.data.imagesets import split_names
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.pairs import (
    IMAGE_ROLES,
    TEXT_ROLES,
    Places,
    beginning,
    gather,
    glimpsed,
    matched,
    split_within,
    top_of,
)
from eyebright_kit.data.rle import box_of, compress, expand
from eyebright_kit.data.scalars import is_sane
from eyebright_kit.data.tree import Tree, printable
from eyebright_kit.data.walk import natural_order
from eyebright_kit.data.writing import Target, write_file

_ROLES = IMAGE_ROLES | TEXT_ROLES
_MAX_BYTES = 400 * 1024**2  # the largest image that is accepted, as text
_NO_CLASSES = ("__ignore__", "_background_")  # with which LabelMe's own lists begin
_CARRIED = frozenset(
    {
        Feature.BOX,
        Feature.POLYGON,
        Feature.PARTS,
        Feature.RLE,
        Feature.CORNERS,
        Feature.ATTRIBUTES,
        Feature.CLASS_ORDER,
        Feature.CLASS_NAMES,
    }
)


class Labelme:
    """The registered format."""

    name = "labelme"
    tasks = ("detection", "instance_segmentation", "oriented_detection")
    layout = "1.jpg beside 1.json"

    def matches(self, root: Path) -> Certainty:
        tree = Tree(root)
        starts = (beginning(path, tree) for path in glimpsed(tree, ".json"))
        return Certainty.SURE if any(map(_begins_like_labelme, starts)) else Certainty.NO

    def read(self, root: Path) -> Reading:
        gathered = gather(Tree(root), _is_json)
        classes = _listed_classes(gathered.others, root) or _labels_within(gathered.documents, root)
        splits = split_names((), "", gathered.images, root)
        return Reading(classes, partial(_found, Tree(root), classes), splits=splits)

    def carries(self, present: Features) -> Features:
        return present & _CARRIED

    def write(self, target: Target) -> None:
        """`train/1.jpg` with `train/1.json`, the order of the classes in `labels.txt`."""
        classes = [on_one_line(name) for name in target.header.classes]
        for sample in target.samples():
            image = target.place_image(sample, target.folder(sample.split))
            write_file(image.with_suffix(".json"), _document(sample, image.name, classes))
        write_file(target.into / "labels.txt", "".join(f"{name}\n" for name in classes))


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _begins_like_labelme(start: bytes) -> bool:
    return b'"shapes"' in start or (b'"imagePath"' in start and b'"imageData"' in start)


# The file


class _Shape(Struct, gc=False):
    label: str
    points: tuple[tuple[float, float], ...] = ()
    shape_type: str | None = "polygon"  # of before there were others
    group_id: int | str | None = None
    description: str | None = None
    difficult: bool | None = None
    flags: dict[str, bool] | None = None
    attributes: dict[str, Any] | None = None
    mask: str | None = None


class _Document(Struct, gc=False):
    shapes: tuple[_Shape, ...]
    flags: dict[str, bool] | None = None  # of the whole image
    imageWidth: float | None = None
    imageHeight: float | None = None


class _LabelledShape(Struct, gc=False):
    """What the list of classes needs of a shape."""

    label: str
    shape_type: str | None = "polygon"


class _LabelledDocument(Struct, gc=False):
    shapes: tuple[_LabelledShape, ...]


class _Origin(Struct, gc=False):
    """What tells of the image; `imageData` stays the text that it is."""

    shapes: Raw
    imagePath: str | None = None
    imageData: Raw = Raw(b"null")


_READ = frozenset({"polygon", "rectangle", "circle", "rotation", "mask"})


# Classes


def _class_lists(others: Iterable[Path]) -> list[Path]:
    """The one that counts first: the nearest to the root."""
    return sorted(
        (path for path in others if path.name.lower() in PLAIN_LISTS), key=lambda path: (len(path.parts), path)
    )


def _listed_classes(others: Iterable[Path], root: Path) -> tuple[str, ...]:
    """In the order of the list; none without a list."""
    for path in _class_lists(others)[:1]:
        names = [named.name for named in read_plain_list(path, root)]
        while names and names[0] in _NO_CLASSES:
            names.pop(0)
        return tuple(names)
    return ()


def _labels_within(documents: Iterable[Path], root: Path) -> tuple[str, ...]:
    """The labels of all shapes that are read, sorted. A file that cannot be read is judged with its image."""
    names: set[str] = set()
    for path in documents:
        try:
            shapes = read_json(path, root, _LabelledDocument, _MAX_BYTES).shapes
        except Unreadable:
            continue
        names.update(shape.label for shape in shapes if (shape.shape_type or "polygon") in _READ)
    return tuple(sorted({_name_of(label) for label in names}, key=natural_order))


def _name_of(label: str) -> str:
    return printable(label.strip())


# Walking


def _found(tree: Tree, classes: Sequence[str]) -> Iterator[Candidate | Remark]:
    gathered = gather(tree, _is_json)
    yield from gathered.remarks
    places = Places(tree.root, _ROLES)
    documents, unused = matched(gathered.images, gathered.documents, places, partial(_named, root=tree.root))
    top = top_of(gathered.images, tree.root, _ROLES)
    reader = _Reader(tree.root, {name: label for label, name in enumerate(classes)})
    for path in gathered.images:
        split = split_within(path.parent.relative_to(tree.root).as_posix())
        document = documents.get(path)
        annotate = partial(reader.annotations, document) if document else partial(_without, path)
        yield Candidate(path, shown_path(path, top), split[0] if split else None, annotate=annotate)
    yield from (_unused(path, tree.root) for path in unused)
    in_use = _class_lists(gathered.others)[:1]
    yield from (Remark(path, "other_file") for path in gathered.others if path not in in_use)


def _origin(path: Path, root: Path) -> _Origin | None:
    """None for what is no file of LabelMe's."""
    try:
        return read_json(path, root, _Origin, _MAX_BYTES)
    except Unreadable:
        return None


def _named(path: Path, root: Path) -> str | None:
    origin = _origin(path, root)
    return origin.imagePath if origin else None


def _unused(path: Path, root: Path) -> Remark:
    origin = _origin(path, root)
    if origin is None:
        return Remark(path, "orphan_annotations", "it names no image, and none is called like it")
    if bytes(origin.imageData) not in (b"null", b'""'):
        return Remark(path, "missing_image", "its image is only inside it (imageData); save that as a file beside it")
    return Remark(path, "orphan_annotations", f"no image is called {printable(origin.imagePath or '')[:80]!r}")


def _without(path: Path, width: int, height: int) -> Annotations:
    return Annotations(remarks=(Remark(path, "missing_annotations"),))


# Shapes


class _Unnamed(ValueError):
    """The list of classes lacks the label."""


@dataclass(slots=True)
class _Object:
    """One object while its shapes are put together. `mark` is where the first of them stands."""

    label: int
    mark: str
    attributes: dict[str, Attribute]
    polygons: list[Ring] = field(default_factory=list[Ring])
    points: Ring = ()  # of what is no outline
    corners: Ring = ()
    counts: list[int] | None = None

    def instance(self, height: int) -> Instance:
        if self.counts is not None:
            box, rle = box_of(self.counts, height), compress(self.counts)
            return Instance(label=self.label, box=box, rle=rle, attributes=self.attributes)
        points = self.points or tuple(number for ring in self.polygons for number in ring)
        return Instance(
            label=self.label,
            box=box_around(points),
            polygons=tuple(self.polygons),
            corners=self.corners,
            attributes=self.attributes,
        )


class _Reader:
    def __init__(self, root: Path, labels: Mapping[str, int]) -> None:
        self._root = root
        self._labels = labels

    def annotations(self, path: Path, width: int, height: int) -> Annotations:
        """Raises Unreadable."""
        document = read_json(path, self._root, _Document, _MAX_BYTES)
        remarks = [*_of_size(document, path, width, height), *_of_flags(document, path)]
        objects: list[_Object] = []
        groups: dict[tuple[str, int | str], _Object] = {}
        for number, shape in enumerate(document.shapes, 1):
            mark = f"shape {number}"
            if (shape.shape_type or "polygon") not in _READ:
                detail = f"a shape is a {printable(shape.shape_type or '')[:40]}; expected {', '.join(sorted(_READ))}"
                remarks.append(Remark(path, "unsupported_annotations", detail, mark))
                continue
            try:
                self._add(shape, mark, (width, height), objects, groups)
            except ValueError as error:
                code = "class_without_name" if isinstance(error, _Unnamed) else "broken_annotations"
                remarks.append(Remark(path, code, str(error), mark))
        return Annotations(
            tuple(thing.instance(height) for thing in objects),
            path,
            tuple(thing.mark for thing in objects),
            remarks=tuple(remarks),
        )

    def _add(
        self,
        shape: _Shape,
        mark: str,
        size: tuple[int, int],
        objects: list[_Object],
        groups: dict[tuple[str, int | str], _Object],
    ) -> None:
        """As one more object or, for an outline with the label and the group of an earlier one, as a part of that. Raises
        ValueError."""
        made = self._object(shape, mark, size)
        if shape.group_id is not None and made.polygons:
            first = groups.setdefault((shape.label, shape.group_id), made)
            if first is not made:
                first.polygons += made.polygons
                first.attributes |= made.attributes
                return
        objects.append(made)

    def _object(self, shape: _Shape, mark: str, size: tuple[int, int]) -> _Object:
        label = self._labels.get(_name_of(shape.label))
        if label is None:
            raise _Unnamed(f"the label {printable(shape.label)[:80]!r} is not in the list of classes")
        made = _Object(label, mark, _attributes(shape))
        points = _checked(shape.points)
        match shape.shape_type:
            case "rectangle":
                made.points = _at_least(points, 2, "a rectangle")
            case "rotation":
                made.points = made.corners = _exactly_four(points)
            case "circle":
                made.polygons = [_circle(points)]
            case "mask":
                made.counts = _counts(shape, points, size)
            case _:
                made.polygons = [_at_least(points, 3, "an outline")]
        return made


def _of_size(document: _Document, path: Path, width: int, height: int) -> Iterator[Remark]:
    said = document.imageWidth, document.imageHeight
    if said[0] and said[1] and said != (width, height):
        detail = f"it says {said[0]:g}×{said[1]:g}, the image has {width}×{height} pixels"
        yield Remark(path, "size_mismatch", detail)


def _of_flags(document: _Document, path: Path) -> Iterator[Remark]:
    if told := [printable(name) for name, is_set in (document.flags or {}).items() if is_set]:
        detail = f"the flag {told[0][:80]!r} of the whole image is not read" + (", nor are others" if told[1:] else "")
        yield Remark(path, "unsupported_annotations", detail)


def _checked(points: Iterable[tuple[float, float]]) -> Ring:
    numbers = [number for point in points for number in point]
    if wrong := next((number for number in numbers if not is_sane(number)), None):
        raise ValueError(f"a coordinate is {wrong:g}, which lies in no image")
    return rounded(*numbers)


def _at_least(points: Ring, least: int, what: str) -> Ring:
    if len(points) < 2 * least:
        raise ValueError(f"{what} has {len(points) // 2} points; expected {least} or more")
    return points


def _exactly_four(points: Ring) -> Ring:
    if len(points) != 8:
        raise ValueError(f"a turned box has {len(points) // 2} points; expected 4")
    return points


def _circle(points: Ring) -> Ring:
    """From its middle and a point on it."""
    if len(points) != 4:
        raise ValueError(f"a circle has {len(points) // 2} points; expected its middle and one on it")
    radius = math.hypot(points[2] - points[0], points[3] - points[1])
    return ellipse((points[0], points[1]), (radius, radius))


def _counts(shape: _Shape, points: Ring, size: tuple[int, int]) -> list[int]:
    """The run lengths of a small picture, in base64, whose left upper corner is the first point."""
    _at_least(points, 1, "a mask")
    if not shape.mask:
        raise ValueError("it has no mask")
    try:
        content = base64.b64decode(shape.mask, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"its mask is no base64: {error}") from None
    picture = decoded_bytes(content, ImageLimits(), Path("mask.png"))
    if isinstance(picture, Unusable):
        raise ValueError(f"its mask is no picture: {picture.detail or picture.code}")
    if picture.mode not in ("1", "L", "P"):
        raise ValueError(f"the pixels of its mask are of the mode {picture.mode}; expected black and white")
    return counts_of(picture.convert("L"), round(points[0]), round(points[1]), size)


def _attributes(shape: _Shape) -> dict[str, Attribute]:
    """Flags that are set, a description, and X-AnyLabeling's attributes, as far as they are plain values."""
    known: dict[str, Attribute] = {printable(name): True for name, is_set in (shape.flags or {}).items() if is_set}
    if shape.difficult:
        known["difficult"] = True
    if shape.description:
        known["description"] = printable(shape.description)
    for name, value in (shape.attributes or {}).items():
        if isinstance(value, str):
            known[printable(name)] = printable(value)
        elif isinstance(value, bool | int | float):
            known[printable(name)] = value
    return known


# Writing


def _document(sample: Sample, name: str, classes: Sequence[str]) -> bytes:
    shapes = [
        shape
        for group, instance in enumerate(sample.instances, 1)
        for shape in _shapes(instance, classes[instance.label], group, (sample.width, sample.height))
    ]
    document: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": name,
        "imageData": None,
        "imageHeight": sample.height,
        "imageWidth": sample.width,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _shapes(instance: Instance, label: str, group: int, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """One, but for an outline of several parts, which a group holds together."""
    if instance.rle:
        yield _mask(instance, label, size)
    elif instance.corners:
        yield _shape(instance, label, "rotation", instance.corners)
    elif instance.polygons:
        for ring in instance.polygons:
            yield _shape(instance, label, "polygon", ring, group if len(instance.polygons) > 1 else None)
    else:
        left, top, wide, high = instance.box
        yield _shape(instance, label, "rectangle", rounded(left, top, left + wide, top + high))


def _shape(instance: Instance, label: str, kind: str, points: Ring, group: int | None = None) -> dict[str, Any]:
    return {
        "label": label,
        "points": list(zip(points[0::2], points[1::2], strict=True)),
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "attributes": instance.attributes,
        "mask": None,
    }


def _mask(instance: Instance, label: str, size: tuple[int, int]) -> dict[str, Any]:
    counts = expand(instance.rle)
    left, top, wide, high = (int(number) for number in box_of(counts, size[1]))
    right, bottom = left + max(wide, 1), top + max(high, 1)
    picture = bitmap_of(counts, size).crop((left, top, right, bottom)).convert("1")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    shape = _shape(instance, label, "mask", (left, top, right - 1, bottom - 1))
    return shape | {"mask": base64.b64encode(buffer.getvalue()).decode()}
