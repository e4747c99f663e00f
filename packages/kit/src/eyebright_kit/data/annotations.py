"""What is known about an image besides its pixels: the neutral form that every format is read into and written from.

Coordinates are pixels of the image as EXIF says that it is to be held, which is how tools show it to whoever annotates; from its
left upper corner, to four decimals: finer than any tool draws, and coarse enough that a round trip through relative coordinates
gives the same number again.
"""

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

Attribute: TypeAlias = str | int | float | bool
Ring: TypeAlias = tuple[float, ...]  # x, y, x, y, … of a closed outline, without repeating the first point
Box: TypeAlias = tuple[float, float, float, float]  # left, top, width, height

DECIMALS = 4


class Instance(Struct, frozen=True, omit_defaults=True, gc=False, kw_only=True):
    """One object in an image. `box` is always there; what else is known depends on what the set can teach."""

    label: int  # index into the classes of the data set
    box: Box
    polygons: tuple[Ring, ...] = ()  # the parts of its outline
    rle: str = ""  # its outline as COCO's compressed run lengths, column by column over the whole image
    keypoints: tuple[float, ...] = ()  # x, y, visibility, … with visibility 0 unknown, 1 hidden, 2 seen
    corners: tuple[float, ...] = ()  # x, y of the four corners of a turned box, in order round it
    crowd: bool = False  # stands for many that nobody told apart
    attributes: dict[str, Attribute] = {}  # msgspec makes a new one for each instance


class Mask(Struct, frozen=True, gc=False, kw_only=True):
    """A picture as large as the image whose pixels are class indices, 255 where nobody knows: a PNG of 8 bits."""

    sha256: str
    size_bytes: int
    classes: tuple[int, ...]  # that have at least one pixel


class Skeleton(Struct, frozen=True, omit_defaults=True, gc=False, kw_only=True):
    """What the keypoints of a class are."""

    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()  # pairs of indices that are drawn as a line
    flip: tuple[int, ...] = ()  # the index that each becomes in a mirrored image; empty: not known


#: Pixels of a mask that belong to no class.
IGNORED = 255


def rounded(*numbers: float) -> tuple[float, ...]:
    return tuple([round(number, DECIMALS) for number in numbers])  # a list: this runs for every number of every object


def box_around(points: tuple[float, ...]) -> Box:
    """The smallest box that holds all points (x, y, x, y, …)."""
    xs, ys = points[0::2], points[1::2]
    left, top = min(xs), min(ys)
    return (
        round(left, DECIMALS),
        round(top, DECIMALS),
        round(max(xs) - left, DECIMALS),
        round(max(ys) - top, DECIMALS),
    )


def renumbered(instance: Instance, labels: Mapping[int, int]) -> Instance | None:
    """The same object under its new class number; None when its class has none."""
    label = labels.get(instance.label)
    if label is None or label == instance.label:
        return instance if label is not None else None
    return replace(instance, label=label)
