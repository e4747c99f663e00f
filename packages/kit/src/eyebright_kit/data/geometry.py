"""Boxes and outlines against the image they lie in."""

import math
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from eyebright_kit.data.annotations import Box, Instance, Ring, rounded

#: Tools round to half a pixel; what reaches over the edge by less is no mistake.
TOLERANCE = 0.5


def has_area(box: Box) -> bool:
    return box[2] > 0 and box[3] > 0


def is_inside(box: Box, width: int, height: int) -> bool:
    """Does not reach over the edge by more than the tolerance."""
    left, top, wide, high = box
    return (
        left >= -TOLERANCE
        and top >= -TOLERANCE
        and left + wide <= width + TOLERANCE
        and top + high <= height + TOLERANCE
    )


def is_outside(box: Box, width: int, height: int) -> bool:
    """No part of it lies in the image."""
    left, top, wide, high = box
    return left >= width or top >= height or left + wide <= 0 or top + high <= 0


def turned_corners(middle: tuple[float, float], size: tuple[float, float], angle: float) -> Ring:
    """The corners of a box of this size that is turned round its middle: in radians, clockwise as one sees it."""
    (x, y), right, down = middle, size[0] / 2, size[1] / 2
    return turned((x - right, y - down, x + right, y - down, x + right, y + down, x - right, y + down), middle, angle)


def turned(points: Ring, middle: tuple[float, float], angle: float) -> Ring:
    """The points turned round the middle: in radians, clockwise as one sees it."""
    cosine, sine = math.cos(angle), math.sin(angle)
    offsets = ((x - middle[0], y - middle[1]) for x, y in zip(points[0::2], points[1::2], strict=True))
    return rounded(
        *(n for x, y in offsets for n in (middle[0] + x * cosine - y * sine, middle[1] + x * sine + y * cosine))
    )


def ellipse(middle: tuple[float, float], radii: tuple[float, float]) -> Ring:
    """An outline whose box is the ellipse's. Up to a radius of 2,600 it is nowhere further than a tenth of a pixel from it."""
    flattest = min(0.1 / max(*radii, 0.1), 1.0)  # how much of a radius the chord may lie inside the arc
    points = 4 * min(max(math.ceil(math.pi / math.acos(1 - flattest) / 4), 3), 90)  # a point at each of the four ends
    turns = [math.tau * number / points for number in range(points)]
    return rounded(
        *(m + r * f(turn) for turn in turns for m, r, f in zip(middle, radii, (math.cos, math.sin), strict=True))
    )


def clipped_box(box: Box, width: int, height: int) -> Box:
    """The part of the box that lies in the image."""
    left, top = min(max(box[0], 0.0), width), min(max(box[1], 0.0), height)
    right, bottom = min(max(box[0] + box[2], 0.0), width), min(max(box[1] + box[3], 0.0), height)
    left, top, wide, high = rounded(left, top, right - left, bottom - top)
    return left, top, wide, high


def clipped_points(points: Ring, width: int, height: int) -> Ring:
    """Each point moved to the nearest place in the image."""
    limits = (width, height)
    return tuple(min(max(number, 0.0), limits[place % 2]) for place, number in enumerate(points))


def clipped_keypoints(keypoints: tuple[float, ...], width: int, height: int) -> tuple[float, ...]:
    """Those outside the image become unknown (0, 0, 0)."""
    triples = zip(keypoints[0::3], keypoints[1::3], keypoints[2::3], strict=True)
    kept = [(x, y, v) if not v or (0 <= x <= width and 0 <= y <= height) else (0, 0, 0) for x, y, v in triples]
    return tuple(number for triple in kept for number in triple)


def clipped(instance: Instance, width: int, height: int) -> Instance:
    """The object as far as it lies in the image."""
    return replace(  # but for its corners: a turned box may reach over the edge, as its middle is what counts
        instance,
        box=clipped_box(instance.box, width, height),
        polygons=tuple(clipped_points(ring, width, height) for ring in instance.polygons),
        keypoints=clipped_keypoints(instance.keypoints, width, height),
    )


def visible(instances: Iterable[Instance], width: int, height: int) -> Iterator[Instance]:
    """Those that have an area in the image."""
    return (each for each in instances if has_area(each.box) and not is_outside(each.box, width, height))


def trainable(instances: Iterable[Instance], width: int, height: int) -> tuple[Instance, ...]:
    """What training sees of them: those that are visible, cut to the image."""
    return tuple(
        instance if _needs_no_cut(instance, width, height) else clipped(instance, width, height)
        for instance in visible(instances, width, height)
    )


def _needs_no_cut(instance: Instance, width: int, height: int) -> bool:
    """Nothing of it lies outside, not even by the tolerance."""
    left, top, wide, high = instance.box
    known = instance.keypoints
    return (
        _all_within((left, top, left + wide, top + high), width, height)
        and all(_all_within(ring, width, height) for ring in instance.polygons)
        and (not known or clipped_keypoints(known, width, height) == known)
    )


def _all_within(points: Ring, width: int, height: int) -> bool:
    return min(points) >= 0 and max(points[0::2]) <= width and max(points[1::2]) <= height
