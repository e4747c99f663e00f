"""Augmentation of a batch of images and their masks at once; what is drawn depends on the given generator only."""

from dataclasses import dataclass

import numpy as np
import torch

from eyebright_kit.data.annotations import IGNORED
from eyebright_torch.colour import coloured
from eyebright_torch.geometry import chosen, flipped, resampled
from eyebright_torch.placing import placements
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.segmentation.config import SegmentationConfig

_VALUES = IGNORED + 1


@dataclass(frozen=True)
class Augment:
    """`augment(squares, rng)` turns bytes [N, S, S, 4] into normalised floats [N, 3, imgsz, imgsz] and classes
    [N, imgsz, imgsz], int64. What comes from outside an image is IGNORED."""

    config: SegmentationConfig
    rule: Preprocessing

    def __call__(self, squares: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        pixels, labels = self._placed(squares.permute(0, 3, 1, 2), rng)
        images = coloured(pixels, self.config, self.rule, rng)
        return images.contiguous(memory_format=torch.channels_last), labels

    def _placed(self, squares: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        if self.config.augments_geometry:
            return self._resampled(squares, rng)
        squares = flipped(squares, chosen(self.config.flip, len(squares), rng), 3)
        squares = flipped(squares, chosen(self.config.flip_vertical, len(squares), rng), 2)
        return squares[:, :3], squares[:, 3].long()

    def _resampled(self, squares: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        places = placements(self.config, len(squares), rng)
        pixels = resampled(squares[:, :3], places, self.rule.imgsz, self.rule.interpolation)
        counted = (squares[:, 3:].long() + 1) % _VALUES  # so that IGNORED is 0, which is what lies outside
        labels = resampled(counted, places, self.rule.imgsz, "nearest", "zeros").long()
        return pixels, (labels[:, 0] - 1) % _VALUES
