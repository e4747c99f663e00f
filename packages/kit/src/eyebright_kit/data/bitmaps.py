"""Outlines that come as a small picture somewhere in the image, to COCO's run lengths and back.

Run lengths go down the columns; a picture that is turned over its diagonal has its columns as rows of bytes.
"""

import re
from collections.abc import Iterator, Sequence

from PIL import Image

_INSIDE = re.compile(rb"[^\0]+")


def counts_of(bitmap: Image.Image, left: int, top: int, size: tuple[int, int]) -> list[int]:
    """The run lengths, over a whole image of this size, of what is not 0 in a picture of 8 bits that lies at (left, top).

    What reaches over the edge of the image is cut off.
    """
    width, height = size
    first_x, first_y = max(-left, 0), max(-top, 0)
    edges = (first_x, first_y, min(bitmap.width, width - left), min(bitmap.height, height - top))
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        return [width * height]
    start = (left + first_x) * height + top + first_y
    return _alternating(_runs(bitmap.crop(edges), start, height), width * height)


def bitmap_of(counts: Sequence[int], size: tuple[int, int]) -> Image.Image:
    """A picture of 8 bits as large as the image, 255 inside and 0 outside."""
    pixels = b"".join((b"\xff" if place % 2 else b"\0") * count for place, count in enumerate(counts))
    return Image.frombytes("L", (size[1], size[0]), pixels).transpose(Image.Transpose.TRANSPOSE)


def bitmap_of_rows(counts: Sequence[int], size: tuple[int, int]) -> Image.Image:
    """The same from run lengths that go along the rows, as CVAT's do."""
    return bitmap_of(counts, (size[1], size[0])).transpose(Image.Transpose.TRANSPOSE)


def row_counts_of(bitmap: Image.Image) -> list[int]:
    """The run lengths along the rows."""
    turned = bitmap.transpose(Image.Transpose.TRANSPOSE)
    return counts_of(turned, 0, 0, turned.size)


def _runs(bitmap: Image.Image, start: int, height: int) -> Iterator[tuple[int, int]]:
    """Beginning and end of each run inside one column."""
    columns = bitmap.transpose(Image.Transpose.TRANSPOSE).tobytes()
    high = bitmap.height
    for number in range(bitmap.width):
        first = start + number * height
        for run in _INSIDE.finditer(columns, number * high, (number + 1) * high):
            yield first + run.start() - number * high, first + run.end() - number * high


def _alternating(runs: Iterator[tuple[int, int]], total: int) -> list[int]:
    """Lengths of outside and inside in turn; runs that touch are one."""
    counts: list[int] = []
    end = 0
    for start, stop in runs:
        if counts and start == end:
            counts[-1] += stop - start
        else:
            counts += [start - end, stop - start]
        end = stop
    return [*counts, total - end] if end < total or not counts else counts
