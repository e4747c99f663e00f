"""Hugging Face's image folders: a metadata.jsonl or metadata.csv beside the images, with a row for each.

    {"file_name": "1.jpg", "text": "a dog"}                                           a caption; also `caption` or `prompt`
    {"file_name": "1.jpg", "label": "dog"}                                            a class, by name or by number
    {"file_name": "1.jpg", "objects": {"bbox": [[9, 9, 5, 7]], "categories": [0]}}    boxes: left, top, width, height in pixels

It lies at the top, with names such as train/1.jpg, or in each split's folder. The names of numbered classes stand in README.md or
in dataset_infos.json. -1 is Hugging Face's number for a class that is kept secret: none.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

import msgspec

from eyebright_kit.data.annotations import Instance, rounded
from eyebright_kit.data.caption import caption_of
from eyebright_kit.data.documents import Unreadable, decode_json
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.format import Annotations, Candidate, Certainty, Reading, Remark, shown_path
from eyebright_kit.data.formats.metadata_card import CARDS, Names, card_of, class_label, class_name, names_in
from eyebright_kit.data.formats.metadata_rows import (
    BOXES,
    CAPTIONS,
    CATEGORIES,
    FILE_NAME,
    LABEL,
    OBJECTS,
    Broken,
    Row,
    Value,
    category_column,
    delimiter_of,
    fields_of,
    objects_of,
    rows,
    values_of,
)
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.pairs import IMAGE_ROLES, Gathered, beginning, gather, glimpsed, split_within, top_of
from eyebright_kit.data.tree import Tree
from eyebright_kit.data.walk import natural_order
from eyebright_kit.data.writing import Target, write_file
from eyebright_wire.datasets import Split

_JSON_LINES, _CSV, _PARQUET = "metadata.jsonl", "metadata.csv", "metadata.parquet"
_TABLES = (_JSON_LINES, _CSV, _PARQUET)
_BEGINNING = 65_536
_SEEN = 8
_ROLES = IMAGE_ROLES | {"data"}
_PARQUET_WAY_OUT = (
    "parquet is not read; write it as JSON lines: "
    "pandas.read_parquet('metadata.parquet').to_json('metadata.jsonl', orient='records', lines=True)"
)

_NULL = msgspec.Raw(b"null")
_Box = tuple[float, float, float, float]


class Metadata:
    """The registered format."""

    name = "metadata"
    tasks = ("classification", "detection", "text_to_image")
    layout = "metadata.jsonl or metadata.csv, with a column file_name, beside the images"

    def matches(self, root: Path) -> Certainty:
        tree = Tree(root)
        tables = [path for name in _TABLES for path in islice(glimpsed(tree, name), _SEEN) if path.name.lower() == name]
        return max((_certainty(path, tree) for path in tables), default=Certainty.NO)

    def read(self, root: Path) -> Reading:
        tree = Tree(root)
        files = gather(tree, lambda path: path.name.lower() in CARDS or path.name.lower() in _TABLES)
        read = _Reader(tree, files).read()
        return Reading(classes=read.classes.names, found=partial(_found, read), splits=_splits(read))

    def carries(self, present: Features) -> Features:
        return present & {
            Feature.CAPTION,
            Feature.LABEL,
            Feature.BOX,
            Feature.LOOSE_BOX,
            Feature.CLASS_ORDER,
            Feature.CLASS_NAMES,
        }

    def write(self, target: Target) -> None:
        """`train/1.jpg` and `train/metadata.jsonl`; the order of the classes in README.md."""
        lines: dict[Path, list[bytes]] = defaultdict(list)
        for sample in target.samples():
            folder = target.folder(sample.split)
            image = target.place_image(sample, folder)
            lines[folder].append(msgspec.json.encode(_written(sample, image.name, target)))
        for folder, written in lines.items():
            write_file(folder / _JSON_LINES, b"\n".join(written) + b"\n")
        if target.header.classes:
            write_file(target.into / "README.md", card_of(_features(target)))


def _certainty(path: Path, tree: Tree) -> Certainty:
    """SURE when it has a column file_name; a broken first line has not, but then the name of the file says enough."""
    if path.name.lower() == _PARQUET:
        return Certainty.LIKELY
    first, *_ = beginning(path, tree, _BEGINNING).decode("utf-8-sig", "replace").lstrip().splitlines() or [""]
    if path.name.lower() == _CSV:
        return Certainty.SURE if delimiter_of(first) else Certainty.NO
    try:
        columns = fields_of(first.encode(), path, 1)
    except Unreadable:
        return Certainty.LIKELY
    return Certainty.SURE if FILE_NAME in columns else Certainty.NO


# Classes


@dataclass(frozen=True, slots=True)
class _Classes:
    """`labels` and `objects` have the class of each value in a row; a number that no name stands for is in neither."""

    names: tuple[str, ...]
    labels: Mapping[Value, int]
    objects: Mapping[Value, int]
    unnamed: bool = False


def _classes(labels: set[Value], categories: set[Value], names: Names) -> _Classes:
    """The names that a card tells in its order, else those that occur, sorted; numbers are names of last resort."""
    told_of_labels = names.get(LABEL, ())
    told_of_objects = next((names[column] for column in CATEGORIES if column in names), ()) if categories else ()
    of_labels = _numbered(labels, told_of_labels)
    of_objects = _numbered(categories, told_of_objects)
    together = tuple(dict.fromkeys((*_names_of(labels, told_of_labels), *_names_of(categories, told_of_objects))))
    numbers = {name: number for number, name in enumerate(together)}
    told = told_of_labels or told_of_objects
    return _Classes(
        names=together,
        labels={value: numbers[name] for value, name in of_labels.items()},
        objects={value: numbers[name] for value, name in of_objects.items()},
        unnamed=not told and bool(together) and all(isinstance(value, int) for value in labels | categories),
    )


def _names_of(values: set[Value], told: Sequence[str]) -> Sequence[str]:
    return told or sorted({_name(value) for value in values}, key=natural_order)


def _numbered(values: set[Value], told: Sequence[str]) -> dict[Value, str]:
    """The name of each value that has one. A number counts the names that were told; without such it is one itself."""
    if not told:
        return {value: _name(value) for value in values}
    known = set(told)
    by_number: dict[Value, str] = {
        value: told[value] for value in values if isinstance(value, int) and value < len(told)
    }
    return by_number | {value: name for value in values if isinstance(value, str) and (name := _name(value)) in known}


def _name(value: Value) -> str:
    return class_name(value) if isinstance(value, str) else str(value)


# Reading all tables


@dataclass(frozen=True, slots=True)
class _Known:
    """What a table says of an image. `again` are further lines about it."""

    table: Path
    row: Row
    again: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """Everything that was found, before the images are looked at."""

    root: Path
    files: Gathered
    classes: _Classes
    caption: str | None  # the column
    known: Mapping[Path, _Known]
    remarks: Sequence[Remark]


@dataclass(slots=True)
class _Reader:
    tree: Tree
    files: Gathered
    known: dict[Path, _Known] = field(default_factory=dict[Path, _Known])
    remarks: list[Remark] = field(default_factory=list[Remark])
    columns: dict[str, tuple[Path, int]] = field(default_factory=dict[str, tuple[Path, int]])  # where each is met first
    labels: set[Value] = field(default_factory=set[Value])
    categories: set[Value] = field(default_factory=set[Value])

    def read(self) -> _Read:
        start = f"{self.tree.root}/"
        images = {str(path).removeprefix(start): path for path in (*self.files.images, *self.files.others)}
        tables = [path for path in self.files.documents if path.name.lower() in _TABLES]
        for table in tables:
            if reason := _unread(table, tables):
                self.remarks.append(Remark(table, "unsupported_annotations", reason))
            else:
                self._read_table(table, table.parent.relative_to(self.tree.root), images)
        classes = _classes(self.labels, self.categories, self._names())
        if classes.unnamed:
            self.remarks.append(Remark(tables[0], "unnamed_classes"))
        caption = next((column for column in CAPTIONS if column in self.columns), None)
        self._tell_columns(caption)
        if caption is None and not classes.names:  # images alone, of which each lacks its caption
            caption = CAPTIONS[0]
        return _Read(self.tree.root, self.files, classes, caption, self.known, self.remarks)

    def _read_table(self, table: Path, folder: Path, images: Mapping[str, Path]) -> None:
        for row in rows(table, self.tree.root):
            if isinstance(row, Broken):
                self.remarks.append(Remark(table, "broken_annotations", row.detail, str(row.line)))
                continue
            for column in row.columns:
                self.columns.setdefault(column, (table, row.line))
            image = images.get(_place(folder, row.file_name))
            if image is None:
                self.remarks.append(Remark(table, "missing_image", caption_of(row.file_name)[:200], str(row.line)))
            elif known := self.known.get(image):
                self.known[image] = replace(known, again=(*known.again, row.line))
            else:
                self._learn(image, _Known(table, row))

    def _learn(self, image: Path, known: _Known) -> None:
        self.known[image] = known
        self.categories |= known.row.categories
        if known.row.label is not None:
            self.labels.add(known.row.label)

    def _names(self) -> Names:
        """Of the card that lies highest and has any."""
        for card in sorted(self._cards(), key=lambda path: len(path.parts)):
            try:
                if names := names_in(card, self.tree.root):
                    return names
                self.remarks.append(Remark(card, "other_file"))
            except Unreadable as error:
                self.remarks.append(Remark(card, "unsupported_annotations", error.detail, str(error.line or "")))
        return {}

    def _cards(self) -> Iterator[Path]:
        yield from (path for path in self.files.documents if path.name.lower() in CARDS)

    def _tell_columns(self, caption: str | None) -> None:
        """Once for each column, not for each row."""
        read = {FILE_NAME, LABEL, OBJECTS, caption, f"{OBJECTS}.{BOXES}"}
        category = next((name for name in CATEGORIES if f"{OBJECTS}.{name}" in self.columns), None)
        for column, (table, line) in self.columns.items():
            if column not in read and column != f"{OBJECTS}.{category}":
                further = column.endswith(("file_name", "file_names"))
                detail = f"the column '{caption_of(column)[:60]}' is not read" + (
                    "; it names further files" if further else ""
                )
                self.remarks.append(Remark(table, "unsupported_annotations", detail, str(line)))


def _unread(table: Path, tables: Iterable[Path]) -> str:
    """Why a table is passed over, if it is."""
    if table.name.lower() == _PARQUET:
        return _PARQUET_WAY_OUT
    beside = [other for other in tables if other.parent == table.parent and other.name.lower() == _JSON_LINES]
    return f"{beside[0].name} beside it is read" if beside and table not in beside else ""


def _place(folder: Path, name: str) -> str:
    """What the name says, relative to the root. It is only looked up: no file that was found is called `..` or begins with /."""
    path = posixpath.normpath(name.replace("\\", "/"))
    return path if folder == Path() else f"{folder.as_posix()}/{path}"


def _splits(read: _Read) -> dict[Split, str]:
    folders = dict.fromkeys(path.parent for path in read.known)
    found = [split_within(folder.relative_to(read.root).as_posix()) for folder in folders]
    return {split: f"{name}/" for split, name in reversed([pair for pair in found if pair])}


# Going through it


def _found(read: _Read) -> Iterator[Candidate | Remark]:
    top = top_of(read.files.images, read.root, _ROLES)
    yield from read.files.remarks
    yield from read.remarks
    splits: dict[Path, Split | None] = {}
    for path in sorted((*read.files.images, *(path for path in read.files.others if path in read.known)), key=str):
        if known := read.known.get(path):
            if path.parent not in splits:
                split = split_within(path.parent.relative_to(read.root).as_posix())
                splits[path.parent] = split[0] if split else None
            label = read.classes.labels.get(known.row.label) if known.row.label is not None else None
            yield Candidate(path, shown_path(path, top), splits[path.parent], label, partial(_annotate, read, known))
        else:
            yield Remark(path, "unlisted_image")
    yield from (Remark(path, "other_file") for path in read.files.others if path not in read.known)


def _annotate(read: _Read, known: _Known, _width: int, _height: int) -> Annotations:
    """Raises Unreadable for a row whose values are of the wrong kind."""
    table, line = known.table, known.row.line
    fields = fields_of(known.row.content, table, line)
    instances, remarks = _instances(read, known, fields)
    label = known.row.label
    if label is not None and label not in read.classes.labels:
        remarks.append(_without_name(table, line, label, read.classes))
    caption, further = _caption(read, known, fields)
    if further:
        detail = f"the first of {further + 1} captions is read"
        remarks.append(Remark(table, "unsupported_annotations", detail, str(line)))
    for again in known.again:  # half of the objects would teach that the others are none
        code = "broken_annotations" if OBJECTS in fields else "unsupported_annotations"
        remarks.append(Remark(table, code, f"the image is described in line {line} already", str(again)))
    return Annotations(
        instances=instances,
        file=table,
        marks=(line,) * len(instances),
        caption=caption,
        remarks=remarks,
    )


def _caption(read: _Read, known: _Known, fields: Mapping[str, msgspec.Raw]) -> tuple[str | None, int]:
    """None when no row of the set has one, empty when only this one has none; and how many more there are in a list."""
    if read.caption is None:
        return None, 0
    found: object = decode_json(fields.get(read.caption, _NULL), object, known.table, known.row.line)
    first, *others = cast("list[object]", found) or [None] if isinstance(found, list) else [found]
    if not isinstance(first, str | None):
        raise Unreadable(known.table, f"{read.caption!r} is {type(first).__name__}; expected a text", known.row.line)
    return caption_of(first or ""), len(others)


def _instances(read: _Read, known: _Known, fields: Mapping[str, msgspec.Raw]) -> tuple[list[Instance], list[Remark]]:
    instances: list[Instance] = []
    remarks: list[Remark] = []
    if OBJECTS not in fields:
        return instances, remarks
    table, line = known.table, known.row.line
    for objects in objects_of(fields[OBJECTS], table, line):
        for (left, top, wide, high), value in _boxes(objects, table, line):
            if value is None or value not in read.classes.objects:
                remarks.append(_without_name(table, line, value, read.classes))
            else:
                left, top, wide, high = rounded(left, top, wide, high)
                instances.append(Instance(label=read.classes.objects[value], box=(left, top, wide, high)))
    return instances, remarks


def _boxes(objects: Mapping[str, msgspec.Raw], table: Path, line: int) -> Iterator[tuple[_Box, Value | None]]:
    """Each box with its class. Raises Unreadable when one is without the other."""
    column = category_column(objects)
    if BOXES not in objects or column is None:
        missing = BOXES if BOXES not in objects else CATEGORIES[0]
        raise Unreadable(
            table, f"its objects have no {missing}, but {', '.join(map(repr, objects)) or 'nothing'}", line
        )
    values = values_of(objects[column], table, line)
    single = bytes(objects[column]).lstrip()[:1] != b"["
    content = objects[BOXES]
    boxes = [decode_json(content, _Box, table, line)] if single else decode_json(content, list[_Box], table, line)
    if len(boxes) != len(values):
        raise Unreadable(table, f"it has {len(boxes)} boxes but {len(values)} {column}", line)
    yield from zip(boxes, values, strict=True)


def _without_name(table: Path, line: int, value: Value | None, classes: _Classes) -> Remark:
    found = "no class" if value is None else f"class '{caption_of(str(value))[:60]}'"
    return Remark(table, "class_without_name", f"{found}; there are {len(classes.names)} names", str(line))


# Writing


def _written(sample: Sample, name: str, target: Target) -> dict[str, object]:
    classes = target.header.classes
    row: dict[str, object] = {FILE_NAME: name}
    if sample.label is not None:
        row[LABEL] = classes[sample.label]
    if sample.caption is not None:
        row[CAPTIONS[0]] = sample.caption
    if target.has(Feature.BOX):
        boxes = [instance.box for instance in sample.instances]
        names = [classes[instance.label] for instance in sample.instances]
        row[OBJECTS] = {BOXES: boxes, CATEGORIES[0]: names}
    return row


def _features(target: Target) -> Iterator[tuple[str, dict[str, object]]]:
    names = class_label(target.header.classes)
    yield "image", {"dtype": "image"}
    if target.has(Feature.LABEL) or not target.has(Feature.BOX):
        yield LABEL, {"dtype": names}
    if target.has(Feature.CAPTION):
        yield CAPTIONS[0], {"dtype": "string"}
    if target.has(Feature.BOX):
        boxes = {"name": BOXES, "list": {"list": "float64", "length": 4}}
        yield OBJECTS, {"struct": [boxes, {"name": CATEGORIES[0], "list": names}]}
