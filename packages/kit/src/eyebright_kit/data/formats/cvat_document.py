"""CVAT's one file for a whole set, an image at a time: `labels_of` for what is declared at its head, `parts_of` for all of it.

The file may have hundreds of megabytes, so no more than one image of it is held.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder

from eyebright_kit.data.annotations import Skeleton
from eyebright_kit.data.documents import Unreadable, stream_xml
from eyebright_kit.data.tree import printable

_MOST_NODES = 2_000_000  # of one image, or of the head
_MOST_CHARACTERS = 256 * 1024**2
_LINE = re.compile(r"<line\b[^>]*>")
_CIRCLE = re.compile(r"<circle\b[^>]*>")
_SVG_ATTRIBUTE = re.compile(r"""data-([a-z-]+)\s*=\s*["']([^"']*)["']""")


@dataclass(frozen=True, slots=True)
class Label:
    """A class, the kinds of its attributes ("checkbox", "number", "text", …) and, if it has one, its skeleton."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    skeleton: Skeleton | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """An <image>, <track> or <meta>: the element, its line, and the line of each element directly in it."""

    element: Element
    line: int
    lines: tuple[int, ...]


def labels_of(path: Path, root: Path) -> tuple[Label, ...]:
    """In the order of their declaration; where none are declared, those that are used, by name. Raises Unreadable."""
    used: set[str] = set()
    for part in parts_of(path, root):
        if part.element.tag == "meta" and (labels := _declared(part.element)):
            return labels
        used.update(shape.get("label", "") for shape in part.element if part.element.tag == "image")
    return tuple(Label(name) for name in sorted({plain(name) for name in used} - {""}))


def parts_of(path: Path, root: Path) -> Iterator[Part]:
    """What stands directly in <annotations>, in order. Raises Unreadable."""
    collector = _Collector(path)
    for _ in stream_xml(path, root, collector):
        while collector.parts:
            yield collector.parts.popleft()


def plain(name: str) -> str:
    return printable(name.strip())


def numbered_points(count: int) -> Skeleton:
    """Of which nothing is known but how many they are; CVAT wants names."""
    return Skeleton(keypoints=tuple(str(number) for number in range(1, count + 1)))


class _Collector:
    """Makes an element of each part as the parser tells of it."""

    def __init__(self, path: Path) -> None:
        self.parts: deque[Part] = deque()
        self.line: Callable[[], int] = int
        self._path = path
        self._depth = 0
        self._begin()

    def _begin(self) -> None:
        self._builder = TreeBuilder()
        self._first = self.line()
        self._lines: list[int] = []
        self._nodes = self._characters = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            if tag != "annotations":
                raise Unreadable(
                    self._path, f"its root is <{printable(tag)[:40]}>; expected <annotations>", self.line()
                )
            return
        if self._depth == 2:
            self._begin()
        elif self._depth == 3:
            self._lines.append(self.line())
        self._builder.start(tag, attributes)
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise Unreadable(self._path, f"a part of it has more than {_MOST_NODES:,} elements", self._first)

    def end(self, tag: str) -> None:
        if self._depth > 1:
            self._builder.end(tag)
        if self._depth == 2:
            self.parts.append(Part(self._builder.close(), self._first, tuple(self._lines)))
        self._depth -= 1

    def data(self, text: str) -> None:
        if self._depth > 1:
            self._builder.data(text)
            self._characters += len(text)
        if self._characters > _MOST_CHARACTERS:
            raise Unreadable(
                self._path, f"a part of it has more than {_MOST_CHARACTERS / 1e6:.0f} MB of text", self._first
            )


# The head


def _declared(meta: Element) -> tuple[Label, ...]:
    """The labels of a task, job or project; those that are points of a skeleton belong to it."""
    tops: dict[str, Element] = {}
    points: dict[str, dict[str, None]] = {}  # dictionaries, because a project repeats what its tasks declare
    for node in (node for labels in meta.iter("labels") for node in labels):
        name, parent = plain(node.findtext("name", "")), plain(node.findtext("parent", ""))
        if parent:
            points.setdefault(parent, {})[name] = None
        elif name:
            tops.setdefault(name, node)
    return tuple(Label(name, _kinds(node), _skeleton(node, list(points.get(name, ())))) for name, node in tops.items())


def _kinds(node: Element) -> dict[str, str]:
    declared = node.iterfind("attributes/attribute")
    return {plain(one.findtext("name", "")): one.findtext("input_type", "").strip() for one in declared}


def _skeleton(node: Element, points: list[str]) -> Skeleton | None:
    if not points:
        return None
    drawing = node.findtext("svg", "")
    names = _names_of_nodes(drawing, points)
    edges = [(names.get(tag.get("node-from", "")), names.get(tag.get("node-to", ""))) for tag in _tags(_LINE, drawing)]
    return Skeleton(
        keypoints=tuple(points),
        edges=tuple((points.index(a), points.index(b)) for a, b in edges if a is not None and b is not None),
    )


def _names_of_nodes(drawing: str, points: list[str]) -> dict[str, str]:
    """By the number of a circle in the drawing, the point that it stands for."""
    names: dict[str, str] = {str(number): name for number, name in enumerate(points, 1)}
    for tag in _tags(_CIRCLE, drawing):
        if tag.get("label-name") in points:
            names[tag.get("node-id", tag.get("element-id", ""))] = tag["label-name"]
    return names


def _tags(pattern: re.Pattern[str], drawing: str) -> Iterator[dict[str, str]]:
    return (dict(_SVG_ATTRIBUTE.findall(tag)) for tag in pattern.findall(drawing))
