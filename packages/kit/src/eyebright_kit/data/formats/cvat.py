"""CVAT for images 1.1: one XML file for the whole set.

    annotations.xml, images/train/1.jpg, images/1.jpg or 1.jpg

The labels that it declares are the classes, in their order; `subset` is the split. Outlines of one label and group are the
parts of one object; a box in the group of a skeleton is the skeleton's. A tag is the class of the whole image.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from eyebright_kit.data.annotations import Attribute, Box, Instance, Ring, Skeleton, box_around, rounded
from eyebright_kit.data.bitmaps import bitmap_of, bitmap_of_rows, counts_of, row_counts_of
from eyebright_kit.data.classlist import on_one_line
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.formats.cvat_document import Label, Part, labels_of, parts_of, plain, written_labels
from eyebright_kit.data.geometry import ellipse, turned, turned_corners
from eyebright_kit.data.imagesets import split_names
from eyebright_kit.data.lookup import Lookup, NotFound, split_of_folder
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.pairs import IMAGE_ROLES, beginning, gather, glimpsed, top_of
from eyebright_kit.data.rle import box_of, compress, expand
from eyebright_kit.data.scalars import attribute_of, attribute_text, number_of, number_text
from eyebright_kit.data.tree import Tree, printable
from eyebright_kit.data.walk import named_like_image, split_of
from eyebright_kit.data.writing import Target
from eyebright_wire.datasets import Split

_CARRIED = frozenset(
    {
        Feature.LABEL,
        Feature.BOX,
        Feature.POLYGON,
        Feature.PARTS,
        Feature.RLE,
        Feature.CORNERS,
        Feature.KEYPOINTS,
        Feature.SKELETON,
        Feature.ATTRIBUTES,
        Feature.CLASS_ORDER,
        Feature.CLASS_NAMES,
    }
)
_MOVED = 1e-3  # by how much a number differs that somebody has changed


class Cvat:
    """The registered format."""

    name = "cvat"
    tasks = ("classification", "detection", "instance_segmentation", "keypoint_detection", "oriented_detection")
    layout = "annotations.xml with images/1.jpg"

    def matches(self, root: Path) -> Certainty:
        tree = Tree(root)
        return Certainty.SURE if any(_is_ours(path, tree) for path in glimpsed(tree, ".xml")) else Certainty.NO

    def read(self, root: Path) -> Reading:
        tree = Tree(root)
        gathered = gather(tree, _is_xml)
        labels: dict[str, Label] = {}
        for path in gathered.documents:
            for label in labels_of(path, root) if _is_ours(path, tree) else ():
                labels.setdefault(label.name, label)
        skeletons = {number: label.skeleton for number, label in enumerate(labels.values()) if label.skeleton}
        return Reading(
            tuple(labels),
            partial(_found, tree, tuple(labels.values())),
            splits=split_names((), "", gathered.images, root),
            skeletons={number: skeleton for number, skeleton in skeletons.items() if not _is_anonymous(skeleton)},
        )

    def carries(self, present: Features) -> Features:
        return present & _CARRIED

    def write(self, target: Target) -> None:
        """`annotations.xml` with `images/train/1.jpg`."""
        labels = _labels_to_write(target)
        with (target.into / "annotations.xml").open("xb") as file:
            file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
            _write_part(file, written_labels(labels))
            for number, sample in enumerate(target.samples()):
                image = target.place_image(sample, target.folder("images", sample.split))
                _write_part(file, _image(number, sample, image.name, labels))
            file.write(b"</annotations>\n")


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml"


def _is_ours(path: Path, tree: Tree) -> bool:
    return bool(re.search(rb"<annotations[\s>]", beginning(path, tree)))


def _is_anonymous(skeleton: Skeleton) -> bool:
    """Its points have numbers and no lines: nothing is known of them but how many they are."""
    numbers = tuple(str(number) for number in range(1, len(skeleton.keypoints) + 1))
    return skeleton.keypoints == numbers and not skeleton.edges


# Walking


def _found(tree: Tree, labels: Sequence[Label]) -> Iterator[Candidate | Remark]:
    gathered = gather(tree, _is_xml)
    yield from gathered.remarks
    finder = _Finder(tree.root, gathered.images)
    reader = _Reader(labels)
    for path in gathered.documents:
        if _is_ours(path, tree):
            yield from _of_document(path, tree.root, finder, reader)
        else:
            yield Remark(path, "orphan_annotations", "it is no file of CVAT's")
    yield from (Remark(path, "unlisted_image") for path in gathered.images if path not in finder.listed)
    yield from (Remark(path, "other_file") for path in gathered.others)


def _of_document(path: Path, root: Path, finder: "_Finder", reader: "_Reader") -> Iterator[Candidate | Remark]:
    for part in parts_of(path, root):
        if part.element.tag == "track":
            detail = "a track goes over the frames of a video; export the task as “CVAT for images” to have it read"
            yield Remark(path, "unsupported_annotations", detail, str(part.line))
        elif part.element.tag == "image":
            yield from _of_image(path, part, finder, reader)


def _of_image(path: Path, part: Part, finder: "_Finder", reader: "_Reader") -> Iterator[Candidate | Remark]:
    name, subset = part.element.get("name", ""), part.element.get("subset", "")
    try:
        image = finder.find(name, path, split_of(subset))
    except NotFound as error:
        yield Remark(path, "missing_image", f"{printable(name)[:120]}: {error}", str(part.line))
        return
    if image in finder.listed:
        yield Remark(path, "unsupported_annotations", f"{printable(name)[:120]} is listed again", str(part.line))
        return
    finder.listed.add(image)
    split = split_of(subset) or split_of_folder(finder.folder_of(image))
    annotate = partial(reader.annotations, path, part)
    yield Candidate(image, shown_path(image, finder.top), split, reader.label(part), annotate)


class _Finder:
    """The images that are there, by the names that CVAT gives them. Only what the walk has found is ever meant."""

    def __init__(self, root: Path, images: Sequence[Path]) -> None:
        self._root = root
        self.top = top_of(images, root, IMAGE_ROLES)
        self.listed: set[Path] = set()
        self._files = {image.relative_to(root).as_posix(): image for image in images}
        self._lookup = Lookup(self._files)
        self._frames = {
            file.rpartition(".")[0]: file for file in self._files
        }  # frames of a video are named without ending
        self._frame_lookup = Lookup(self._frames)

    def find(self, name: str, document: Path, split: Split | None) -> Path:
        """Raises NotFound."""
        near = self.folder_of(document)
        if named_like_image(Path(name)):
            return self._files[self._lookup.find(name, near, split)]
        return self._files[self._frames[self._frame_lookup.find(name, near, split)]]

    def folder_of(self, path: Path) -> str:
        folder = path.parent.relative_to(self._root).as_posix()
        return "" if folder == "." else folder


# Shapes


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
        """Take in another shape of the same label and group, if it is a part of the same object."""
        if self.polygons and other.polygons:
            self.polygons += other.polygons
        elif self.keypoints and not self.box and other.is_plain_box:
            self.box = other.box
        elif self.is_plain_box and other.keypoints and not other.box:
            self.keypoints = other.keypoints
        else:
            return False
        self.attributes |= other.attributes
        return True

    @property
    def is_plain_box(self) -> bool:
        return bool(self.box) and not (self.keypoints or self.corners)


class _Reader:
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
            known[name] = _typed(text, node.get("type", ""), kinds.get(name, ""))
    return known


def _typed(text: str, kind: str, declared: str) -> Attribute:
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
    expected = _turned_box(corners)
    return corners if all(abs(_number(shape, name) - number) < _MOVED for name, number in expected.items()) else ()


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


# Writing


def _labels_to_write(target: Target) -> tuple[Label, ...]:
    """With the attributes and the number of points that occur, which only going through all samples tells."""
    kinds: dict[int, dict[str, str]] = defaultdict(dict)
    points: dict[int, int] = defaultdict(int)
    if target.has(Feature.ATTRIBUTES) or target.has(Feature.KEYPOINTS):
        for instance in (instance for sample in target.samples() for instance in sample.instances):
            points[instance.label] = max(points[instance.label], len(instance.keypoints) // 3)
            for name, value in instance.attributes.items():
                _note(kinds[instance.label], on_one_line(name), _kind_of(value))
    known = target.header.skeletons
    return tuple(
        Label(on_one_line(name), kinds[number], known.get(number) or _anonymous(points[number]))
        for number, name in enumerate(target.header.classes)
    )


def _note(kinds: dict[str, str], name: str, kind: str) -> None:
    kinds[name] = kind if kinds.get(name, kind) == kind else "text"


def _kind_of(value: Attribute) -> str:
    if isinstance(value, bool):
        return "checkbox"
    return "text" if isinstance(value, str) else "number"


def _anonymous(points: int) -> Skeleton | None:
    return Skeleton(keypoints=tuple(str(number) for number in range(1, points + 1))) if points else None


def _write_part(file: BinaryIO, element: Element) -> None:
    indent(element, level=1)
    file.write(b"  " + tostring(element, encoding="utf-8").strip() + b"\n")


def _image(number: int, sample: Sample, name: str, labels: Sequence[Label]) -> Element:
    size = {"width": str(sample.width), "height": str(sample.height)}
    image = Element("image", {"id": str(number), "name": name, "subset": str(sample.split), **size})
    if sample.label is not None:
        SubElement(image, "tag", {"label": labels[sample.label].name, "source": "manual"})
    for group, instance in enumerate(sample.instances, 1):
        _add_shapes(image, instance, labels[instance.label], str(group), (sample.width, sample.height))
    return image


def _add_shapes(image: Element, instance: Instance, label: Label, group: str, size: tuple[int, int]) -> None:
    """One, but for an outline of several parts and a skeleton with its box, which a group holds together."""
    if instance.rle:
        _shape(image, "mask", instance, label, _run_lengths(instance, size))
    elif instance.corners:
        numbers = {name: f"{number:.6f}" for name, number in _turned_box(instance.corners).items()}
        _shape(image, "box", instance, label, numbers | {"corners": _point_text(instance.corners)})
    elif instance.polygons:
        grouped = {"group_id": group} if len(instance.polygons) > 1 else {}
        for ring in instance.polygons:
            _shape(image, "polygon", instance, label, {"points": _point_text(ring)} | grouped)
    else:
        left, top, wide, high = instance.box
        edges = {"xtl": left, "ytl": top, "xbr": left + wide, "ybr": top + high}
        grouped = {"group_id": group} if instance.keypoints else {}
        _shape(image, "box", instance, label, {name: number_text(n) for name, n in edges.items()} | grouped)
        if instance.keypoints:
            _add_keypoints(_shape(image, "skeleton", instance, label, grouped), instance, label)


def _shape(image: Element, tag: str, instance: Instance, label: Label, more: Mapping[str, str]) -> Element:
    known = dict(instance.attributes)
    order = known.get("z_order", 0)
    own = {
        "label": label.name,
        "source": "manual",
        "occluded": "1" if known.get("occluded") is True else "0",
        "z_order": str(order) if type(order) is int else "0",
    }
    shape = SubElement(image, tag, {**own, **more})
    for name, value in known.items():
        if (name, value is True) != ("occluded", True) and not (name == "z_order" and type(value) is int and value):
            _add_attribute(shape, on_one_line(name), value, label.attributes)
    return shape


def _add_attribute(shape: Element, name: str, value: Attribute, kinds: Mapping[str, str]) -> None:
    text, _ = attribute_text(value)
    again = _typed(text, "", kinds.get(name, ""))
    misleads = not text or _kind_of(again) != _kind_of(value) or again != value
    kind = "string" if isinstance(value, str) else "number"
    SubElement(shape, "attribute", {"name": name} | ({"type": kind} if misleads else {})).text = text


def _add_keypoints(shape: Element, instance: Instance, label: Label) -> None:
    assert label.skeleton is not None
    numbers = instance.keypoints
    for place, name in enumerate(label.skeleton.keypoints[: len(numbers) // 3]):
        x, y, seen = numbers[3 * place : 3 * place + 3]
        state = {"occluded": str(int(seen == 1)), "outside": str(int(seen == 0))}
        SubElement(shape, "points", {"label": name, "source": "manual", **state, "points": _point_text((x, y))})


def _point_text(points: Ring) -> str:
    return ";".join(f"{number_text(x)},{number_text(y)}" for x, y in zip(points[0::2], points[1::2], strict=True))


def _turned_box(corners: Ring) -> dict[str, float]:
    """The box before it was turned round its middle, and by how much. What is no rectangle becomes the nearest to it."""
    cx, cy = sum(corners[0::2]) / 4, sum(corners[1::2]) / 4
    wide = math.dist(corners[0:2], corners[2:4]) / 2
    high = math.dist(corners[2:4], corners[4:6]) / 2
    angle = math.degrees(math.atan2(corners[3] - corners[1], corners[2] - corners[0])) % 360
    return {"xtl": cx - wide, "ytl": cy - high, "xbr": cx + wide, "ybr": cy + high, "rotation": angle}


def _run_lengths(instance: Instance, size: tuple[int, int]) -> dict[str, str]:
    counts = expand(instance.rle)
    left, top, wide, high = (int(number) for number in box_of(counts, size[1]))
    wide, high = max(wide, 1), max(high, 1)
    picture = bitmap_of(counts, size).crop((left, top, left + wide, top + high))
    numbers = {"left": left, "top": top, "width": wide, "height": high}
    return {"rle": ", ".join(map(str, row_counts_of(picture)))} | {name: str(n) for name, n in numbers.items()}
