"""Augmentation of a whole batch at once, on the device that trains; what is drawn depends on the given generator only.

Everything geometric is one resampling and everything of colour is one matrix per image, with normalisation inside: at
64 pixels this costs under 2 % of a resnet18 step on two cores.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.classification.preprocess import Preprocessing

_ASPECT = (3 / 4, 4 / 3)  # of random crops, as in torchvision's RandomResizedCrop
_ERASED_AREA = (0.02, 0.33)  # and of RandomErasing
_ERASED_ASPECT = (0.3, 3.3)
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601, what torchvision's grayscale uses
_CROP_MARGIN = 8 / 7  # 256 for 224: crops are cut from a slightly larger picture

#: Changes bytes [N, 3, S, S] before anything else does, by what the generator gives alone.
Distort = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


def cached_side(config: ClassificationConfig) -> int:
    """The side at which training images are kept: larger than what the model sees where crops are cut from them."""
    return round(config.imgsz * _CROP_MARGIN) if config.crop_scale < 1 else config.imgsz


def normalised(pixels: torch.Tensor, rule: Preprocessing) -> torch.Tensor:
    """Bytes [N, H, W, 3] to what the model takes, without augmentation."""
    scale, shift = _scale_shift(rule, pixels.device)
    return pixels.permute(0, 3, 1, 2).float().mul_(scale).add_(shift)


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
        images = self._coloured(images, rng)
        if self.config.erasing > 0:
            images = _erased(images, self.config.erasing, rng)
        return images.contiguous(memory_format=torch.channels_last)

    def _placed(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Crop, rotation, shift and flips as one resampling; flips alone move bytes, without resampling."""
        if self.config.augments_geometry:
            return _resampled(images, _placements(self.config, len(images), rng), self.rule)
        images = _flipped(images, _chosen(self.config.flip, len(images), rng), 3)
        return _flipped(images, _chosen(self.config.flip_vertical, len(images), rng), 2)

    def _coloured(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        if not self.config.augments_colour:
            scale, shift = _scale_shift(self.rule, images.device)
            return images.float().mul_(scale).add_(shift)
        matrices, lumas = _colour_changes(self.config, len(images), rng)
        return _recoloured(images.float(), matrices, lumas, self.rule)


def _chosen(probability: float, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    return rng.random(count) < probability


def _flipped(images: torch.Tensor, chosen: NDArray[np.bool_], dimension: int) -> torch.Tensor:
    if not chosen.any():
        return images
    return torch.where(beside(chosen, images).view(-1, 1, 1, 1), images.flip(dimension), images)


def _placements(config: ClassificationConfig, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """[N, 2, 3]: where in the source (−1…1 on both axes) each point of the result is taken from."""
    width, height = _crop_sizes(config.crop_scale, count, rng)
    centre = rng.uniform(-1, 1, (2, count)) * (1 - np.stack([width, height]))
    centre += rng.uniform(-2, 2, (2, count)) * config.translate
    angle = np.radians(rng.uniform(-1, 1, count) * config.rotate)
    across = np.where(_chosen(config.flip, count, rng), -width, width)
    down = np.where(_chosen(config.flip_vertical, count, rng), -height, height)
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


def _resampled(images: torch.Tensor, placements: NDArray[np.float32], rule: Preprocessing) -> torch.Tensor:
    grid = _grid(beside(placements, images), rule.imgsz)
    return functional.grid_sample(
        images.float(), grid, mode=rule.interpolation, padding_mode="border", align_corners=False
    )


def _grid(placements: torch.Tensor, side: int) -> torch.Tensor:
    """What torch's affine_grid gives [N, side, side, 2]: made of two sums instead of a matrix product, in a tenth of its time."""
    centres = (torch.arange(side, device=placements.device) * 2 + 1) / side - 1
    across = placements[:, :, 0, None] * centres
    down = placements[:, :, 1, None] * centres + placements[:, :, 2, None]
    grid = placements.new_empty(len(placements), side, side, 2)
    for axis in (0, 1):
        torch.add(across[:, axis, None, :], down[:, axis, :, None], out=grid[..., axis])
    return grid


def _colour_changes(
    config: ClassificationConfig, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Per image a matrix [3, 3] on RGB, and how much of the image's mean luma is added to each channel."""

    def factor(strength: float) -> NDArray[np.float64]:
        return 1 + rng.uniform(-1, 1, count) * strength

    brightness, contrast, saturation = factor(config.brightness), factor(config.contrast), factor(config.saturation)
    hue = _hue_turns(rng.uniform(-1, 1, count) * config.hue)
    grey = np.tile(_LUMA, (3, 1))
    mix = saturation[:, None, None] * np.eye(3) + (1 - saturation)[:, None, None] * grey
    matrices = (brightness * contrast)[:, None, None] * (hue @ mix)
    return matrices.astype(np.float32), (brightness * (1 - contrast)).astype(np.float32)


def _hue_turns(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations of the colour plane of YIQ, which keep luma: cheaper than going through HSV, and one matrix."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    angle = 2 * np.pi * turns
    rotation = np.zeros((len(turns), 3, 3))
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1] = rotation[:, 2, 2] = np.cos(angle)
    rotation[:, 1, 2], rotation[:, 2, 1] = -np.sin(angle), np.sin(angle)
    return np.linalg.inv(to_yiq) @ rotation @ to_yiq


def _recoloured(
    images: torch.Tensor, matrices: NDArray[np.float32], lumas: NDArray[np.float32], rule: Preprocessing
) -> torch.Tensor:
    """Colour change and normalisation in one pass over the pixels. Values may leave 0…255 a little; clipping costs a pass."""
    scale, shift = _scale_shift(rule, images.device)
    count, _, height, width = images.shape
    flat = images.reshape(count, 3, height * width)
    mean = flat.mean(dim=2) @ beside(_LUMA.astype(np.float32), images)
    matrix = beside(matrices, images) * scale.view(1, 3, 1)
    bias = (beside(lumas, images) * mean).view(-1, 1, 1) * scale.view(1, 3, 1) + shift.view(1, 3, 1)
    return torch.baddbmm(bias, matrix, flat).view(count, 3, height, width)


def _erased(images: torch.Tensor, probability: float, rng: np.random.Generator) -> torch.Tensor:
    """A random rectangle of the chosen images becomes the mean colour, which is 0 after normalisation."""
    count, _, height, width = images.shape
    chosen = _chosen(probability, count, rng)
    area = rng.uniform(*_ERASED_AREA, count)
    aspect = np.exp(rng.uniform(math.log(_ERASED_ASPECT[0]), math.log(_ERASED_ASPECT[1]), count))
    tall, wide = np.minimum(1, np.sqrt(area * aspect)), np.minimum(1, np.sqrt(area / aspect))
    top, left = rng.random(count) * (1 - tall), rng.random(count) * (1 - wide)
    rows = _inside(top, tall * chosen, height)
    columns = _inside(left, wide * chosen, width)
    hole = beside(rows[:, None, :, None] & columns[:, None, None, :], images)
    return images.masked_fill(hole, 0.0)


def _inside(start: NDArray[np.float64], length: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    centres = (np.arange(size) + 0.5) / size
    return (centres >= start[:, None]) & (centres < (start + length)[:, None])


@cache
def _scale_shift(rule: Preprocessing, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    scale, shift = (torch.from_numpy(values).view(1, 3, 1, 1) for values in (rule.scale, rule.shift))
    return scale.to(device, non_blocking=True), shift.to(device, non_blocking=True)


def beside(values: NDArray[np.generic], like: torch.Tensor) -> torch.Tensor:
    """On the device of `like`. Small parameters travel from pinned memory, so that the copy waits for nothing."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if like.device.type != "cuda":
        return tensor.to(like.device)
    return tensor.pin_memory().to(like.device, non_blocking=True)
