"""A tiny data set for each task, drawn from a seed: small enough for any machine, and there to be learnt.

A classifier gets pictures that a glance tells apart; every other task gets shapes on a noisy ground, annotated as it needs them.
"""

import hashlib
import io
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageDraw

from eyebright_kit.data.annotations import IGNORED, Instance, Mask, Skeleton, box_around
from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.geometry import turned_corners
from eyebright_kit.data.manifest import Header, Sample, line_of, write_manifest
from eyebright_wire.datasets import Split

#: Images of each class; of a task whose images show several classes, as many in all.
IMAGES_PER_CLASS = {Split.TRAIN: 8, Split.VAL: 4}
_SEED = 7


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture and what is known about it."""

    image: Image.Image
    label: int | None = None
    instances: tuple[Instance, ...] = ()
    mask: Image.Image | None = None  # its pixels are class indices
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class TinySet:
    """`draw` makes a picture of a class, or one that shows that class among others."""

    classes: tuple[str, ...]
    draw: Callable[[int, random.Random], Drawn]
    skeletons: Mapping[int, Skeleton] = field(default_factory=dict[int, Skeleton])
    images: Mapping[Split, int] = field(default_factory=lambda: IMAGES_PER_CLASS)

    @property
    def shows_objects(self) -> bool:
        """Something in an image, rather than the image as a whole, is what is to be found."""
        return bool(self._like_it().instances)

    @property
    def is_painted(self) -> bool:
        """What each pixel is of is to be found."""
        return self._like_it().mask is not None

    def picture(self) -> Image.Image:
        """One that is like those of the set and none of them."""
        return self._like_it().image

    def _like_it(self) -> Drawn:
        return self.draw(0, random.Random(0))  # noqa: S311 - a picture, not a secret

    def store(self, blobs: Path) -> str:
        """Stores it below the blob root; answers the sha256 of its manifest."""
        numbers = random.Random(_SEED)  # noqa: S311 - pictures, not secrets
        samples = tuple(self._samples(blobs, numbers))
        draft = blobs / "manifest.jsonl"
        header = Header(format="imagefolder", classes=self.classes, skeletons=self.skeletons)
        write_manifest(draft, header, map(line_of, samples))
        return _store(blobs, draft.read_bytes())

    def _samples(self, blobs: Path, numbers: random.Random) -> Iterator[Sample]:
        for split, count in self.images.items():
            for label, name in enumerate(self.classes):
                for number in range(count):
                    yield _stored(blobs, split, self.draw(label, numbers), f"{split}/{name}/{number}.png")


def tiny_set(task: str) -> TinySet:
    """The set for a task. One that is not known here gets the classifier's: a trainer of it has tests of its own."""
    return _SETS.get(task, _CLASSIFICATION)


# Pictures that a glance tells apart

_SIDE = 32


def _glance(label: int, numbers: random.Random) -> Drawn:
    """Bright, dark, or bright and dark in stripes, each with its own noise."""
    ground = (200, 55, 200)[label] + numbers.randrange(-25, 26)
    image = Image.new("RGB", (_SIDE, _SIDE), (ground, ground, ground))
    pen = ImageDraw.Draw(image)
    if _CLASSIFICATION.classes[label] == "striped":
        for left in range(numbers.randrange(4), _SIDE, 8):
            pen.rectangle((left, 0, left + 3, _SIDE), fill=(30, 30, 30))
    _sprinkle(pen, _SIDE, 12, numbers)
    return Drawn(image, label)


_CLASSIFICATION = TinySet(("bright", "dark", "striped"), _glance)


# Shapes on a noisy ground

_FIELD = 64
_POINTS = ("head", "left", "right")
_SHAPES = ("slab", "dart")
_COLOURS = ((230, 90, 40), (50, 140, 240))
#: Annotates a shape of this class, given its outline.
Annotate = Callable[[int, tuple[float, ...]], Instance]


def _boxed(label: int, outline: tuple[float, ...]) -> Instance:
    return Instance(label=label, box=box_around(outline))


def _outlined(label: int, outline: tuple[float, ...]) -> Instance:
    return Instance(label=label, box=box_around(outline), polygons=(outline,))


def _jointed(label: int, outline: tuple[float, ...]) -> Instance:
    """The first three points of the outline, all seen."""
    points = tuple(number for x, y in zip(outline[0:6:2], outline[1:6:2], strict=True) for number in (x, y, 2.0))
    return Instance(label=label, box=box_around(outline), keypoints=points)


def _turned(label: int, outline: tuple[float, ...]) -> Instance:
    return Instance(label=label, box=box_around(outline), corners=outline)


def _scene(annotate: Annotate) -> Callable[[int, random.Random], Drawn]:
    """A shape of the class, and perhaps one of the other, in halves of the picture of their own."""

    def draw(label: int, numbers: random.Random) -> Drawn:
        image, shapes = _shapes(label, numbers)
        return Drawn(image, None, tuple(annotate(which, outline) for which, outline in shapes))

    return draw


def _painted(label: int, numbers: random.Random) -> Drawn:
    """The same for a mask, whose class 0 is the ground. Nobody knows where exactly a shape ends."""
    image, shapes = _shapes(max(0, label - 1), numbers)
    mask = Image.new("L", image.size, 0)
    pen = ImageDraw.Draw(mask)
    for which, outline in shapes:
        pen.polygon(outline, fill=which + 1, outline=IGNORED)
    return Drawn(image, mask=mask)


def _shapes(label: int, numbers: random.Random) -> tuple[Image.Image, list[tuple[int, tuple[float, ...]]]]:
    """A picture, and which shapes it shows with which outlines."""
    ground = numbers.randrange(60, 120)
    image = Image.new("RGB", (_FIELD, _FIELD), (ground, ground, ground))
    pen = ImageDraw.Draw(image)
    _sprinkle(pen, _FIELD, 60, numbers)
    labels = [label, 1 - label][: numbers.randint(1, 2)]
    shapes = [(which, _outline(which, half, numbers)) for half, which in enumerate(labels)]
    for which, outline in shapes:
        pen.polygon(outline, fill=_COLOURS[which])
    return image, shapes


def _outline(label: int, half: int, numbers: random.Random) -> tuple[float, ...]:
    """Four corners: of a slab, an oblong turned by up to an eighth; of a dart, a square on its corner."""
    middle = (_FIELD / 4 + half * _FIELD / 2, _FIELD / 2 + numbers.uniform(-10, 10))
    if _SHAPES[label] == "slab":
        return turned_corners(
            middle, (numbers.uniform(18, 22), numbers.uniform(9, 12)), numbers.uniform(0, math.pi / 4)
        )
    side = numbers.uniform(13, 17)
    return turned_corners(middle, (side, side), math.pi / 4)


def _sprinkle(pen: ImageDraw.ImageDraw, side: int, dots: int, numbers: random.Random) -> None:
    for _ in range(dots):
        place = (numbers.randrange(side), numbers.randrange(side))
        pen.point(place, fill=tuple(numbers.randrange(256) for _ in range(3)))


def _captioned(label: int, numbers: random.Random) -> Drawn:
    """Every second one has no caption, as in a folder that somebody has half described."""
    image, shapes = _shapes(label, numbers)
    shown = " and ".join(f"a {_SHAPES[which]}" for which, _ in shapes)
    return Drawn(image, caption=f"{shown} on a noisy ground" if numbers.random() < 0.5 else None)


_SKELETON = Skeleton(keypoints=_POINTS, edges=((0, 1), (0, 2)))
_SETS: Mapping[str, TinySet] = MappingProxyType(
    {
        "classification": _CLASSIFICATION,
        "detection": TinySet(_SHAPES, _scene(_boxed)),
        "instance_segmentation": TinySet(_SHAPES, _scene(_outlined)),
        "keypoint_detection": TinySet(_SHAPES, _scene(_jointed), dict.fromkeys(range(len(_SHAPES)), _SKELETON)),
        "oriented_detection": TinySet(_SHAPES, _scene(_turned)),
        "semantic_segmentation": TinySet(("ground", *_SHAPES), _painted),
        "text_to_image": TinySet(_SHAPES, _captioned, images={Split.TRAIN: 3}),
    }
)


def _stored(blobs: Path, split: Split, drawn: Drawn, source: str) -> Sample:
    content = _png(drawn.image)
    return Sample(
        sha256=_store(blobs, content),
        extension="png",
        size_bytes=len(content),
        width=drawn.image.width,
        height=drawn.image.height,
        split=split,
        label=drawn.label,
        source=source,
        instances=drawn.instances,
        mask=_stored_mask(blobs, drawn.mask) if drawn.mask else None,
        caption=drawn.caption,
    )


def _stored_mask(blobs: Path, mask: Image.Image) -> Mask:
    content = _png(mask)
    present = tuple(value for value, count in enumerate(mask.histogram()) if count and value != IGNORED)
    return Mask(sha256=_store(blobs, content), size_bytes=len(content), classes=present)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=image.getexif() or None)
    return buffer.getvalue()


def _store(blobs: Path, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    path = blob_path(blobs, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256
