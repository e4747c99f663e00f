"""Draw an image with what is known about it: `thumbnail(path, sample, …)` for one, `sheet(subjects, …)` for many on one page.

Images are held as EXIF says, because that is what annotations refer to, and drawn without transparency, because that is what a
trainer sees. Everything is drawn in the size of the thumbnail, so the cost hardly depends on the size of the image.
"""

import io
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from eyebright_kit.data.annotations import IGNORED, Instance, Ring, Skeleton
from eyebright_kit.data.hues import Colour, colour_of, ink_on
from eyebright_kit.data.images import ImageLimits, Unusable, decoded, upright
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.rle import expand
from eyebright_kit.errors import StorageUnavailable

_SMOOTH = frozenset({"RGB", "L", "CMYK", "YCbCr"})  # what can be scaled well as it is
_TINT = 100  # of 255: how much of the class's colour lies on what it covers
_MOST_INSTANCES = 2000  # more are a blot, and a second of drawing
_MOST_TAGS = 60
_CAPTION_LINES = 3
_FAR = 4  # sides away: where points that lie even farther are drawn, as Pillow's numbers end somewhere
_BACKGROUND = frozenset({"background", "_background_", "__background__"})
_PAPER, _INK, _MARGIN = (255, 255, 255), (32, 32, 32), 6

_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Legend:
    """What the numbers in annotations stand for."""

    classes: Sequence[str]
    skeletons: Mapping[int, Skeleton]


@dataclass(frozen=True, slots=True)
class Subject:
    """An image of a version: its file, its annotations, and the file of its mask if it has one."""

    image: Path
    sample: Sample
    mask: Path | None = None


def thumbnail(
    image_path: Path,
    sample: Sample,
    classes: Sequence[str],
    skeletons: Mapping[int, Skeleton],
    mask_path: Path | None = None,
    *,
    side: int = 256,
    labels: bool = True,
    caption: bool = False,
    limits: ImageLimits | None = None,
) -> bytes:
    """A JPEG whose longer side has `side` pixels; `caption` puts the caption below, which makes it higher.

    Of more than 2,000 objects the first are drawn, and of more than 60 none gets the name of its class. Raises
    StorageUnavailable when a file is gone or damaged or above the limits.
    """
    subject = Subject(image_path, sample, mask_path)
    canvas = _drawn(subject, Legend(classes, skeletons), side, labels, limits or ImageLimits())
    if caption and sample.caption:
        canvas = _with_text_below(canvas, _wrapped(_legible(sample.caption), _font(side), canvas.width), side)
    return _encoded(canvas, "JPEG", quality=85, subsampling=0)  # thin lines in colour blur when colours are subsampled


def sheet(
    subjects: Iterable[Subject],
    classes: Sequence[str],
    skeletons: Mapping[int, Skeleton],
    *,
    columns: int = 4,
    side: int = 256,
    limits: ImageLimits | None = None,
) -> bytes:
    """A PNG with thumbnails in rows, the name of each below it. Raises as thumbnail does, and ValueError for no picture."""
    legend, limits = Legend(classes, skeletons), limits or ImageLimits()
    tiles = [
        _with_text_below(_drawn(subject, legend, side, True, limits), [_name(subject.sample, side)], side)
        for subject in subjects
    ]
    if not tiles:
        raise ValueError("a sheet needs at least one picture")
    return _encoded(_arranged(tiles, columns, side), "PNG")


def _encoded(canvas: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    canvas.save(buffer, kind, **options)
    return buffer.getvalue()


# The picture


def _drawn(subject: Subject, legend: Legend, side: int, labels: bool, limits: ImageLimits) -> Image.Image:
    sample = subject.sample
    size = _size(sample, side)
    canvas = _scaled(upright(_pixels(subject.image, sample, limits, size)), size)
    if sample.mask is not None and subject.mask is not None:
        _tint(canvas, _pixels(subject.mask, sample, limits), legend.classes)
    pen = _Pen(canvas, sample, legend, side)
    for instance in sample.instances[:_MOST_INSTANCES]:
        pen.instance(instance)
    if labels:
        pen.tags(sample)
    return canvas


def _size(sample: Sample, side: int) -> tuple[int, int]:
    """Small images grow: annotations of 16 pixels need room to be drawn in."""
    scale = side / max(sample.width, sample.height)
    return max(1, round(sample.width * scale)), max(1, round(sample.height * scale))


def _pixels(path: Path, sample: Sample, limits: ImageLimits, near: tuple[int, int] | None = None) -> Image.Image:
    found = decoded(path, limits, None, near=near)
    if isinstance(found, Unusable):
        what = found.detail or found.code.replace("_", " ")
        raise StorageUnavailable(f"{sample.source or path.name} cannot be drawn: {what}; import the data set again")
    return found[0]


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """In RGB. What cannot be scaled well as it is becomes smaller by leaving pixels out first, or it would need a large copy."""
    if image.mode not in _SMOOTH:
        image = image.resize(_at_most(image.size, (3 * size[0], 3 * size[1])), Image.Resampling.NEAREST)
        image.info.pop("transparency", None)  # a palette's would be worth a warning to Pillow
        image = _in_8_bits(image) if image.mode.startswith(("I", "F")) else image.convert("RGB")
    way = Image.Resampling.BILINEAR if image.width > size[0] else Image.Resampling.NEAREST
    return image.resize(size, way, reducing_gap=2.0).convert("RGB")


def _at_most(size: tuple[int, int], limit: tuple[int, int]) -> tuple[int, int]:
    return min(size[0], limit[0]), min(size[1], limit[1])


def _in_8_bits(image: Image.Image) -> Image.Image:
    """From the darkest to the brightest that occurs: 12 bits in 16 would be all but black else."""
    values = image.convert("F")
    low, high = (float(str(end)) for end in values.getextrema())
    scale = 255 / (high - low) if high > low and math.isfinite(high - low) else 0.0
    return values.point(lambda value: value * scale - low * scale).convert("L")


def _tint(canvas: Image.Image, mask: Image.Image, classes: Sequence[str]) -> None:
    """Each class in its colour, but for the background and for what nobody knows."""
    small = mask.resize(canvas.size, Image.Resampling.NEAREST)
    bare = {label for label, name in enumerate(classes) if name.casefold() in _BACKGROUND} | {IGNORED}
    colours = Image.frombytes("P", small.size, small.tobytes())
    colours.putpalette([part for label in range(256) for part in colour_of(label)])
    strength = small.point([0 if label in bare else _TINT for label in range(256)])
    canvas.paste(colours.convert("RGB"), mask=strength)


# Annotations


class _Pen:
    """Draws in pixels of the canvas what is given in pixels of the image."""

    def __init__(self, canvas: Image.Image, sample: Sample, legend: Legend, side: int) -> None:
        self._canvas = canvas
        self._legend = legend
        self._side = side
        self._image = sample.width, sample.height
        self._scale = canvas.width / sample.width, canvas.height / sample.height
        self._width = max(1, round(side / 128))
        self._draw = ImageDraw.Draw(canvas, "RGBA")  # colours with a fourth part are mixed with what is there

    def instance(self, instance: Instance) -> None:
        colour = colour_of(instance.label)
        for ring in instance.polygons:
            self._outline(ring, colour)
        if instance.rle:
            self._runs(instance.rle, colour)
        if instance.corners:
            self._outline(instance.corners, colour)
        else:
            self._frame(self._corners(instance), colour)
        if instance.keypoints:
            self._keypoints(instance, colour)

    def tags(self, sample: Sample) -> None:
        """The names of the classes: of the image in its corner, of each object above its box."""
        font = _font(self._side)
        if sample.label is not None:
            self._tag((0, 0), sample.label, font)
        if len(sample.instances) <= _MOST_TAGS:
            for instance in sample.instances:
                left, top, _, _ = self._corners(instance)
                self._tag((left, top - _height(font)), instance.label, font)

    def _tag(self, place: tuple[float, float], label: int, font: _Font) -> None:
        if label >= len(self._legend.classes):
            return
        name = self._legend.classes[label]
        text = _cut(_in_ascii(name, f"#{label}"), font, self._canvas.width - 4)
        wide, high = font.getlength(text) + 4, _height(font)
        left = min(max(place[0], 0), self._canvas.width - wide)
        top = min(max(place[1], 0), self._canvas.height - high)
        colour = colour_of(label)
        self._draw.rectangle((left, top, left + wide - 1, top + high - 1), fill=colour)
        self._draw.text((left + 2, top + 1), text, fill=ink_on(colour), font=font)

    def _corners(self, instance: Instance) -> tuple[float, float, float, float]:
        """The first and the last pixel of the box; at least one."""
        left, top, wide, high = instance.box
        (first_x, first_y), (end_x, end_y) = self._points((left, top, left + wide, top + high))
        return first_x, first_y, max(first_x, end_x - 1), max(first_y, end_y - 1)

    def _points(self, ring: Ring) -> list[tuple[float, float]]:
        low, high = -_FAR * self._side, _FAR * self._side
        xs = (min(max(x * self._scale[0], low), high) for x in ring[0::2])
        ys = (min(max(y * self._scale[1], low), high) for y in ring[1::2])
        return list(zip(xs, ys, strict=True))

    def _frame(self, corners: tuple[float, float, float, float], colour: Colour) -> None:
        left, top, right, bottom = corners
        if min(right - left, bottom - top) < 2 * self._width:
            self._draw.rectangle(corners, fill=colour)  # Pillow's frames reach out of a box that has no inside
        else:
            self._draw.rectangle(corners, outline=colour, width=self._width)

    def _outline(self, ring: Ring, colour: Colour) -> None:
        points = self._points(ring)
        if len(points) > 2:
            self._draw.polygon(points, fill=(*colour, _TINT))
        self._draw.line([*points, points[0]], fill=colour, width=self._width)

    def _runs(self, rle: str, colour: Colour) -> None:
        covered = Image.new("L", self._canvas.size)
        brush = ImageDraw.Draw(covered)
        (wide, high), (canvas_wide, canvas_high) = self._image, self._canvas.size
        for box in _pieces(expand(rle), high):
            left, right = (_first_middle(x, wide, canvas_wide) for x in (box[0], box[2]))
            top, bottom = (_first_middle(y, high, canvas_high) for y in (box[1], box[3]))
            if left < right and top < bottom:
                brush.rectangle((left, top, right - 1, bottom - 1), fill=_TINT)
        self._canvas.paste(colour, mask=covered)

    def _keypoints(self, instance: Instance, colour: Colour) -> None:
        """Hidden ones are rings. Nothing is drawn to or from one that is unknown."""
        points = self._points(tuple(n for place, n in enumerate(instance.keypoints) if place % 3 < 2))
        seen = instance.keypoints[2::3]
        skeleton = self._legend.skeletons.get(instance.label)
        for one, other in skeleton.edges if skeleton else ():
            if max(one, other) < len(points) and seen[one] and seen[other]:
                self._draw.line((points[one], points[other]), fill=colour, width=self._width)
        radius = self._width + 1
        for (x, y), visibility in zip(points, seen, strict=True):
            if visibility:
                fill = colour if visibility > 1 else None
                self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=colour)


def _first_middle(place: int, image: int, canvas: int) -> int:
    """The first pixel of the canvas whose middle lies at or after a place in the image: its lengths are `image` and `canvas`."""
    return -((image - 2 * place * canvas) // (2 * image))


def _pieces(counts: Sequence[int], height: int) -> Iterator[tuple[int, int, int, int]]:
    """What run lengths cover, as boxes (left, top, right, bottom) with the ends outside: at most three for each run."""
    start = 0
    for place, count in enumerate(counts):
        end = start + count
        if place % 2 and count:
            first, last = start // height, (end - 1) // height
            below, above = start % height, (end - 1) % height + 1
            if first == last:
                yield first, below, first + 1, above
            else:
                yield first, below, first + 1, height
                yield first + 1, 0, last, height
                yield last, 0, last + 1, above
        start = end


# Text


@cache
def _font(side: int) -> _Font:
    """Loaded once for each size: it takes milliseconds."""
    return ImageFont.load_default(max(9, round(side / 22)))


def _in_ascii(text: str, instead: str) -> str:
    """Pillow's own font has no other letters: without accents, and `instead` for what is no Latin at all."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return plain if plain.isascii() else instead


def _legible(text: str) -> str:
    return "".join(_in_ascii(letter, "?") for letter in text)


def _height(font: _Font) -> int:
    return round(font.getbbox("Ág")[3]) + 3


def _cut(
    text: str, font: _Font, wide: float, shorter: Callable[[str, int], str] = lambda text, n: f"{text[:n]}…"
) -> str:
    """The text, or as much of it as fits, with an ellipsis for the rest."""
    if font.getlength(text) <= wide:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(shorter(text, middle)) <= wide else (low, middle - 1)
    return shorter(text, low)


def _name(sample: Sample, side: int) -> str:
    """Of a long name the end is what tells it from others."""
    name = _legible(sample.source or sample.sha256[:12])
    return _cut(name, _font(side), side - 4, lambda text, n: f"…{text[len(text) - n :]}")


def _wrapped(text: str, font: _Font, wide: int) -> list[str]:
    """The first lines of it."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < _CAPTION_LINES:
        count = 1
        while count < len(words) and font.getlength(" ".join(words[: count + 1])) <= wide - 4:
            count += 1
        last = len(lines) == _CAPTION_LINES - 1
        lines.append(_cut(" ".join(words if last else words[:count]), font, wide - 4))
        words = words[count:]
    return lines


def _with_text_below(canvas: Image.Image, lines: Sequence[str], side: int) -> Image.Image:
    font = _font(side)
    high = _height(font)
    page = Image.new("RGB", (canvas.width, canvas.height + high * len(lines)), _PAPER)
    page.paste(canvas)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((2, canvas.height + number * high), line, fill=_INK, font=font)
    return page


def _arranged(tiles: Sequence[Image.Image], columns: int, side: int) -> Image.Image:
    """In rows as high as their highest tile; a narrow tile stands in the middle of its column."""
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    wide = min(columns, len(tiles)) * (side + _MARGIN) + _MARGIN
    page = Image.new("RGB", (wide, sum(heights) + _MARGIN * (len(rows) + 1)), _PAPER)
    top = _MARGIN
    for row, high in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            page.paste(tile, (_MARGIN + column * (side + _MARGIN) + (side - tile.width) // 2, top))
        top += high + _MARGIN
    return page
