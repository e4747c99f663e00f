"""The list of classes that lies with a data set: `labels.txt`, `classes.txt`, CVAT's `labelmap.txt`, `class_dict.csv`."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from eyebright_kit.data.documents import Unreadable, read_lines, read_text
from eyebright_kit.data.hues import Colour
from eyebright_kit.data.tree import printable

PLAIN_LISTS = frozenset({"labels.txt", "classes.txt", "class_names.txt", "obj.names"})
LABELMAP = "labelmap.txt"
_COLOURED = re.compile(r"(?P<name>.+?):(?P<red>\d{1,3}),(?P<green>\d{1,3}),(?P<blue>\d{1,3}):[^:]*:[^:]*")
_BARE = re.compile(r"(?P<name>.+?):[^:]*:[^:]*:[^:]*")  # CVAT leaves the colour out when there is none
_MOST_NAMES = 100_000


@dataclass(frozen=True, slots=True)
class Named:
    """One line of a list. Not every list has colours or values of pixels."""

    name: str
    colour: Colour | None = None
    value: int | None = None


def read_plain_list(path: Path, root: Path) -> tuple[Named, ...]:
    """One name per line, in order. LabelMe's `__ignore__` and `_background_` are no classes of objects, but whoever reads
    masks wants them: they stay. Raises Unreadable."""
    return _distinct(path, [(number, Named(printable(line))) for number, line in read_lines(path, root)])


def read_labelmap(path: Path, root: Path) -> tuple[Named, ...]:
    """`name:r,g,b:parts:actions` per line; a name may hold colons itself. Raises Unreadable."""
    found: list[tuple[int, Named]] = []
    for number, line in read_lines(path, root):
        if coloured := _COLOURED.fullmatch(line):
            red, green, blue = (_channel(coloured[key], path, number) for key in ("red", "green", "blue"))
            found.append((number, Named(printable(coloured["name"]), (red, green, blue))))
        elif bare := None if line.startswith("#") else _BARE.fullmatch(line):
            found.append((number, Named(printable(bare["name"]))))
        elif not line.startswith("#"):
            raise Unreadable(path, f"{printable(line)[:80]!r} is not name:r,g,b:parts:actions", number)
    return _distinct(path, found)


def read_table(path: Path, root: Path) -> tuple[Named, ...]:
    """`class_dict.csv` (name, r, g, b) and Roboflow's `_classes.csv` (Pixel Value, Class). Raises Unreadable."""
    rows = csv.DictReader(read_text(path, root).splitlines(), strict=True)
    try:
        columns = {(name or "").strip().casefold(): name for name in rows.fieldnames or ()}
        found = [(number, _row(row, columns, path, number)) for number, row in enumerate(rows, 2)]
    except csv.Error as error:
        raise Unreadable(path, f"it is no table of comma-separated values: {error}") from None
    return _distinct(path, found)


def written_labelmap(names: Iterable[str], colours: Iterable[Colour]) -> str:
    lines = (f"{name}:{r},{g},{b}::" for name, (r, g, b) in zip(names, colours, strict=True))
    return "\n".join(["# label:color_rgb:parts:actions", *lines, ""])


def on_one_line(name: str) -> str:
    """The name as lists and XML can hold it."""
    return printable(" ".join(name.split()))


def voc_colour(index: int) -> Colour:
    """The colour that Pascal VOC gives to a number: its bits dealt out to red, green and blue, the highest first.

    Source: VOClabelcolormap in the development kit of Pascal VOC.
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= ((index >> (3 * place + channel)) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


def _row(row: Mapping[str, str | None], columns: Mapping[str, str], path: Path, line: int) -> Named:
    def cell(*known: str) -> str | None:
        value = next((row[columns[name]] for name in known if name in columns), None)
        return value.strip() if value is not None else None

    name, value = cell("name", "class", "class_name", "label"), cell("pixel value", "value", "id", "index")
    shades = [cell("r", "red"), cell("g", "green"), cell("b", "blue")]
    if not name or (value is None and None in shades):
        raise Unreadable(path, "a row has no name, or neither a colour (r, g, b) nor a value of pixels", line)
    channels = [_channel(shade, path, line) for shade in shades if shade is not None]
    colour = (channels[0], channels[1], channels[2]) if len(channels) == 3 else None
    return Named(printable(name), colour, _channel(value, path, line) if value is not None else None)


def _channel(text: str, path: Path, line: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 3 or int(text) > 255:
        raise Unreadable(path, f"{printable(text)[:40]!r} is no whole number from 0 to 255", line)
    return int(text)


def _distinct(path: Path, found: list[tuple[int, Named]]) -> tuple[Named, ...]:
    if len(found) > _MOST_NAMES:
        raise Unreadable(path, f"it names {len(found):,} classes; the most are {_MOST_NAMES:,}")
    seen: set[str] = set()
    for line, named in found:
        if named.name in seen:
            raise Unreadable(path, f"the class {named.name!r} comes twice", line)
        seen.add(named.name)
    return tuple(named for _, named in found)
