"""Read the shapes of an image of CVAT's, and put those of one object together."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from eyebright_kit.data.annotations import Attribute, Box, Instance, Ring, box_around, rounded
from eyebright_kit.data.bitmaps import bitmap_of_rows, counts_of
from eyebright_kit.data.format import Annotations, Remark
from eyebright_kit.data.formats.cvat_document import Label, Part, plain
from eyebright_kit.data.geometry import ellipse, turned, turned_corners
from eyebright_kit.data.rle import box_of, compress
from eyebright_kit.data.scalars import attribute_of, number_of
from eyebright_kit.data.tree import printable

_MOVED = 1e-3  # by how much a number differs that somebody has changed


class _Remarked(Exception):
    """A shape that is not read; `code` is a finding."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(slots=True)
class _Object:
    """One object while its shapes are put together. `line` is where the first of them stands."""

    label: int
    line: int
    attributes: dict[str, Attribute]
    box: Box | None = None
    polygons: list[Ring] = field(default_factory=list[Ring])
    corners: Ring = ()
    keypoints: tuple[float, ...] = ()
    counts: list[int] | None = None

    def instance(self, height: int) -> Instance:
        return Instance(
            label=self.label,
            box=self.box or self._box_around(height),
            polygons=tuple(self.polygons),
            rle=compress(self.counts) if self.counts is not None else "",
            keypoints=self.keypoints,
            corners=self.corners,
            attributes=self.attributes,
        )

    def _box_around(self, height: int) -> Box:
        if self.counts is not None:
            return box_of(self.counts, height)
        known = zip(self.keypoints[0::3], self.keypoints[1::3], self.keypoints[2::3], strict=True)
        outline = tuple(number for ring in self.polygons for number in ring)
        points = outline or tuple(n for x, y, seen in known if seen for n in (x, y))
        return box_around(points) if points else (0, 0, 0, 0)

    def joined(self, other: "_Object") -> bool:
        """Take in another shape of the same label and group, if it is a part of the same object: one more outline, or keypoints
        and what they lie in."""
        if self.polygons and other.polygons:
            self.polygons += other.polygons
        elif other.is_of_points and not self.keypoints:
            self.keypoints = other.keypoints
        elif self.is_of_points and not other.keypoints:
            self.box, self.polygons, self.corners, self.counts = other.box, other.polygons, other.corners, other.counts
        else:
            return False
        self.attributes |= other.attributes
        return True

    @property
    def is_of_points(self) -> bool:
        return bool(self.keypoints) and not (self.box or self.polygons) and self.counts is None


class ShapeReader:
    """Reads what is said of one image, by the labels that are declared."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self._labels = {label.name: (number, label) for number, label in enumerate(labels)}

    def label(self, part: Part) -> int | None:
        """The class of the whole image, from its first tag."""
        tag = part.element.find("tag")
        known = None if tag is None else self._labels.get(plain(tag.get("label", "")))
        return known[0] if known else None

    def annotations(self, path: Path, part: Part, width: int, height: int) -> Annotations:
        remarks = list(_of_size(path, part, width, height))
        objects: list[_Object] = []
        groups: dict[tuple[int, str], _Object] = {}
        tags = 0
        for shape, line in zip(part.element, part.lines, strict=True):
            tags += shape.tag == "tag"
            try:
                made = self._read(shape, line, tags, (width, height))
            except _Remarked as error:
                remarks.append(Remark(path, error.code, str(error), str(line)))
            except ValueError as error:
                remarks.append(Remark(path, "broken_annotations", str(error), str(line)))
            else:
                _add(made, shape.get("group_id", "0"), objects, groups)
            if detail := _unread(shape):
                remarks.append(Remark(path, "unsupported_annotations", detail, str(line)))
        instances = tuple(thing.instance(height) for thing in objects)
        return Annotations(instances, path, tuple(thing.line for thing in objects), remarks=tuple(remarks))

    def _read(self, shape: Element, line: int, tags: int, size: tuple[int, int]) -> _Object | None:
        """None for the tag of the image. Raises _Remarked, or ValueError for what is broken."""
        read = _SHAPES.get(shape.tag)
        if read is None and shape.tag != "tag":
            raise _Remarked(
                "unsupported_annotations", f"a <{printable(shape.tag)[:40]}> is no {', '.join(_SHAPES)} or tag"
            )
        known = self._labels.get(shape.get("label", "")) or self._labels.get(plain(shape.get("label", "")))
        if known is None:
            raise _Remarked("class_without_name", f"no label {_shown_label(shape)} is declared")
        if read is None:
            if tags > 1:
                raise _Remarked("unsupported_annotations", "an image has more than one tag; the first one counts")
            return None
        made = _Object(known[0], line, _attributes(shape, known[1].attributes))
        read(shape, made, known[1], size)
        return made


def _add(made: _Object | None, group: str, objects: list[_Object], groups: dict[tuple[int, str], _Object]) -> None:
    if made is None:
        return
    if group not in ("", "0"):
        earlier = groups.get((made.label, group))
        if earlier and earlier.joined(made):
            return
        groups[made.label, group] = made
    objects.append(made)


def _of_size(path: Path, part: Part, width: int, height: int) -> Iterator[Remark]:
    said = part.element.get("width", ""), part.element.get("height", "")
    if all(text.isdigit() for text in said) and said != (str(width), str(height)):
        detail = f"it says {said[0][:9]}×{said[1][:9]}, the image has {width}×{height} pixels"
        yield Remark(path, "size_mismatch", detail, str(part.line))


#: Where attributes stand that have no place in the neutral form.
_UNREAD = {"tag": ("attribute", "a tag"), "skeleton": ("points/attribute", "a point")}


def _unread(shape: Element) -> str:
    """What is passed over of a shape; empty when it says nothing more."""
    where, what = _UNREAD.get(shape.tag, ("", ""))
    return f"attributes of {what} are not read" if where and any(n.text for n in shape.iterfind(where)) else ""


def _shown_label(shape: Element) -> str:
    return repr(printable(shape.get("label", ""))[:80])


def _attributes(shape: Element, kinds: Mapping[str, str]) -> dict[str, Attribute]:
    known: dict[str, Attribute] = {"occluded": True} if shape.get("occluded") == "1" else {}
    if shape.get("z_order", "0") != "0":
        known["z_order"] = attribute_of(shape.get("z_order", ""))
    for node in shape:
        if node.tag != "attribute":
            continue
        name, text = plain(node.get("name", "")), node.text or ""
        if text or node.get("type"):  # without a text it is one that nobody has filled in
            known[name] = typed(text, node.get("type", ""), kinds.get(name, ""))
    return known


def typed(text: str, kind: str, declared: str) -> Attribute:
    """By its own kind, which we write where the declared one would mislead, else by that."""
    if kind or declared in ("", "number"):
        return attribute_of(text, kind)
    return text.lower() == "true" if declared == "checkbox" else printable(text)


def _number(shape: Element, name: str) -> float:
    return number_of(shape.get(name), name)


def _points(text: str | None) -> Ring:
    """`x,y;x,y`"""
    pairs = [pair.split(",") for pair in (text or "").split(";") if pair.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("its points are not written as x,y;x,y")
    return rounded(*(number_of(number, "point") for pair in pairs for number in pair))


def _read_box(shape: Element, made: _Object, label: Label, size: tuple[int, int]) -> None:
    left, top, right, bottom = (_number(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    angle = math.remainder(_number(shape, "rotation"), 360) if "rotation" in shape.attrib else 0.0
    made.corners = _exact_corners(shape)
    if angle and not made.corners:
        middle, extent = ((left + right) / 2, (top + bottom) / 2), (right - left, bottom - top)
        made.corners = turned_corners(middle, extent, math.radians(angle))
    left, top, wide, high = rounded(left, top, right - left, bottom - top)
    made.box = box_around(made.corners) if made.corners else (left, top, wide, high)


def _exact_corners(shape: Element) -> Ring:
    """Those that we wrote beside the turned box, where nobody has changed that since."""
    corners = _points(shape.get("corners")) if "corners" in shape.attrib else ()
    if len(corners) != 8:
        return ()
    expected = unturned(corners)
    return corners if all(abs(_number(shape, name) - number) < _MOVED for name, number in expected.items()) else ()


def unturned(corners: Ring) -> dict[str, float]:
    """The box before it was turned round its middle, and by how much. What is no rectangle becomes the nearest to it."""
    cx, cy = sum(corners[0::2]) / 4, sum(corners[1::2]) / 4
    wide = math.dist(corners[0:2], corners[2:4]) / 2
    high = math.dist(corners[2:4], corners[4:6]) / 2
    angle = math.degrees(math.atan2(corners[3] - corners[1], corners[2] - corners[0])) % 360
    return {"xtl": cx - wide, "ytl": cy - high, "xbr": cx + wide, "ybr": cy + high, "rotation": angle}


def _read_polygon(shape: Element, made: _Object, label: Label, size: tuple[int, int]) -> None:
    ring = _points(shape.get("points"))
    if len(ring) < 6:
        raise ValueError(f"an outline has {len(ring) // 2} points; expected 3 or more")
    made.polygons = [ring]


def _read_ellipse(shape: Element, made: _Object, label: Label, size: tuple[int, int]) -> None:
    cx, cy, rx, ry = (_number(shape, name) for name in ("cx", "cy", "rx", "ry"))
    if rx <= 0 or ry <= 0:
        raise ValueError(f"an ellipse has the radii {rx:g} and {ry:g}")
    angle = math.radians(math.remainder(number_of(shape.get("rotation", "0"), "rotation"), 360))
    made.polygons = [turned(ellipse((cx, cy), (rx, ry)), (cx, cy), angle)]


def _read_mask(shape: Element, made: _Object, label: Label, size: tuple[int, int]) -> None:
    """Run lengths along the rows of a small picture."""
    left, top, wide, high = (int(_number(shape, name)) for name in ("left", "top", "width", "height"))
    if not (0 < wide <= size[0] and 0 < high <= size[1]):
        raise ValueError(f"a mask has {wide}×{high} pixels, the image {size[0]}×{size[1]}")
    counts = [
        int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1 for text in _split(shape.get("rle"))
    ]
    if -1 in counts or sum(counts) != wide * high:
        raise ValueError(f"the run lengths of a mask are not {wide * high} pixels in whole numbers")
    made.counts = counts_of(bitmap_of_rows(counts, (wide, high)), left, top, size)


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",")]


def _read_skeleton(shape: Element, made: _Object, label: Label, size: tuple[int, int]) -> None:
    if label.skeleton is None:
        raise ValueError(f"the points of the skeleton {_shown_label(shape)} are not declared")
    places: dict[str, tuple[float, float, float]] = {}
    for node in shape.iterfind("points"):
        name = plain(node.get("label", ""))
        if name not in label.skeleton.keypoints:
            raise ValueError(f"a point of the skeleton is called {name[:80]!r}, which is not declared")
        places[name] = _keypoint(node)
    made.keypoints = tuple(n for name in label.skeleton.keypoints for n in places.get(name, (0, 0, 0)))


def _keypoint(node: Element) -> tuple[float, float, float]:
    if node.get("outside") == "1":
        return 0, 0, 0
    place = _points(node.get("points"))
    if len(place) != 2:
        raise ValueError(f"a point of a skeleton has {len(place)} numbers; expected x,y")
    return place[0], place[1], 1 if node.get("occluded") == "1" else 2


_SHAPES = {
    "box": _read_box,
    "polygon": _read_polygon,
    "ellipse": _read_ellipse,
    "mask": _read_mask,
    "skeleton": _read_skeleton,
}
