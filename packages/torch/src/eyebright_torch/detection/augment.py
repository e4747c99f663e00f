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
from eyebright_torch.detection.objects import Boxes, Masks, Objects
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
    if objects.masks is not None:
        cut = _tightened(cut, moved, _moved(_shown(objects.masks, place), place, side))
    enough = _areas(cut) >= _VISIBLE * _areas(moved)
    wide = (cut[:, 2:] - cut[:, :2] >= _SMALLEST).all(axis=1)
    kept = ~objects.crowd & enough & wide
    return Objects(cut, objects.labels, objects.crowd, objects.masks).of(kept)


def _tightened(cut: Boxes, moved: Boxes, shown: Boxes) -> Boxes:
    """The box of what is cut lies around what is left of its mask, which may be nothing though the box reaches in. What is whole
    keeps its own, finer than a pixel, unless it is too small to have one."""
    tight = np.concatenate([np.maximum(cut[:, :2], shown[:, :2]), np.minimum(cut[:, 2:], shown[:, 2:])], axis=1)
    whole = (cut == moved).all(axis=1) & (_areas(shown) > 0)
    return np.where(whole[:, None], cut, tight)


def _shown(masks: Masks, place: NDArray[np.float32]) -> Boxes:
    """The boxes around what the window shows of masks [n, side, side], in pixels before they are moved; of nothing a box
    without area."""
    side = masks.shape[-1]
    reach, middle = np.abs(place[[0, 1], [0, 1]]), place[:, 2]
    low = np.floor((middle - reach + 1) * side / 2).clip(0, side).astype(int)
    high = np.ceil((middle + reach + 1) * side / 2).clip(0, side).astype(int)
    seen = masks[:, low[1] : high[1], low[0] : high[0]]
    (left, right), (top, bottom) = _ends(seen.any(axis=1)), _ends(seen.any(axis=2))
    return np.stack([left + low[0], top + low[1], right + low[0], bottom + low[1]], axis=1).astype(np.float32)


def _ends(lines: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where what is true in each line [n, length] begins and ends; both 0 where nothing is."""
    if not lines.shape[1]:
        return np.zeros(len(lines), np.int64), np.zeros(len(lines), np.int64)
    ends = np.where(lines.any(axis=1), lines.shape[1] - lines[:, ::-1].argmax(axis=1), 0)
    return lines.argmax(axis=1), ends


def _moved(boxes: Boxes, place: NDArray[np.float32], side: int) -> Boxes:
    """Where the placement puts them; it says where each point is taken from, so this is its inverse."""
    factor, shift = place[[0, 1], [0, 1]], place[:, 2]
    corners = (2 * boxes.reshape(-1, 2, 2) / side - 1 - shift) / factor
    corners = (corners + 1) * side / 2
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)


def _areas(boxes: Boxes) -> NDArray[np.float32]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
