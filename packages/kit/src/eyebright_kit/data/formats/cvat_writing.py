"""Write a version as CVAT for images 1.1: `annotations.xml`, an image at a time, with `images/train/1.jpg`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from eyebright_kit.data.annotations import Attribute, Instance, Ring, Skeleton
from eyebright_kit.data.bitmaps import bitmap_of, row_counts_of
from eyebright_kit.data.classlist import on_one_line
from eyebright_kit.data.features import Feature
from eyebright_kit.data.formats.cvat_document import Label, numbered_points
from eyebright_kit.data.formats.cvat_shapes import typed, unturned
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.rle import box_of, expand
from eyebright_kit.data.scalars import attribute_text, number_text
from eyebright_kit.data.writing import Target


def write_folder(target: Target) -> None:
    labels = _labels_to_write(target)
    with (target.into / "annotations.xml").open("xb") as file:
        file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        _write_part(file, _declaration(labels))
        for number, sample in enumerate(target.samples()):
            image = target.place_image(sample, target.folder("images", sample.split))
            _write_part(file, _image(number, sample, image.name, labels))
        file.write(b"</annotations>\n")


def _write_part(file: BinaryIO, element: Element) -> None:
    indent(element, level=1)
    file.write(b"  " + tostring(element, encoding="utf-8").strip() + b"\n")


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
        Label(
            on_one_line(name),
            kinds[number],
            known.get(number) or (numbered_points(points[number]) if points[number] else None),
        )
        for number, name in enumerate(target.header.classes)
    )


def _note(kinds: dict[str, str], name: str, kind: str) -> None:
    kinds[name] = kind if kinds.get(name, kind) == kind else "text"


def _kind_of(value: Attribute) -> str:
    if isinstance(value, bool):
        return "checkbox"
    return "text" if isinstance(value, str) else "number"


# The head


def _declaration(labels: tuple[Label, ...]) -> Element:
    """The head of a file that declares them."""
    meta = Element("meta")
    declared = SubElement(SubElement(meta, "task"), "labels")
    for label in labels:
        node = _add_label(declared, label.name, "skeleton" if label.skeleton else "any", label.attributes)
        if label.skeleton:
            SubElement(node, "svg").text = _drawing(label.skeleton)
            for point in label.skeleton.keypoints:
                SubElement(_add_label(declared, point, "points", {}), "parent").text = label.name
    return meta


def _add_label(labels: Element, name: str, kind: str, attributes: Mapping[str, str]) -> Element:
    node = SubElement(labels, "label")
    SubElement(node, "name").text = name
    SubElement(node, "type").text = kind
    declared = SubElement(node, "attributes")
    for attribute, input_type in attributes.items():
        one = SubElement(declared, "attribute")
        default = {"checkbox": "false", "number": "0"}.get(input_type, "")
        values = {"checkbox": "false", "number": "-1000000000;1000000000;1"}.get(input_type, "")
        texts = {
            "name": attribute,
            "mutable": "False",
            "input_type": input_type,
            "default_value": default,
            "values": values,
        }
        for tag, text in texts.items():
            SubElement(one, tag).text = text
    return node


def _drawing(skeleton: Skeleton) -> str:
    """Points on a diagonal, and the lines between them."""
    place = {
        number: f"{100 * (number + 1) / (len(skeleton.keypoints) + 1):.2f}" for number in range(len(skeleton.keypoints))
    }
    lines = [
        f'<line x1="{place[a]}" y1="{place[a]}" x2="{place[b]}" y2="{place[b]}" stroke="black" data-type="edge" '
        f'data-node-from="{a + 1}" stroke-width="0.5" data-node-to="{b + 1}"></line>'
        for a, b in skeleton.edges
    ]
    circles = [
        f'<circle r="1.5" stroke="black" fill="#b3b3b3" cx="{at}" cy="{at}" stroke-width="0.1" '
        f'data-type="element node" data-element-id="{number + 1}" data-node-id="{number + 1}"></circle>'
        for number, at in place.items()
    ]
    return "\n".join([*lines, *circles])


# The images


def _image(number: int, sample: Sample, name: str, labels: Sequence[Label]) -> Element:
    size = {"width": str(sample.width), "height": str(sample.height)}
    image = Element("image", {"id": str(number), "name": name, "subset": str(sample.split), **size})
    if sample.label is not None:
        SubElement(image, "tag", {"label": labels[sample.label].name, "source": "manual"})
    for group, instance in enumerate(sample.instances, 1):
        _add_shapes(image, instance, labels[instance.label], str(group), (sample.width, sample.height))
    return image


def _add_shapes(image: Element, instance: Instance, label: Label, group: str, size: tuple[int, int]) -> None:
    """One, but for an outline of several parts and for keypoints in something else, which a group holds together."""
    shapes = list(_shapes(instance, size))
    grouped = {"group_id": group} if len(shapes) > 1 else {}
    for tag, facts in shapes:
        shape = _shape(image, tag, instance, label, facts | grouped)
        if tag == "skeleton":
            _add_keypoints(shape, instance, label)


def _shapes(instance: Instance, size: tuple[int, int]) -> Iterator[tuple[str, dict[str, str]]]:
    """The tag and the place of each."""
    if instance.rle:
        yield "mask", _run_lengths(instance, size)
    elif instance.corners:
        turned = {name: f"{number:.6f}" for name, number in unturned(instance.corners).items()}
        yield "box", turned | {"corners": _point_text(instance.corners)}
    elif instance.polygons:
        yield from (("polygon", {"points": _point_text(ring)}) for ring in instance.polygons)
    else:
        left, top, wide, high = instance.box
        edges = {"xtl": left, "ytl": top, "xbr": left + wide, "ybr": top + high}
        yield "box", {name: number_text(number) for name, number in edges.items()}
    if instance.keypoints:
        yield "skeleton", {}


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
    again = typed(text, "", kinds.get(name, ""))
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


def _run_lengths(instance: Instance, size: tuple[int, int]) -> dict[str, str]:
    counts = expand(instance.rle)
    left, top, wide, high = (int(number) for number in box_of(counts, size[1]))
    wide, high = max(wide, 1), max(high, 1)
    picture = bitmap_of(counts, size).crop((left, top, left + wide, top + high))
    numbers = {"left": left, "top": top, "width": wide, "height": high}
    return {"rle": ", ".join(map(str, row_counts_of(picture)))} | {name: str(n) for name, n in numbers.items()}
