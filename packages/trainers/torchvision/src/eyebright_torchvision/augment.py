"""Augmentation of a whole batch at once, on the device that trains; what is drawn depends on the given generator only.

Everything geometric is one resampling and everything of colour is one matrix per image, with normalisation inside: at
64 pixels this costs under 2 % of a resnet18 step on two cores.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as ops

from eyebright_torchvision.config import ClassificationConfig
from eyebright_torchvision.preprocess import MEAN, STD

_ASPECT = (3 / 4, 4 / 3)  # of random crops, as in torchvision's RandomResizedCrop
_ERASED_AREA = (0.02, 0.33)  # and of RandomErasing
_ERASED_ASPECT = (0.3, 3.3)
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601, what torchvision's grayscale uses
_CROP_MARGIN = 8 / 7  # 256 for 224: crops are cut from a slightly larger picture

# RandAugment as torchvision defines it: name -> greatest value at magnitude 30, and whether it has two directions.
_RANDAUGMENT: dict[str, tuple[float, bool]] = {
    "identity": (0.0, False),
    "shear_x": (0.3, True),
    "shear_y": (0.3, True),
    "translate_x": (150.0 / 331.0, True),
    "translate_y": (150.0 / 331.0, True),
    "rotate": (30.0, True),
    "brightness": (0.9, True),
    "colour": (0.9, True),
    "contrast": (0.9, True),
    "sharpness": (0.9, True),
    "posterize": (4.0, False),
    "solarize": (255.0, False),
    "autocontrast": (0.0, False),
    "equalize": (0.0, False),
}


def cached_side(config: ClassificationConfig) -> int:
    """The side at which training images are kept: larger than what the model sees where crops are cut from them."""
    return round(config.imgsz * _CROP_MARGIN) if config.crop_scale < 1 else config.imgsz


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Bytes [N, H, W, 3] to what the model takes, without augmentation."""
    scale, shift = _scale_shift(pixels.device)
    return pixels.permute(0, 3, 1, 2).float().mul_(scale).add_(shift)


@dataclass(frozen=True)
class Augment:
    """`augment(pixels, rng)` turns bytes [N, S, S, 3] into normalised floats [N, 3, imgsz, imgsz]."""

    config: ClassificationConfig

    def __call__(self, pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        images = pixels.permute(0, 3, 1, 2)
        for _ in range(self.config.randaugment):
            images = _randaugment(images, self.config.randaugment_magnitude, rng)
        images = self._placed(images, rng)
        images = self._coloured(images, rng)
        if self.config.erasing > 0:
            images = _erased(images, self.config.erasing, rng)
        return images.contiguous(memory_format=torch.channels_last)

    def _placed(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Crop, rotation, shift and flips as one resampling; flips alone move bytes, without resampling."""
        if self.config.augments_geometry:
            return _resampled(images, _placements(self.config, len(images), rng), self.config.imgsz)
        images = _flipped(images, _chosen(self.config.flip, len(images), rng), 3)
        return _flipped(images, _chosen(self.config.flip_vertical, len(images), rng), 2)

    def _coloured(self, images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        if not self.config.augments_colour:
            scale, shift = _scale_shift(images.device)
            return images.float().mul_(scale).add_(shift)
        matrices, lumas = _colour_changes(self.config, len(images), rng)
        return _recoloured(images.float(), matrices, lumas)


def _chosen(probability: float, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    return rng.random(count) < probability


def _flipped(images: torch.Tensor, chosen: NDArray[np.bool_], dimension: int) -> torch.Tensor:
    if not chosen.any():
        return images
    return torch.where(_to(chosen, images).view(-1, 1, 1, 1), images.flip(dimension), images)


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


def _resampled(images: torch.Tensor, placements: NDArray[np.float32], side: int) -> torch.Tensor:
    grid = _grid(_to(placements, images), side)
    return functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


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


def _recoloured(images: torch.Tensor, matrices: NDArray[np.float32], lumas: NDArray[np.float32]) -> torch.Tensor:
    """Colour change and normalisation in one pass over the pixels. Values may leave 0…255 a little; clipping costs a pass."""
    scale, shift = _scale_shift(images.device)
    count, _, height, width = images.shape
    flat = images.reshape(count, 3, height * width)
    mean = flat.mean(dim=2) @ _to(_LUMA.astype(np.float32), images)
    matrix = _to(matrices, images) * scale.view(1, 3, 1)
    bias = (_to(lumas, images) * mean).view(-1, 1, 1) * scale.view(1, 3, 1) + shift.view(1, 3, 1)
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
    hole = _to(rows[:, None, :, None] & columns[:, None, None, :], images)
    return images.masked_fill(hole, 0.0)


def _inside(start: NDArray[np.float64], length: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    centres = (np.arange(size) + 0.5) / size
    return (centres >= start[:, None]) & (centres < (start + length)[:, None])


def _randaugment(images: torch.Tensor, magnitude: int, rng: np.random.Generator) -> torch.Tensor:
    """One operation per image. Images that drew the same one are done together, through torchvision's own kernels."""
    names = list(_RANDAUGMENT)
    drawn = rng.integers(len(names), size=len(images)) * 2 + rng.integers(2, size=len(images))
    result = images.clone()
    for choice in np.unique(drawn):
        members = _to(np.flatnonzero(drawn == choice), images)
        result[members] = _operated(images[members], names[choice // 2], magnitude, positive=bool(choice % 2))
    return result


def _operated(images: torch.Tensor, name: str, magnitude: int, positive: bool) -> torch.Tensor:
    greatest, two_way = _RANDAUGMENT[name]
    value = greatest * magnitude / 30 * (-1 if two_way and not positive else 1)
    width, height = images.shape[3], images.shape[2]
    match name:
        case "identity":
            return images
        case "shear_x":
            return _affine(images, shear=(math.degrees(math.atan(value)), 0.0))
        case "shear_y":
            return _affine(images, shear=(0.0, math.degrees(math.atan(value))))
        case "translate_x":
            return _affine(images, translate=(int(value * width), 0))
        case "translate_y":
            return _affine(images, translate=(0, int(value * height)))
        case "rotate":
            return ops.rotate(images, value, interpolation=InterpolationMode.BILINEAR)
        case "brightness":
            return ops.adjust_brightness(images, 1 + value)
        case "colour":
            return ops.adjust_saturation(images, 1 + value)
        case "contrast":
            return ops.adjust_contrast(images, 1 + value)
        case "sharpness":
            return ops.adjust_sharpness(images, 1 + value)
        case "posterize":
            return ops.posterize(images, bits=8 - round(value))
        case "solarize":
            return ops.solarize(images, threshold=255.0 - value)
        case "autocontrast":
            return ops.autocontrast(images)
        case _:
            return ops.equalize(images)


def _affine(
    images: torch.Tensor, translate: tuple[int, int] = (0, 0), shear: tuple[float, float] = (0.0, 0.0)
) -> torch.Tensor:
    return ops.affine(
        images,
        angle=0.0,
        translate=list(translate),
        scale=1.0,
        shear=list(shear),
        interpolation=InterpolationMode.BILINEAR,
        center=[0, 0],
    )


@cache
def _scale_shift(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    scale = torch.tensor([1 / (255 * s) for s in STD]).view(1, 3, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(MEAN, STD, strict=True)]).view(1, 3, 1, 1)
    return scale.to(device, non_blocking=True), shift.to(device, non_blocking=True)


def _to(values: NDArray[np.generic], like: torch.Tensor) -> torch.Tensor:
    """Small parameters travel from pinned memory, so that the copy waits for nothing."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if like.device.type != "cuda":
        return tensor.to(like.device)
    return tensor.pin_memory().to(like.device, non_blocking=True)
