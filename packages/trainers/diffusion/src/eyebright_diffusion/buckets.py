"""Aspect-ratio buckets: each image is trained close to its own shape, and all images of one forward pass have the same.

known = sizes(config.resolution)
mine = [closest(known, sample.width, sample.height) for sample in samples]
picture = fitted(image, known[mine[0]])
order = BucketOrder(tuple(mine), tuple(sample.repeats for sample in samples), config.batch, config.seed)
for step in order.epoch(1):
    for part in order.parts(order.share(step)):  # images of one bucket, to be learned from in one forward pass
        ...
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from eyebright_torch.draws import Purpose, generator
from eyebright_torch.order import Indices

#: The autoencoder halves a picture three times and the UNet its latents three times more.
MULTIPLE = 64
#: Beyond this ratio of sides an image is cropped. At 512 pixels it leaves 320×768 in.
WIDEST = 2.5


class Size(NamedTuple):
    """Of a bucket, in pixels."""

    width: int
    height: int


def sizes(resolution: int, multiple: int = MULTIPLE) -> tuple[Size, ...]:
    """The buckets from the tallest to the widest, the square among them. Every side is a multiple, to which the resolution is
    rounded down; and none has more pixels than the square, so that the memory which that needs is enough for all."""
    square = max(resolution // multiple, 1) * multiple
    found: set[Size] = set()
    for width in range(multiple, square + 1, multiple):
        height = square**2 // width // multiple * multiple
        if height <= WIDEST * width:
            found |= {Size(width, height), Size(height, width)}
    return tuple(sorted(found))


def closest(known: Sequence[Size], width: int, height: int) -> int:
    """The place of the bucket in which the most of an image is kept."""
    return max(range(len(known)), key=lambda place: kept(known[place], width, height))


def kept(size: Size, width: int, height: int) -> float:
    """The share of an image's area that `fitted` leaves, in (0, 1]."""
    return size.width * size.height / (enlarged(size, width, height) ** 2 * width * height)


def enlarged(size: Size, width: int, height: int) -> float:
    """The factor by which `fitted` scales the image's sides; above 1 it invents pixels."""
    return max(size.width / width, size.height / height)


def fitted(image: Image.Image, size: Size) -> Image.Image:
    """Scaled until it covers the bucket, then cropped around the centre."""
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class BucketOrder:
    """Which images each optimiser step sees, as `eyebright_torch.order.Order` tells it: a pure function of seed and epoch.

    `buckets` and `repeats` are told for each image. In an epoch every image is seen `repeats` times. A step is `accumulate`
    units; a unit is at most `batch` images of one bucket. Only where several ranks share a step and a bucket has fewer images
    than there are ranks, such images come into one unit with those of other buckets, so that no rank is left without any.
    """

    buckets: tuple[int, ...]
    repeats: tuple[int, ...]
    batch: int
    seed: int
    accumulate: int = 1
    rank: int = 0
    world_size: int = 1

    @cached_property
    def steps(self) -> int:
        """Optimiser steps per epoch; the same in every epoch."""
        return -(-len(self._units(self._shown)) // self.accumulate)

    def epoch(self, epoch: int) -> list[Indices]:
        """All steps of an epoch, as the whole world sees them."""
        rng = generator(self.seed, Purpose.ORDER, epoch)
        units = self._units(rng.permutation(self._shown))
        turns = np.array_split(rng.permutation(len(units)), self.steps)
        return [np.concatenate([units[place] for place in turn]) for turn in turns]

    def share(self, step: Indices) -> Indices:
        """This rank's part of a step."""
        return step[self.rank :: self.world_size]

    def parts(self, share: Indices) -> list[Indices]:
        """A share of a step as forward passes: each of one bucket, and of no more images than a rank's part of `batch`."""
        most = -(-self.batch // self.world_size)
        return [part for images in self._by_bucket(share) for part in _cut(images, -(-len(images) // most))]

    @property
    def _shown(self) -> Indices:
        return np.repeat(np.arange(len(self.buckets)), self.repeats)

    def _by_bucket(self, images: Indices) -> list[Indices]:
        bucket = np.asarray(self.buckets)[images]
        return [images[bucket == each] for each in np.unique(bucket)]

    def _units(self, shown: Indices) -> list[Indices]:
        """How many there are depends on no permutation."""
        groups = self._by_bucket(shown)
        whole = [group for group in groups if len(group) >= self.world_size]
        rest = np.concatenate([shown[:0], *(group for group in groups if len(group) < self.world_size)])
        if len(rest) >= self.world_size or not whole:
            whole.append(rest)
        elif len(rest):
            whole[0] = np.concatenate([whole[0], rest])
        return [unit for group in whole if len(group) for unit in _cut(group, self._pieces(len(group)))]

    def _pieces(self, images: int) -> int:
        """No piece is larger than the batch unless a rank were left without an image."""
        return max(1, min(-(-images // self.batch), images // self.world_size))


def _cut(images: Indices, pieces: int) -> list[Indices]:
    return np.array_split(images, pieces)
