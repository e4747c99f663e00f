"""Where each training image of a batch is taken from: crops, shifts, turns and mirrors as a whole, by the generator alone."""

import math

import numpy as np
from numpy.typing import NDArray

from eyebright_torch.config import PlacedConfig
from eyebright_torch.geometry import Placements, chosen

_ASPECT = (3 / 4, 4 / 3)  # of random crops, as in torchvision's RandomResizedCrop
_CROP_MARGIN = 8 / 7  # 256 for 224: crops are cut from a slightly larger picture


def cached_side(config: PlacedConfig) -> int:
    """The side at which training images are kept: larger than what the model sees where crops are cut from them."""
    return round(config.imgsz * _CROP_MARGIN) if config.crop_scale < 1 else config.imgsz


def placements(config: PlacedConfig, count: int, rng: np.random.Generator) -> Placements:
    """A crop, shift, turn and mirror for each of so many images."""
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
