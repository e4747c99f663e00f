"""Read boxes, outlines, keypoints and attributes as COCO and its relatives write them: lists of numbers in JSON.

Each function raises ValueError, as msgspec does, for what is none; the text says what was found and what was expected.
"""

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from eyebright_kit.data.annotations import DECIMALS, Attribute, Box, Ring, box_around, rounded
from eyebright_kit.data.rle import box_of, checked, compress, expand
from eyebright_kit.data.tree import printable

T = TypeVar("T")

#: How it is written that there is none; the most frequent first.
NOTHING = tuple(map(Raw, (b"[]", b"", b"null", b'""', b"{}")))
_FINE = re.compile(rb"\.[0-9]{5}|[eE]")  # a number with more decimals than are kept
_FARTHEST = 1e7  # no image is that large, and sums of such numbers stay exact to four decimals
_LARGEST = 2**63  # what JSON is written with elsewhere


class RunLengths(Struct, frozen=True, gc=False):
    """An outline as COCO's run lengths, compressed or not."""

    size: tuple[int, int]  # height, width
    counts: str | list[int]


_RINGS = msgspec.json.Decoder(list[list[float]])
_NUMBERS = msgspec.json.Decoder(tuple[float, ...])
_RUNS = msgspec.json.Decoder(RunLengths)
_ATTRIBUTES = msgspec.json.Decoder(dict[str, Any])


def _decoded(decoder: msgspec.json.Decoder[T], text: Raw | bytes, what: str) -> T:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"its {what} cannot be read: {error}") from None


def _sane(numbers: Sequence[float]) -> None:
    if not -_FARTHEST < min(numbers) <= max(numbers) < _FARTHEST:
        raise _far(numbers)


def _far(numbers: Sequence[float]) -> ValueError:
    return ValueError(f"a coordinate is {max(numbers, key=abs):g}")


def box_in(numbers: Sequence[float]) -> Box:
    """Left, top, width, height."""
    if len(numbers) != 4:
        raise ValueError(f"its bbox has {len(numbers)} numbers; expected left, top, width, height")
    left, top, wide, high = numbers
    least, most = -_FARTHEST, _FARTHEST  # a million boxes: min and max would take three times as long
    if not (least < left < most and least < top < most and least < wide < most and least < high < most):
        raise _far(numbers)
    return round(left, DECIMALS), round(top, DECIMALS), round(wide, DECIMALS), round(high, DECIMALS)


def box_holding(polygons: tuple[Ring, ...], runs: str, keypoints: tuple[float, ...], height: int) -> Box:
    """What a box that is not given must hold."""
    if polygons:
        return box_around(tuple(chain.from_iterable(polygons)))
    if runs:
        return box_of(expand(runs), height)
    triples = zip(keypoints[0::3], keypoints[1::3], keypoints[2::3], strict=True)
    seen = [number for x, y, visibility in triples if visibility for number in (x, y)]
    if not seen:
        raise ValueError("it has neither a box nor an outline")
    return box_around(tuple(seen))


def outline(segmentation: Raw, width: int, height: int) -> tuple[tuple[Ring, ...], str]:
    """Polygons, or compressed run lengths, or neither."""
    if segmentation in NOTHING:
        return (), ""
    text = bytes(segmentation)
    if text[:1] == b"{":
        return (), run_lengths(_decoded(_RUNS, text, "segmentation"), width, height)
    # Some write one outline without the brackets for several.
    nested = text[1:].lstrip()[:1] == b"["
    rings = _decoded(_RINGS, text, "segmentation") if nested else [_decoded(_NUMBERS, text, "segmentation")]
    fine = _FINE.search(text) is not None  # rounding costs more than all the rest
    return tuple(ring_in(ring, fine) for ring in rings if ring), ""


def ring_in(numbers: Sequence[float], fine: bool) -> Ring:
    """`fine` says that there may be more decimals than are kept. A point that closes the outline is left out."""
    if len(numbers) % 2 or len(numbers) < 6:
        raise ValueError(f"an outline has {len(numbers)} numbers; expected x and y of 3 or more points")
    _sane(numbers)
    ring = rounded(*numbers) if fine else tuple(numbers)
    return ring[:-2] if len(ring) > 6 and ring[:2] == ring[-2:] else ring


def run_lengths(found: RunLengths, width: int, height: int) -> str:
    """Compressed, for an image of this size."""
    if found.size != (height, width):
        raise ValueError(f"its run lengths are for {found.size[1]}×{found.size[0]}; the image has {width}×{height}")
    counts = expand(found.counts) if isinstance(found.counts, str) else found.counts
    checked(counts, width, height)
    return compress(counts) if isinstance(found.counts, list) else found.counts


def keypoints_in(text: Raw, expected: int | None) -> tuple[float, ...]:
    """`expected` is how many points there must be, if that is known."""
    return keypoints_of(_decoded(_NUMBERS, text, "keypoints"), expected) if text not in NOTHING else ()


def keypoints_of(numbers: Sequence[float], expected: int | None) -> tuple[float, ...]:
    """Triples of x, y and visibility. What is unknown is nowhere, whatever number was left there."""
    if len(numbers) % 3 or not numbers or (expected is not None and len(numbers) != expected * 3):
        wanted = f"{expected} × 3" if expected is not None else "x, y and visibility of each point"
        raise ValueError(f"its keypoints are {len(numbers)} numbers; expected {wanted}")
    _sane(numbers)
    if not {0.0, 1.0, 2.0}.issuperset(numbers[2::3]):
        raise ValueError("a visibility is neither 0, 1 nor 2")
    triples = zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True)
    return rounded(*(number for x, y, v in triples for number in ((x, y, v) if v else (0.0, 0.0, 0.0))))


def attributes_in(text: Raw) -> tuple[dict[str, Attribute], tuple[str, ...]]:
    """Those that are texts, numbers or true and false; and the names of the others. Nothing is no value."""
    if text in NOTHING:
        return {}, ()
    kept: dict[str, Attribute] = {}
    lost: list[str] = []
    for name, value in _decoded(_ATTRIBUTES, text, "attributes").items():
        if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < _LARGEST):
            kept[name] = value
        elif value is not None:
            lost.append(printable(name))
    return kept, tuple(lost)
