"""Make small random data sets with given features, to test formats with."""

import hashlib
import io
import math
from collections.abc import Callable
from pathlib import Path
from random import Random

from PIL import Image

from eyebright_kit.data.annotations import IGNORED, Attribute, Box, Instance, Mask, Skeleton, box_around, rounded
from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.features import Feature, Features
from eyebright_kit.data.manifest import Header, Manifest, Sample, line_of, write_manifest
from eyebright_kit.data.rle import box_of, compress
from eyebright_kit.data.walk import natural_order
from eyebright_kit.data.writing import is_plain
from eyebright_wire.datasets import Split

_NAMES = ("cat", "dog", "Köter", "traffic light", "a,b", "x:y", "7", "it's")
_OBJECTS = frozenset({Feature.BOX, Feature.POLYGON, Feature.RLE, Feature.KEYPOINTS, Feature.CORNERS})
_WORDS = ("a", "photo", "of", "two cats", "über", "—", '"quoted"', "1,2", "red; blue", "日本")


def generate(blobs: Path, features: Features, random: Random) -> Manifest:
    """A version of a few images that has exactly such annotations; its blobs and its manifest lie below `blobs`."""
    return _Generator(blobs, features, random).version()


class _Generator:
    def __init__(self, blobs: Path, features: Features, random: Random) -> None:
        self._blobs = blobs
        self._features = features
        self._random = random
        self._classes = self._pick_classes()
        self._keypoints = random.randint(2, 5)

    def version(self) -> Manifest:
        splits = [Split.TRAIN, Split.VAL, *self._random.choices(list(Split), k=self._random.randint(0, 4))]
        samples = sorted((self._sample(number, split) for number, split in enumerate(splits)), key=lambda s: s.source)
        path = self._blobs / "manifest.jsonl"
        skeletons = (
            {label: self._skeleton() for label in range(len(self._classes))} if self._has(Feature.SKELETON) else {}
        )
        header = Header(format="generated", classes=self._classes, skeletons=skeletons)
        write_manifest(path, header, map(line_of, samples))
        return Manifest(path)

    def _has(self, feature: Feature) -> bool:
        return feature in self._features

    def _pick_classes(self) -> tuple[str, ...]:
        if not self._features & {Feature.LABEL, Feature.MASK, *_OBJECTS}:
            return ()
        known = _NAMES if self._has(Feature.CLASS_NAMES) else [name for name in _NAMES if is_plain(name)]
        names = self._random.sample(known, self._random.randint(1, 4))
        return tuple(names if self._has(Feature.CLASS_ORDER) else sorted(names, key=natural_order))

    def _sample(self, number: int, split: Split) -> Sample:
        size = self._random.randint(8, 60), self._random.randint(8, 60)
        content = self._picture(size)
        return Sample(
            sha256=self._stored(content),
            extension="png",
            size_bytes=len(content),
            width=size[0],
            height=size[1],
            split=split,
            source=self._random.choice(("", "in/", f"{split}/")) + f"{number}.png",
            label=self._random.randrange(len(self._classes)) if self._has(Feature.LABEL) else None,
            instances=tuple(
                self._instance(size) for _ in range(self._random.randint(0, 4)) if self._features & _OBJECTS
            ),
            mask=self._mask(size) if self._has(Feature.MASK) else None,
            caption=" ".join(self._random.choices(_WORDS, k=self._random.randint(1, 9)))
            if self._has(Feature.CAPTION)
            else None,
            repeats=self._random.choice((1, 2, 10)) if self._has(Feature.REPEATS) else 1,
        )

    def _picture(self, size: tuple[int, int]) -> bytes:
        return _png(Image.frombytes("RGB", size, self._random.randbytes(size[0] * size[1] * 3)))

    def _stored(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        path = blob_path(self._blobs, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return sha256

    def _mask(self, size: tuple[int, int]) -> Mask:
        values = [*range(len(self._classes)), IGNORED]
        pixels = bytes(self._random.choices(values, k=size[0] * size[1]))
        content = _png(Image.frombytes("L", size, pixels))
        classes = tuple(sorted(set(pixels) - {IGNORED}))
        return Mask(sha256=self._stored(content), size_bytes=len(content), classes=classes)

    def _skeleton(self) -> Skeleton:
        return Skeleton(
            keypoints=tuple(f"point {number}" for number in range(self._keypoints)),
            edges=tuple((number, number + 1) for number in range(self._keypoints - 1)),
        )

    # Objects

    def _instance(self, size: tuple[int, int]) -> Instance:
        make: Callable[[tuple[int, int]], Instance] = self._boxed
        for feature, way in (
            (Feature.CORNERS, self._turned),
            (Feature.RLE, self._run),
            (Feature.POLYGON, self._outlined),
        ):
            if self._has(feature):
                make = way
        instance = make(size)
        several = self._has(Feature.SEVERAL_SHAPES) and self._random.random() < 0.5
        further = (self._run if self._has(Feature.RLE) else self._turned)(size) if several else instance
        loose = make != self._boxed and self._has(Feature.LOOSE_BOX) and self._random.random() < 0.5
        return Instance(
            label=self._random.randrange(len(self._classes)),
            box=self._box(size) if loose else instance.box,  # as an annotator gives it
            polygons=instance.polygons,
            rle=further.rle,
            corners=further.corners,
            keypoints=self._points(size) if self._has(Feature.KEYPOINTS) else (),
            crowd=self._has(Feature.CROWD) and self._random.random() < 0.3,
            attributes=self._attributes() if self._has(Feature.ATTRIBUTES) else {},
        )

    def _number(self, most: float) -> float:
        return round(self._random.uniform(0, most), self._random.choice((0, 1, 2, 4)))

    def _box(self, size: tuple[int, int]) -> Box:
        left, top = self._number(size[0] - 3), self._number(size[1] - 3)
        wide, high = self._number(size[0] - left - 2), self._number(size[1] - top - 2)
        left, top, wide, high = rounded(left, top, wide + 1, high + 1)
        return left, top, wide, high

    def _boxed(self, size: tuple[int, int]) -> Instance:
        return Instance(label=0, box=self._box(size))

    def _outlined(self, size: tuple[int, int]) -> Instance:
        parts = self._random.randint(1, 2) if self._has(Feature.PARTS) else 1
        polygons = tuple(self._ring(size) for _ in range(parts))
        return Instance(label=0, box=box_around(sum(polygons, ())), polygons=polygons)

    def _ring(self, size: tuple[int, int]) -> tuple[float, ...]:
        """Corners of a box, with more points between: never without area."""
        left, top, wide, high = self._box(size)
        right, bottom = rounded(left + wide, top + high)
        between = [(self._number(wide) + left, top) for _ in range(self._random.randint(0, 2))]
        ring = [(left, top), *sorted(between), (right, top), (right, bottom), (left, bottom)]
        return rounded(*(number for point in ring for number in point))

    def _run(self, size: tuple[int, int]) -> Instance:
        total = size[0] * size[1]
        start = self._random.randint(0, total - 2)
        counts = [start, inside := self._random.randint(1, total - start - 1), total - start - inside]
        return Instance(label=0, box=box_of(counts, size[1]), rle=compress(counts))

    def _turned(self, size: tuple[int, int]) -> Instance:
        middle, reach = (size[0] / 2, size[1] / 2), min(size) / 2 - 1
        angle, ratio = self._random.uniform(0, math.tau), self._random.uniform(0.2, 0.9)
        turns = (angle, angle + ratio, angle + math.pi, angle + math.pi + ratio)
        corners = rounded(
            *(m + reach * f(turn) for turn in turns for m, f in zip(middle, (math.cos, math.sin), strict=True))
        )
        return Instance(label=0, box=box_around(corners), corners=corners)

    def _points(self, size: tuple[int, int]) -> tuple[float, ...]:
        """What is unknown is at 0, 0, as every format has it."""
        points: list[float] = []
        for _ in range(self._keypoints):
            seen = self._random.randint(0, 2)
            points += [self._number(size[0]), self._number(size[1]), seen] if seen else [0, 0, 0]
        return rounded(*points)

    def _attributes(self) -> dict[str, Attribute]:
        known: dict[str, Attribute] = {"occluded": self._random.random() < 0.5, "colour": self._random.choice(_WORDS)}
        return known | ({"age": self._random.randint(0, 99)} if self._random.random() < 0.5 else {})


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
