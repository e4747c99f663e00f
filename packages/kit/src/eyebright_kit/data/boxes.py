"""Judge the objects of one image: what is wrong with each, and what is left of them when they are mended."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.geometry import clipped, has_area, is_inside, is_outside
from eyebright_wire.datasets import Fix

_TINY = 4 / 640  # of the longer side of the image


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code` is a finding about the object at `place`; `mended` when a fix removed the object or altered it."""

    place: int
    code: str
    mended: bool = False


def judged(
    instances: Sequence[Instance], width: int, height: int, classes: int, fixes: Collection[Fix]
) -> tuple[tuple[Instance, ...], list[Verdict]]:
    """The objects after the fixes, what was mended, and what is still to be said of them. An object whose class has no name, or
    whose numbers are none, is a broken annotation: the verdict says so and the object stays."""
    verdicts: list[Verdict] = []
    kept: list[Instance] = []
    earlier: set[tuple[object, ...]] = set()
    for place, instance in enumerate(instances):
        repeated = _is_repeated(instance, earlier)
        if not repeated and _is_faultless(instance, width, height, classes):
            kept.append(instance)  # nearly all are
            continue
        codes = tuple(_codes(instance, width, height, classes, repeated))
        if removed := next((code for code in codes if code in _REMOVED and code in fixes), None):
            verdicts.append(Verdict(place, removed, mended=True))  # whatever else was wrong with it
            continue
        if Fix.BOX_OUT_OF_RANGE in codes and Fix.BOX_OUT_OF_RANGE in fixes:
            verdicts.append(Verdict(place, Fix.BOX_OUT_OF_RANGE, mended=True))
            instance = clipped(instance, width, height)  # the mended one takes its place
            codes = tuple(_codes(instance, width, height, classes, repeated))
        verdicts.extend(Verdict(place, code) for code in codes)
        kept.append(instance)
    return tuple(kept), verdicts


_REMOVED = frozenset({Fix.BOX_WITHOUT_AREA, Fix.BOX_OUTSIDE, Fix.DUPLICATE_BOXES})


def _is_repeated(instance: Instance, earlier: set[tuple[object, ...]]) -> bool:
    known = len(earlier)
    earlier.add(_identity(instance))
    return len(earlier) == known


def _identity(instance: Instance) -> tuple[object, ...]:
    """Equal for objects of which nothing tells one from the other: two people on one bench may have the same box, a crowd and
    one of it too. Attributes as they are written, because to Python `1` is `True`."""
    geometry = (instance.box, instance.polygons, instance.rle, instance.keypoints, instance.corners)
    if not instance.attributes:  # as most have none, nothing is made of them
        return instance.label, *geometry, instance.crowd
    attributes = frozenset((name, repr(value)) for name, value in instance.attributes.items())
    return instance.label, *geometry, instance.crowd, attributes


def _is_faultless(instance: Instance, width: int, height: int, classes: int) -> bool:
    """Certain to give no code. Not a number is neither more nor less than another, so it is not faultless either."""
    left, top, wide, high = instance.box
    tiny = _TINY * max(width, height)
    return (
        0 <= instance.label < classes
        and tiny <= wide
        and tiny <= high
        and left >= 0
        and top >= 0
        and left + wide <= width
        and top + high <= height
        and not instance.keypoints
    )


def _codes(instance: Instance, width: int, height: int, classes: int, repeated: bool) -> Iterator[str]:
    box = instance.box
    if not 0 <= instance.label < classes:
        yield "class_without_name"
    elif not math.isfinite(sum(box)):
        yield "broken_annotations"
    elif not has_area(box):
        yield "box_without_area"
    elif is_outside(box, width, height):
        yield "box_outside"
    else:
        yield from _codes_of_a_sound_box(instance, width, height)
    if repeated:
        yield "duplicate_boxes"


def _codes_of_a_sound_box(instance: Instance, width: int, height: int) -> Iterator[str]:
    box = instance.box
    if not instance.corners and not is_inside(box, width, height):
        yield "box_out_of_range"
    if min(box[2], box[3]) < _TINY * max(width, height):
        yield "tiny_objects"
    if instance.keypoints and _leaves(instance.keypoints, width, height):
        yield "keypoint_out_of_range"


def _leaves(keypoints: tuple[float, ...], width: int, height: int) -> bool:
    triples = zip(keypoints[0::3], keypoints[1::3], keypoints[2::3], strict=True)
    return any(v and not (0 <= x <= width and 0 <= y <= height) for x, y, v in triples)
