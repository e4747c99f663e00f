"""Augmentation of a whole batch at once, on the device that trains; what is drawn depends on the given generator only.

Everything geometric is one resampling and everything of colour is one matrix per image, with normalisation inside: at
64 pixels this costs under 2 % of a resnet18 step on two cores.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.colour import beside, coloured
from eyebright_torch.geometry import chosen, flipped, resampled
from eyebright_torch.preprocess import Preprocessing

_ASPECT = (3 / 4, 4 / 3)  # of random crops, as in torchvision's RandomResizedCrop
_ERASED_AREA = (0.02, 0.33)  # and of RandomErasing
_ERASED_ASPECT = (0.3, 3.3)
_CROP_MARGIN = 8 / 7  # 256 for 224: crops are cut from a slightly larger picture

#: Changes bytes [N, 3, S, S] before anything else does, by what the generator gives alone.
Distort = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


def cached_side(config: ClassificationConfig) -> int:
    """The side at which training images are kept: larger than what the model sees where crops are cut from them."""
    return round(config.imgsz * _CROP_MARGIN) if config.crop_scale < 1 else config.imgsz


@dataclass(frozen=True)
class Augment:
    """`augment(pixels, rng)` turns bytes [N, S, S, 3] into normalised floats [N, 3, imgsz, imgsz]."""

    config: ClassificationConfig
    rule: Preprocessing
    distort: Distort | None = None

    def __call__(self, pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        images = pixels.permute(0, 3, 1, 2)
        if self.distort:
            images = self.distort(images, rng)
        images = self._placed(images, rng)
        images = coloured(images, self.config, self.rule, rng)
        if self.config.erasing > 0:
            images = _erased(images, self.config.erasing, rng)
        return images.contiguous(memory_format=torch.channels_last)

    def _placed(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Crop, rotation, shift and flips as one resampling; flips alone move bytes, without resampling."""
        if self.config.augments_geometry:
            return resampled(
                images, _placements(self.config, len(images), rng), self.rule.imgsz, self.rule.interpolation
            )
        images = flipped(images, chosen(self.config.flip, len(images), rng), 3)
        return flipped(images, chosen(self.config.flip_vertical, len(images), rng), 2)


def _placements(config: ClassificationConfig, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """[N, 2, 3]: where in the source (−1…1 on both axes) each point of the result is taken from."""
    width, height = _crop_sizes(config.crop_scale, count, rng)
    centre = rng.uniform(-1, 1, (2, count)) * (1 - np.stack([width, height]))
    centre += rng.uniform(-2, 2, (2, count)) * config.translate
    angle = np.radians(rng.uniform(-1, 1, count) * config.rotate)
    across = np.where(chosen(config.flip, count, rng), -width, width)
    down = np.where(chosen(config.flip_vertical, count, rng), -height, height)
    rows = [
        [across * np.cos(angle), -down * np.sin(angle), centre[0]],
        [across * np.sin(angle), down * np.cos(angle), centre[1]],
    ]
    return np.array(rows, dtype=np.float32).transpose(2, 0, 1)


def _crop_sizes(
    smallest: float, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Width and height of each crop as shares of the side; area uniform, aspect log-uniform."""
    area = rng.uniform(smallest, 1, count)
    aspect = np.exp(rng.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1]), count))
    if smallest >= 1:
        return np.ones(count), np.ones(count)
    return np.minimum(1, np.sqrt(area * aspect)), np.minimum(1, np.sqrt(area / aspect))


def _erased(images: torch.Tensor, probability: float, rng: np.random.Generator) -> torch.Tensor:
    """A random rectangle of the chosen images becomes the mean colour, which is 0 after normalisation."""
    count, _, height, width = images.shape
    picked = chosen(probability, count, rng)
    area = rng.uniform(*_ERASED_AREA, count)
    aspect = np.exp(rng.uniform(math.log(_ERASED_ASPECT[0]), math.log(_ERASED_ASPECT[1]), count))
    tall, wide = np.minimum(1, np.sqrt(area * aspect)), np.minimum(1, np.sqrt(area / aspect))
    top, left = rng.random(count) * (1 - tall), rng.random(count) * (1 - wide)
    rows = _inside(top, tall * picked, height)
    columns = _inside(left, wide * picked, width)
    hole = beside(rows[:, None, :, None] & columns[:, None, None, :], images)
    return images.masked_fill(hole, 0.0)


def _inside(start: NDArray[np.float64], length: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    centres = (np.arange(size) + 0.5) / size
    return (centres >= start[:, None]) & (centres < (start + length)[:, None])
