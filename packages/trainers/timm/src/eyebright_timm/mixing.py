"""Mixup and CutMix: each image of a batch gets something of its opposite one, and the same share of that one's target."""

from collections.abc import Callable

import numpy as np
import torch
from timm.data.mixup import mixup_target

from eyebright_timm.config import TimmConfig

Mix = Callable[[torch.Tensor, torch.Tensor, np.random.Generator], tuple[torch.Tensor, torch.Tensor]]


def mixing(config: TimmConfig, classes: int) -> Mix | None:
    """`mix(images, labels, rng)` answers images [N, 3, H, W] and targets [N, classes], as timm's `Mixup` in its mode `batch`
    does, but by our generator. None where neither is on. Smoothing is left to the loss."""
    if not config.mixup and not config.cutmix:
        return None

    def mix(images: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        if rng.random() >= config.mix_prob:
            return images, mixup_target(labels, classes)
        cut = bool(config.cutmix) and (not config.mixup or rng.random() < config.mix_switch)
        alpha = config.cutmix if cut else config.mixup
        share = rng.beta(alpha, alpha)
        images, share = _cut(images, share, rng) if cut else (_blended(images, share), share)
        return images, mixup_target(labels, classes, share)

    return mix


def _blended(images: torch.Tensor, share: float) -> torch.Tensor:
    return torch.lerp(images.flip(0), images, share)


def _cut(images: torch.Tensor, share: float, rng: np.random.Generator) -> tuple[torch.Tensor, float]:
    """A rectangle of 1 − `share` of the area comes from the opposite image; answers what really stayed, for it may lie across the
    edge."""
    height, width = images.shape[2:]
    side = np.sqrt(1 - share)
    top, bottom = _span(rng.integers(height), int(height * side), height)
    left, right = _span(rng.integers(width), int(width * side), width)
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images.flip(0)[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _span(centre: int, length: int, size: int) -> tuple[int, int]:
    return max(0, int(centre) - length // 2), min(size, int(centre) + (length + 1) // 2)
