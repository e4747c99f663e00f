"""What the values and colours of masks mean: as a list says or, without one, as the masks themselves show.

The value 255 means that nobody knows, unless a list names it. Where no list names anything and the masks hold 0 and 255, or 0 and
1, and nothing else, these are background and foreground.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.data.classlist import (
    LABELMAP,
    PLAIN_LISTS,
    Named,
    read_labelmap,
    read_plain_list,
    read_table,
)
from eyebright_kit.data.documents import Unreadable, read_json
from eyebright_kit.data.format import Remark, shown_path
from eyebright_kit.data.hues import Colour
from eyebright_kit.data.images import ImageLimits, Unusable, decoded
from eyebright_kit.data.masks import RGB, colours_of, pixel_values
from eyebright_kit.data.tree import printable

_TABLES = frozenset({"class_dict.csv", "_classes.csv", "classes.csv"})
_NUMBERED = frozenset({"id2label.json"})
_MOST_CLASSES = 255  # the value 255 is taken
_MOST_COLOURS = 256
_VOC_BORDER = (224, 224, 192)  # Pascal VOC paints what nobody knows in it
_SAMPLE = 64
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Palette:
    """Class indices by value and by colour. `files` are the lists that say so, `remarks` what to tell about it."""

    classes: tuple[str, ...]
    values: Mapping[int, int] = field(default_factory=dict[int, int])
    colours: Mapping[Colour, int] = field(default_factory=dict[Colour, int])
    files: frozenset[Path] = frozenset()
    remarks: tuple[Remark, ...] = ()


def is_class_list(path: Path, *, plain: bool = True) -> bool:
    """Without `plain`, only lists that tell colours or values of pixels."""
    name = path.name.lower()
    return name in _TABLES | _NUMBERED | {LABELMAP} or (plain and name in PLAIN_LISTS)


def read_palette(others: Iterable[Path], masks: Sequence[Path], root: Path) -> Palette:
    """Raises Unreadable for a list that cannot be understood, and for lists that say different things."""
    lists = sorted((path for path in others if is_class_list(path)), key=_most_telling)
    if not lists:
        return _seen(masks, root)
    first = _read(lists[0], root)
    alike = [path for path in lists if path.name.lower() == lists[0].name.lower()]
    for path in alike[1:]:  # one for each split
        if _read(path, root) != first:
            raise Unreadable(
                path, f"it says something else than {shown_path(lists[0], root)}; expected one list for all"
            )
    return _listed(first, lists[0], frozenset(alike), masks, root)


def _most_telling(path: Path) -> tuple[bool, int, str]:
    return path.name.lower() in PLAIN_LISTS, len(path.parts), str(path)


def _read(path: Path, root: Path) -> tuple[Named, ...]:
    name = path.name.lower()
    if name == LABELMAP:
        return read_labelmap(path, root)
    if name in _NUMBERED:
        return _numbered(path, root)
    return read_table(path, root) if name in _TABLES else read_plain_list(path, root)


def _numbered(path: Path, root: Path) -> tuple[Named, ...]:
    """`{"0": "wall", "1": "building"}`."""
    names = read_json(path, root, dict[str, str])
    if wrong := next((key for key in names if not key.isascii() or not key.isdigit() or int(key[:4]) > 255), None):
        raise Unreadable(path, f"the key {printable(wrong)[:40]!r} is no value of a pixel; expected 0 to 255")
    return tuple(Named(printable(names[key]), value=int(key)) for key in sorted(names, key=int))


# By a list


def _listed(named: Sequence[Named], path: Path, files: frozenset[Path], masks: Sequence[Path], root: Path) -> Palette:
    if len(named) > _MOST_CLASSES:
        raise Unreadable(path, f"it names {len(named)} classes; masks can hold {_MOST_CLASSES}")
    if named and named[0].name == "__ignore__" and named[0].value is None:
        named = named[1:]  # LabelMe's name for what nobody knows
    classes = tuple(one.name for one in named)
    values = {one.value if one.value is not None else place: place for place, one in enumerate(named)}
    colours = {one.colour: place for place, one in enumerate(named) if one.colour}
    if len(values) < len(named) or len(colours) < sum(one.colour is not None for one in named):
        raise Unreadable(path, "two classes have the same value or colour, so masks cannot tell them apart")
    remarks: tuple[Remark, ...] = ()
    if len(named) == 2 and named[1].value is None and not colours and _is_binary(masks, root):
        values = {0: 0, 255: 1}
        remarks = (Remark(path, "binary_masks", f"0 is {classes[0]}, 255 is {classes[1]}"),)
    return Palette(classes, {IGNORED: IGNORED} | values, _with_border(colours), files, remarks)


def _with_border(colours: Mapping[Colour, int]) -> dict[Colour, int]:
    return {_VOC_BORDER: IGNORED} | dict(colours) if colours else {}


def _is_binary(masks: Sequence[Path], root: Path) -> bool:
    """Do the first masks hold nothing but 0 and 255?"""
    values, _ = _occurring(masks[:_SAMPLE], root)
    return values == {0, 255}


# By what occurs


def _seen(masks: Sequence[Path], root: Path) -> Palette:
    values, colours = _occurring(masks, root)
    if all(red == green == blue for red, green, blue in colours):  # grey, though saved in colours
        values, colours = values | {red for red, _, _ in colours}, set[Colour]()
    if len(colours) > _MOST_COLOURS:
        detail = (
            f"the masks have more than {_MOST_COLOURS} colours and no list says which are classes; add a class_dict.csv"
        )
        raise Unreadable(masks[0], detail)
    if not colours and values <= {0, 255} and 255 in values:
        return _binary({0: 0, 255: 1}, masks)
    if not colours and values in ({0, 1}, {1}):
        return _binary({0: 0, 1: 1}, masks)
    return _numbers(sorted(values - {IGNORED}), sorted(colours), masks)


def _binary(values: Mapping[int, int], masks: Sequence[Path]) -> Palette:
    foreground = max(values)
    detail = f"the masks hold 0 and {foreground} only: taken as background and foreground"
    return Palette(
        ("background", "foreground"),
        {IGNORED: IGNORED} | dict(values),
        remarks=(Remark(masks[0], "binary_masks", detail),),
    )


def _numbers(values: Sequence[int], colours: Sequence[Colour], masks: Sequence[Path]) -> Palette:
    """Values first; colours are called as on the web."""
    names = [str(value) for value in values] + ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours]
    if len(names) > _MOST_CLASSES:
        raise Unreadable(
            masks[0], f"the masks have {len(names)} values and colours; at most {_MOST_CLASSES} can be classes"
        )
    by_value = {value: label for label, value in enumerate(values)}
    by_colour = {colour: len(values) + label for label, colour in enumerate(colours)}
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    remarks = (Remark(masks[0], "unnamed_classes", f"{len(masks):,} masks hold {shown}"),) if names else ()
    return Palette(
        tuple(names),
        {IGNORED: IGNORED} | by_value,
        by_colour,
        remarks=remarks,
    )


def _occurring(masks: Sequence[Path], root: Path) -> tuple[set[int], set[Colour]]:
    """All values and colours of masks that can be read; the others are told with their images. Decoding releases the
    interpreter lock, so threads suffice."""
    values: set[int] = set()
    colours: set[Colour] = set()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="masks") as pool:
        for batch in _batches(masks):
            for seen in pool.map(partial(_of_mask, root=root), batch):
                values |= {value for value in seen if isinstance(value, int)}
                colours |= {colour for colour in seen if isinstance(colour, tuple)}
            if len(colours) > _MOST_COLOURS:
                break
    return values, colours


def _batches(masks: Sequence[Path]) -> Iterator[Sequence[Path]]:
    return (masks[start : start + _BATCH] for start in range(0, len(masks), _BATCH))


def _of_mask(path: Path, root: Path) -> set[int] | set[Colour]:
    opened = decoded(path, ImageLimits(), root)
    if isinstance(opened, Unusable) or opened[0].format in ("JPEG", "MPO"):
        return set[int]()
    image, content = opened
    if image.mode in RGB:
        # None of a picture with so many that they cannot be classes: the mask is refused with its image then.
        return set(colours_of(image, _MOST_COLOURS) or ())
    plain = pixel_values(image, content)
    return set[int]() if isinstance(plain, str) else {value for value, count in enumerate(plain.histogram()) if count}
