"""What the annotations of a data set hold, by kind: formats say what they can carry, so that what is lost can be told."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import chain

from eyebright_kit.data.annotations import Instance, box_around
from eyebright_kit.data.manifest import Header, Sample
from eyebright_kit.data.rle import box_of, expand


class Feature(StrEnum):
    """One kind of knowledge about an image. The text completes "cannot carry …"."""

    LABEL = "the class of a whole image"
    BOX = "boxes"
    LOOSE_BOX = "boxes other than the one that just holds the outline"
    POLYGON = "outlines"
    PARTS = "outlines of several parts"
    RLE = "outlines as run lengths"
    KEYPOINTS = "keypoints"
    SKELETON = "names and lines of keypoints"
    CORNERS = "turned boxes"
    SEVERAL_SHAPES = "several shapes of one object (outline, run lengths, turned box)"
    CROWD = "the mark of a crowd"
    ATTRIBUTES = "attributes of objects"
    MASK = "masks"
    CAPTION = "captions"
    REPEATS = "how often an epoch repeats an image"
    CLASS_ORDER = "an order of the classes other than by name"
    CLASS_NAMES = "names of classes that cannot be names of folders"


Features = frozenset[Feature]

#: What teaches by itself; all else is said of one of these, or of the set.
LABELS: Features = frozenset(
    {
        Feature.LABEL,
        Feature.BOX,
        Feature.POLYGON,
        Feature.RLE,
        Feature.KEYPOINTS,
        Feature.CORNERS,
        Feature.MASK,
        Feature.CAPTION,
    }
)


def features_of(header: Header, samples: Iterable[Sample]) -> Counter[Feature]:
    """How many images or objects have each feature."""
    found: Counter[Feature] = Counter()
    for sample in samples:
        found.update(_of_image(sample))
        for instance in sample.instances:
            found.update(_of_instance(instance, sample.height))
    if header.skeletons:
        found[Feature.SKELETON] = len(header.skeletons)
    return found


def _of_image(sample: Sample) -> Iterator[Feature]:
    if sample.label is not None:
        yield Feature.LABEL
    if sample.mask is not None:
        yield Feature.MASK
    if sample.caption is not None:
        yield Feature.CAPTION
    if sample.repeats > 1:
        yield Feature.REPEATS


def _of_instance(instance: Instance, height: int) -> Iterator[Feature]:
    yield Feature.BOX
    if _is_loose(instance, height):
        yield Feature.LOOSE_BOX
    if instance.polygons:
        yield Feature.POLYGON
        if len(instance.polygons) > 1:
            yield Feature.PARTS
    if instance.rle:
        yield Feature.RLE
    if instance.keypoints:
        yield Feature.KEYPOINTS
    if instance.corners:
        yield Feature.CORNERS
    if sum(map(bool, (instance.polygons, instance.rle, instance.corners))) > 1:
        yield Feature.SEVERAL_SHAPES
    if instance.crowd:
        yield Feature.CROWD
    if instance.attributes:
        yield Feature.ATTRIBUTES


def _is_loose(instance: Instance, height: int) -> bool:
    """Formats that keep no box beside an outline read the one that just holds it."""
    if instance.polygons:
        return instance.box != box_around(tuple(chain.from_iterable(instance.polygons)))
    if instance.rle:
        return instance.box != box_of(expand(instance.rle), height)
    return bool(instance.corners) and instance.box != box_around(instance.corners)
