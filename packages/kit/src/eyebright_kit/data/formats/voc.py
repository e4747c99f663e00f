"""Pascal VOC: one XML file per image.

    JPEGImages/1.jpg, Annotations/1.xml, ImageSets/Main/train.txt    the development kit's, CVAT's and ours; also below VOC2012/
    train/1.jpg, train/1.xml                                         Roboflow's
    images/1.jpg, annotations/1.xml                                  many others

Boxes are taken as the numbers stand there, from (xmin, ymin) to (xmax, ymax). The original development kit counts pixels from 1
and includes the last one; nearly every tool of today counts from 0 and does not, and no file says which was meant.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from eyebright_kit.data.annotations import Attribute, Box, Instance, Ring, box_around, rounded
from eyebright_kit.data.classlist import (
    LABELMAP,
    PLAIN_LISTS,
    on_one_line,
    read_labelmap,
    read_plain_list,
    voc_colour,
    written_labelmap,
)
from eyebright_kit.data.documents import Unreadable, read_bytes, read_xml
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.geometry import turned_corners
from eyebright_kit.data.imagesets import read_image_sets, split_names
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.pairs import IMAGE_ROLES, TEXT_ROLES, Places, beginning, gather, glimpsed, matched, top_of
from eyebright_kit.data.scalars import attribute_of, attribute_text, number_of, number_text
from eyebright_kit.data.tree import Tree, printable
from eyebright_kit.data.walk import natural_order
from eyebright_kit.data.writing import Target, write_file
from eyebright_wire.datasets import Split

_ROLES = IMAGE_ROLES | TEXT_ROLES
_MASK_FOLDERS = frozenset({"mask", "masks", "trimaps"})
_FLAGS = ("truncated", "difficult", "occluded")
_CARRIED = frozenset(
    {
        Feature.BOX,
        Feature.LOOSE_BOX,
        Feature.POLYGON,
        Feature.PARTS,
        Feature.CORNERS,
        Feature.SEVERAL_SHAPES,
        Feature.ATTRIBUTES,
        Feature.CLASS_ORDER,
        Feature.CLASS_NAMES,
    }
)


class Voc:
    """The registered format."""

    name = "voc"
    tasks = ("detection", "instance_segmentation", "oriented_detection")
    layout = "JPEGImages/1.jpg with Annotations/1.xml"

    def matches(self, root: Path) -> Certainty:
        tree = Tree(root)
        looked_at = list(glimpsed(tree, ".xml"))
        if any(_begins_like_voc(beginning(path, tree)) for path in looked_at):
            return Certainty.SURE
        return Certainty.LIKELY if any(path.parent.name == "Annotations" for path in looked_at) else Certainty.NO

    def read(self, root: Path) -> Reading:
        tree = Tree(root)
        gathered = gather(tree, _is_document)
        classes = _listed_classes(gathered.others, root) or _names_within(filter(_is_xml, gathered.documents), root)
        splits = split_names(gathered.others, "Main", gathered.images, root)
        return Reading(classes, partial(_found, tree, classes), splits=splits)

    def carries(self, present: Features) -> Features:
        return present & _CARRIED

    def write(self, target: Target) -> None:
        """As CVAT does: with a labelmap.txt, and attributes in a block of their own."""
        classes = [on_one_line(name) for name in target.header.classes]
        lists: dict[Split, list[str]] = {}
        for sample in target.samples():
            image = target.place_image(sample, target.folder("JPEGImages"))
            write_file(target.folder("Annotations") / f"{image.stem}.xml", _document(sample, image.name, classes))
            lists.setdefault(sample.split, []).append(f"{image.stem}\n")
        for split, lines in lists.items():
            write_file(target.folder("ImageSets", "Main") / f"{split}.txt", "".join(lines))
        # From 1, because 0 is the background's, which is no class of objects.
        colours = (voc_colour(number + 1) for number in range(len(classes)))
        write_file(target.into / LABELMAP, written_labelmap(classes, colours))


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml"


def _is_document(path: Path) -> bool:
    return _is_xml(path) or path.parent.name.startswith("Segmentation")


def _begins_like_voc(start: bytes) -> bool:
    """The root is <annotation>; CVAT's is <annotations>, and the old LabelMe's tells an <imagesize>."""
    return bool(re.search(rb"<annotation[\s>]", start)) and b"<imagesize>" not in start


# Classes


def _class_lists(others: Iterable[Path]) -> list[Path]:
    """The one that counts first: the nearest to the root, and CVAT's before a plain one."""
    lists = [path for path in others if path.name.lower() in PLAIN_LISTS | {LABELMAP}]
    return sorted(lists, key=lambda path: (len(path.parts), path.name.lower() != LABELMAP, path))


def _listed_classes(others: Iterable[Path], root: Path) -> tuple[str, ...]:
    """In the order of the list; none without a list."""
    for path in _class_lists(others)[:1]:
        if path.name.lower() == LABELMAP:
            return tuple(named.name for named in read_labelmap(path, root) if not _is_background(named.name))
        return tuple(named.name for named in read_plain_list(path, root))
    return ()


def _is_background(name: str) -> bool:
    return name == "background"  # CVAT puts it into every labelmap; no object is of it


_INNER = re.compile(rb"<(part|attributes)>.*?</\1>", re.DOTALL)
_NAME = re.compile(rb"<object>.*?<name>([^<&]*)</name>", re.DOTALL)


def _names_within(documents: Iterable[Path], root: Path) -> tuple[str, ...]:
    """The classes of all objects, sorted. A file that cannot be read is judged with its image."""
    names: set[str] = set()
    for path in documents:
        try:
            names.update(_names_of(path, root))
        except Unreadable:
            continue
    return tuple(sorted(names, key=natural_order))


def _names_of(path: Path, root: Path) -> Iterator[str]:
    """By a search through plain files, which takes a tenth of the time of understanding them; that is done only once."""
    content = read_bytes(path, root)
    found = _NAME.findall(_INNER.sub(b"", content) if b"<part>" in content or b"<attributes>" in content else content)
    if (
        b"<!" in content
        or b"encoding" in content[:100]
        or b"\0" in content[:4]
        or len(found) != len(re.findall(rb"<object[\s>/]", content))
    ):
        yield from (_class_of(node) for node in read_xml(path, root).iterfind("object"))
    else:
        yield from (printable(name.decode("utf-8", "replace").strip()) for name in found)


def _class_of(node: Element) -> str:
    return printable((node.findtext("name") or "").strip())


# Walking


def _found(tree: Tree, classes: Sequence[str]) -> Iterator[Candidate | Remark]:
    gathered = gather(tree, _is_document)
    yield from gathered.remarks
    places, top = Places(tree.root, _ROLES), top_of(gathered.images, tree.root, _ROLES)
    named = partial(_named, root=tree.root)
    documents, unused = matched(gathered.images, filter(_is_xml, gathered.documents), places, named)
    images = [(path, places.of(path)) for path in gathered.images]
    known = frozenset(place for _, place in images)
    lists = read_image_sets(gathered.others, "Main", tree.root, places, known)
    reader = _Reader(tree.root, {name: label for label, name in enumerate(classes)})
    for path, place in images:
        if lists.leaves_out(place):
            yield Remark(path, "unlisted_image", "there are lists in ImageSets/Main, and it is in none of them")
        elif path not in documents and path.parent.name.casefold() in _MASK_FOLDERS:
            yield _unread_mask(path)
        else:
            document = documents.get(path)
            annotate = partial(reader.annotations, document) if document else partial(_without, path)
            yield Candidate(path, shown_path(path, top), lists.split_of(place, path, tree.root), annotate=annotate)
    yield from lists.missing(known)
    yield from (Remark(path, "orphan_annotations") for path in unused)
    yield from (_unread_mask(path) for path in gathered.documents if not _is_xml(path))
    in_use = {*lists.files, *_class_lists(gathered.others)[:1]}
    yield from (Remark(path, "other_file") for path in gathered.others if path not in in_use)


def _without(path: Path, width: int, height: int) -> Annotations:
    return Annotations(remarks=(Remark(path, "missing_annotations"),))


def _unread_mask(path: Path) -> Remark:
    return Remark(path, "unsupported_annotations", "masks are read only where no boxes lie beside them")


def _named(path: Path, root: Path) -> str | None:
    """The image that a document says it is about."""
    try:
        return (read_xml(path, root).findtext("filename") or "").strip()
    except Unreadable:
        return None


# Objects


class _Wrong(ValueError):
    """What an object says cannot be understood."""

    def __init__(self, detail: str, code: str = "broken_annotations") -> None:
        super().__init__(detail)
        self.code = code


class _Reader:
    def __init__(self, root: Path, labels: Mapping[str, int]) -> None:
        self.root = root
        self._labels = labels

    def annotations(self, path: Path, width: int, height: int) -> Annotations:
        """Raises Unreadable."""
        document = read_xml(path, self.root)
        if document.tag != "annotation":
            raise Unreadable(path, f"its root is <{printable(document.tag)[:40]}>; expected <annotation>")
        instances: list[Instance] = []
        marks: list[str] = []
        remarks = list(_of_size(document, path, width, height))
        for number, node in enumerate(document.iterfind("object"), 1):
            mark = f"object {number}"
            try:
                instances.append(self._instance(node))
                marks.append(mark)
            except ValueError as error:
                remarks.append(Remark(path, getattr(error, "code", "broken_annotations"), str(error), mark))
            if any(field.tag == "part" for field in node):
                remarks.append(Remark(path, "unsupported_annotations", "parts of an object are not read", mark))
        return Annotations(tuple(instances), path, tuple(marks), remarks=tuple(remarks))

    def _instance(self, node: Element) -> Instance:
        """Raises ValueError."""
        fields = {field.tag: field for field in reversed(node)}  # a look-up costs a tenth of a search
        return Instance(
            label=self._label(fields),
            box=_box(fields) or box_around(_corners(fields) or _joined(_polygons(node, fields))),
            corners=_corners(fields),
            polygons=_polygons(node, fields),
            attributes=_attributes(fields),
        )

    def _label(self, fields: Mapping[str, Element]) -> int:
        name = fields["name"].text or "" if "name" in fields else ""
        label = self._labels.get(name)
        if label is None:
            label = self._labels.get(printable(name.strip()))
        if label is None:
            raise _Wrong(f"the class {printable(name)[:80]!r} is not in the list of classes", "class_without_name")
        return label


def _of_size(document: Element, path: Path, width: int, height: int) -> Iterator[Remark]:
    """labelImg writes 0 where it does not know."""
    said = document.findtext("size/width", "").strip(), document.findtext("size/height", "").strip()
    if all(text.isdigit() and int(text[:9]) for text in said) and said != (str(width), str(height)):
        detail = f"it says {said[0][:9]}×{said[1][:9]}, the image has {width}×{height} pixels"
        yield Remark(path, "size_mismatch", detail)


def _box(fields: Mapping[str, Element]) -> Box | None:
    """None where something else tells the place."""
    if "bndbox" not in fields:
        return None
    edges = {edge.tag: edge.text or "" for edge in fields["bndbox"]}
    left, top, right, bottom = (number_of(edges.get(name), name) for name in ("xmin", "ymin", "xmax", "ymax"))
    left, top, wide, high = rounded(left, top, right - left, bottom - top)
    return left, top, wide, high


def _polygons(node: Element, fields: Mapping[str, Element]) -> tuple[Ring, ...]:
    return tuple(_ring(outline) for outline in node.iterfind("polygon")) if "polygon" in fields else ()


def _corners(fields: Mapping[str, Element]) -> Ring:
    """Of <robndbox> as roLabelImg writes it, or of <rotated_bndbox> with eight numbers; empty when there is none."""
    turned = fields.get("robndbox", fields.get("rotated_bndbox"))
    if turned is None:
        return ()
    if turned.find("x1") is not None:
        return rounded(*(number_of(turned.findtext(f"{axis}{n}"), f"{axis}{n}") for n in range(1, 5) for axis in "xy"))
    cx, cy, wide, high, angle = (_number_under(turned, name) for name in ("cx", "cy", "w", "h", "angle"))
    return turned_corners((cx, cy), (wide, high), math.remainder(angle, math.tau))


def _number_under(turned: Element, name: str) -> float:
    """`cx`, or `rotated_bbox_cx` as some ship data sets have it; their angle is `theta`."""
    long = "rotated_bbox_theta" if name == "angle" else f"rotated_bbox_{name}"
    return number_of(turned.findtext(name) or turned.findtext(long), name)


def _ring(outline: Element) -> Ring:
    """`<x1>1</x1><y1>2</y1><x2>…`, or `<pt><x>1</x><y>2</y></pt>…`."""
    points = [(point.findtext("x"), point.findtext("y")) for point in outline.iterfind("pt")]
    number = 1
    while outline.find("pt") is None and outline.find(f"x{number}") is not None:
        points.append((outline.findtext(f"x{number}"), outline.findtext(f"y{number}")))
        number += 1
    if len(points) < 3:
        raise _Wrong(f"an outline has {len(points)} points; expected 3 or more")
    return rounded(*(number_of(text, axis) for point in points for text, axis in zip(point, "xy", strict=True)))


def _joined(polygons: Iterable[Ring]) -> Ring:
    points = tuple(number for ring in polygons for number in ring)
    if not points:
        raise _Wrong("it has no <bndbox>, <robndbox> or <polygon>")
    return points


def _attributes(fields: Mapping[str, Element]) -> dict[str, Attribute]:
    """What is set. A block of attributes, as CVAT writes it, says more exactly what the old flags say."""
    known: dict[str, Attribute] = {name: True for name in _FLAGS if name in fields and _text(fields[name]) == "1"}
    if "pose" in fields and (pose := _text(fields["pose"])) not in ("", "Unspecified"):
        known["pose"] = printable(pose)
    for attribute in fields.get("attributes", ()):
        if name := (attribute.findtext("name") or "").strip():
            value = attribute.find("value")
            kind, text = ("", "") if value is None else (value.get("type", ""), value.text or "")
            known[printable(name)] = attribute_of(text, kind)
    return known


def _text(node: Element) -> str:
    return (node.text or "").strip()


# Writing


def _document(sample: Sample, name: str, classes: Sequence[str]) -> bytes:
    document = Element("annotation")
    _leaf(document, "folder", "JPEGImages")
    _leaf(document, "filename", name)
    size = SubElement(document, "size")
    for tag, number in (("width", sample.width), ("height", sample.height), ("depth", 3)):
        _leaf(size, tag, str(number))
    _leaf(document, "segmented", str(int(any(instance.polygons for instance in sample.instances))))
    for instance in sample.instances:
        _add_object(document, instance, classes[instance.label])
    indent(document)
    return tostring(document, encoding="utf-8")


def _add_object(document: Element, instance: Instance, name: str) -> None:
    node = SubElement(document, "object")
    _leaf(node, "name", name)
    attributes = instance.attributes
    _leaf(node, "pose", on_one_line(str(attributes.get("pose", "Unspecified"))))
    for flag in _FLAGS:
        _leaf(node, flag, str(int(attributes.get(flag) in (True, 1))))
    left, top, wide, high = instance.box
    edges = SubElement(node, "bndbox")
    for tag, number in (("xmin", left), ("ymin", top), ("xmax", left + wide), ("ymax", top + high)):
        _leaf(edges, tag, number_text(number))
    for ring in instance.polygons:
        _add_points(SubElement(node, "polygon"), ring)
    if instance.corners:
        _add_points(SubElement(node, "rotated_bndbox"), instance.corners)
    _add_attributes(node, attributes)


def _add_points(node: Element, points: Ring) -> None:
    for place, number in enumerate(points):
        _leaf(node, f"{'xy'[place % 2]}{place // 2 + 1}", number_text(number))


def _add_attributes(node: Element, attributes: Mapping[str, Attribute]) -> None:
    block = SubElement(node, "attributes") if attributes else node
    for name, value in attributes.items():
        attribute = SubElement(block, "attribute")
        _leaf(attribute, "name", on_one_line(name))
        text, kind = attribute_text(value)
        SubElement(attribute, "value", {"type": kind} if kind else {}).text = text


def _leaf(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text
