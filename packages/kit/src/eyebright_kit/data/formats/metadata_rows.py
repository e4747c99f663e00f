"""The rows of a metadata.jsonl or metadata.csv: which image, which classes, and the rest as it stands there, for later."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import msgspec
from msgspec import Raw

from eyebright_kit.data.documents import MAX_INDEX_BYTES, Unreadable, decode_json, read_text, read_utf_8

#: How a class is named in a row.
Value: TypeAlias = int | str

FILE_NAME = "file_name"
LABEL = "label"
OBJECTS = "objects"
BOXES = "bbox"
CATEGORIES = ("categories", "category", "labels", "label", "category_id", "category_ids")
CAPTIONS = ("text", "caption", "prompt")
_MOST_CLASSES = 100_000
_LONGEST_HEADER = 65_536
_UNLABELLED = -1  # what Hugging Face puts where the class is kept secret


@dataclass(frozen=True, slots=True)
class Row:
    """`line` is where it begins. `columns` are the names of its fields, those of objects with a dot."""

    line: int
    file_name: str
    label: Value | None
    categories: frozenset[Value]  # of its objects
    columns: tuple[str, ...]
    content: bytes  # all of it, in JSON


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is no row, and why."""

    line: int
    detail: str


def rows(path: Path, root: Path) -> Iterator[Row | Broken]:
    """Raises Unreadable for what is no text at all."""
    for line, content in _of_csv(path, root) if path.suffix.lower() == ".csv" else _of_json_lines(path, root):
        try:
            yield _row(path, line, content)
        except Unreadable as error:
            yield Broken(line, error.detail)


def fields_of(content: bytes | Raw, path: Path, line: int) -> dict[str, Raw]:
    return decode_json(content, dict[str, Raw], path, line)


def objects_of(content: Raw, path: Path, line: int) -> list[dict[str, Raw]]:
    """Objects as columns, or one after the other: a list of tables either way."""
    start = bytes(content).lstrip()[:1]
    if start == b"[":
        return decode_json(content, list[dict[str, Raw]], path, line)
    return [decode_json(content, dict[str, Raw], path, line)] if start != b"n" else []  # null


def category_column(table: Mapping[str, Raw]) -> str | None:
    return next((name for name in CATEGORIES if name in table), None)


def values_of(content: Raw, path: Path, line: int) -> list[Value | None]:
    """One or several classes."""
    found: object = decode_json(content, object, path, line)
    return [_value(each, path, line) for each in (cast("list[object]", found) if isinstance(found, list) else [found])]


def _row(path: Path, line: int, content: bytes) -> Row:
    fields = fields_of(content, path, line)
    if FILE_NAME not in fields:
        raise Unreadable(path, f"it has no {FILE_NAME}, but {', '.join(map(repr, [*fields][:5])) or 'nothing'}")
    categories: set[Value | None] = set()
    columns = [*fields]
    for table in objects_of(fields[OBJECTS], path, line) if OBJECTS in fields else ():
        columns += [f"{OBJECTS}.{name}" for name in table]
        if column := category_column(table):
            categories.update(values_of(table[column], path, line))
    return Row(
        line=line,
        file_name=decode_json(fields[FILE_NAME], str, path, line),
        label=_value(decode_json(fields[LABEL], object, path, line), path, line) if LABEL in fields else None,
        categories=frozenset(value for value in categories if value is not None),
        columns=tuple(dict.fromkeys(columns)),
        content=content,
    )


def _value(found: object, path: Path, line: int) -> Value | None:
    if isinstance(found, float) and found.is_integer():  # what pandas makes of whole numbers in a column with gaps
        found = int(found)
    if found in (None, "", _UNLABELLED):
        return None
    if isinstance(found, str) or (
        isinstance(found, int) and not isinstance(found, bool) and 0 <= found < _MOST_CLASSES
    ):
        return found
    raise Unreadable(path, f"a class is {str(found)[:40]}; expected a name, or a number from 0", line)


def _of_json_lines(path: Path, root: Path) -> Iterator[tuple[int, bytes]]:
    content = read_utf_8(path, root, MAX_INDEX_BYTES)
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            yield number, line


def delimiter_of(header: str) -> str | None:
    """What stands between the columns of a CSV, as it yields a column for the files: Excel writes `;` where a comma is the
    sign for decimals. None when there is no such column."""
    return next((mark for mark in ",;\t" if FILE_NAME in next(csv.reader([header], delimiter=mark), ())), None)


def _of_csv(path: Path, root: Path) -> Iterator[tuple[int, bytes]]:
    """As JSON: texts but for `objects`, which can only be JSON in a cell. An empty cell is no field. Raises Unreadable."""
    text = read_text(path, root, MAX_INDEX_BYTES)
    header_line = next(iter(text[:_LONGEST_HEADER].splitlines()), "")
    delimiter = delimiter_of(header_line) or ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, list[str]())
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield line, _as_json(header, cells)
            line = reader.line_num + 1
    except csv.Error as error:  # its own limit for a cell, 131,072 characters, is among them
        raise Unreadable(path, f"it is no CSV: {error}", reader.line_num) from None


def _as_json(header: list[str], cells: list[str]) -> bytes:
    if len(cells) != len(header):
        return msgspec.json.encode(f"{len(cells)} cells for {len(header)} columns")  # which is no row
    fields = {name: _cell(name, cell) for name, cell in zip(header, cells, strict=True) if cell}
    return msgspec.json.encode(fields)


def _cell(name: str, cell: str) -> Raw:
    if name == OBJECTS:
        return Raw(cell.encode())
    return Raw(msgspec.json.encode(_number(cell) if name == LABEL else cell))


def _number(cell: str) -> Value | float:
    """What pandas would make of it."""
    if cell.removesuffix(".0").removeprefix("-").isdecimal() and cell.isascii() and len(cell) < 12:
        return float(cell)
    return cell
