"""Augmentation of a whole batch at once, on the device that trains; what is drawn depends on the given generator only.

Pixels and masks are moved by one resampling; boxes follow on the host, so that nothing waits for the device.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eyebright_torch.colour import beside, coloured
from eyebright_torch.detection.config import DetectionConfig
from eyebright_torch.detection.data import Batch
from eyebright_torch.detection.framework import Target
from eyebright_torch.detection.objects import Boxes, Objects
from eyebright_torch.geometry import Placements, chosen, flipped, resampled
from eyebright_torch.preprocess import Preprocessing

_VISIBLE = 0.1  # an object of which less than this share is left is not learned from
_SMALLEST = 1.0  # nor one that is narrower than so many pixels


@dataclass(frozen=True)
class Augment:
    """`augment(batch, rng)` answers normalised floats [N, 3, side, side] and a target for each image."""

    config: DetectionConfig
    rule: Preprocessing

    def __call__(self, batch: Batch, rng: np.random.Generator) -> tuple[torch.Tensor, list[Target]]:
        images = coloured(batch.pixels.permute(0, 3, 1, 2), self.config, self.rule, rng)
        placements = _placements(self.config, len(batch), rng)
        images = self._placed(images, placements).contiguous(memory_format=torch.channels_last)
        return images, self._targets(batch.objects, placements, images)

    def _placed(self, images: torch.Tensor, placements: Placements, mode: str = "bilinear") -> torch.Tensor:
        """Outside is 0, which is the mean colour after normalisation. Mirroring alone needs no resampling."""
        if self.config.augments_geometry:
            return resampled(images, placements, self.rule.imgsz, mode, outside="zeros")
        images = flipped(images, placements[:, 0, 0] < 0, 3)
        return flipped(images, placements[:, 1, 1] < 0, 2)

    def _targets(self, objects: Sequence[Objects], placements: Placements, images: torch.Tensor) -> list[Target]:
        """All boxes and labels travel to the device as one piece."""
        left = [_left_over(each, place, self.rule.imgsz) for each, place in zip(objects, placements, strict=True)]
        counts = [len(each) for each in left]
        boxes = beside(np.concatenate([each.boxes for each in left]), images).split(counts)
        labels = beside(np.concatenate([each.labels for each in left]), images).split(counts)
        masks = [self._masks(each, place, images) for each, place in zip(left, placements, strict=True)]
        return [Target(*parts) for parts in zip(boxes, labels, masks, strict=True)]

    def _masks(self, objects: Objects, place: NDArray[np.float32], images: torch.Tensor) -> torch.Tensor | None:
        if objects.masks is None:
            return None
        if not len(objects):
            return torch.zeros((0, self.rule.imgsz, self.rule.imgsz), dtype=torch.bool, device=images.device)
        masks = beside(objects.masks, images)[:, None].float()
        return self._placed(masks, np.repeat(place[None], len(objects), axis=0), "nearest")[:, 0] > 0.5


def _placements(config: DetectionConfig, count: int, rng: np.random.Generator) -> Placements:
    """A window into each image: up to 1 + scale times as wide, or so many times narrower. Both sides change alike."""
    size = np.exp(rng.uniform(-1, 1, count) * np.log1p(config.scale))
    centre = rng.uniform(-1, 1, (2, count)) * np.abs(1 - size) + rng.uniform(-2, 2, (2, count)) * config.translate
    across = np.where(chosen(config.flip, count, rng), -size, size)
    down = np.where(chosen(config.flip_vertical, count, rng), -size, size)
    zero = np.zeros(count)
    rows = [[across, zero, centre[0]], [zero, down, centre[1]]]
    return np.array(rows, dtype=np.float32).transpose(2, 0, 1)


def _left_over(objects: Objects, place: NDArray[np.float32], side: int) -> Objects:
    """What there is to be learned in the window: no crowds, nothing that lies outside, the rest cut to it."""
    moved = _moved(objects.boxes, place, side)
    cut = moved.clip(0, side)
    enough = _areas(cut) >= _VISIBLE * _areas(moved)
    wide = (cut[:, 2:] - cut[:, :2] >= _SMALLEST).all(axis=1)
    kept = ~objects.crowd & enough & wide
    return Objects(cut, objects.labels, objects.crowd, objects.masks).of(kept)


def _moved(boxes: Boxes, place: NDArray[np.float32], side: int) -> Boxes:
    """Where the placement puts them; it says where each point is taken from, so this is its inverse."""
    factor, shift = place[[0, 1], [0, 1]], place[:, 2]
    corners = (2 * boxes.reshape(-1, 2, 2) / side - 1 - shift) / factor
    corners = (corners + 1) * side / 2
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)


def _areas(boxes: Boxes) -> NDArray[np.float32]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
