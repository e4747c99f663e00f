"""RandAugment on a whole batch at once, through torchvision's own kernels, on the device that trains."""

import math

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as ops

from eyebright_torch.classification.augment import Distort
from eyebright_torch.colour import beside
from eyebright_torchvision.config import TorchvisionConfig

# As torchvision defines it: name -> greatest value at magnitude 30, and whether it has two directions.
OPERATIONS: dict[str, tuple[float, bool]] = {
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


def randaugment(config: TorchvisionConfig) -> Distort | None:
    """As many operations on each image as the config asks for; None where it asks for none."""
    if not config.randaugment:
        return None

    def distort(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        for _ in range(config.randaugment):
            images = _one_operation(images, config.randaugment_magnitude, rng)
        return images

    return distort


def _one_operation(images: torch.Tensor, magnitude: int, rng: np.random.Generator) -> torch.Tensor:
    """One operation per image. Images that drew the same one are done together, through torchvision's own kernels."""
    names = list(OPERATIONS)
    drawn = rng.integers(len(names), size=len(images)) * 2 + rng.integers(2, size=len(images))
    result = images.clone()
    for choice in np.unique(drawn):
        members = beside(np.flatnonzero(drawn == choice), images)
        result[members] = _operated(images[members], names[choice // 2], magnitude, positive=bool(choice % 2))
    return result


def _operated(images: torch.Tensor, name: str, magnitude: int, positive: bool) -> torch.Tensor:
    greatest, two_way = OPERATIONS[name]
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
