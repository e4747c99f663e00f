"""One resampling of a whole batch for everything geometric: crops, shifts, turns, mirrors.

A placement [2, 3] says where in the source each point of the result is taken from; both count −1…1 on both axes.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from eyebright_torch.colour import beside

Placements = NDArray[np.float32]  # [N, 2, 3]


def chosen(probability: float, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which of so many, each with this probability."""
    return rng.random(count) < probability


def flipped(images: torch.Tensor, picked: NDArray[np.bool_], dimension: int) -> torch.Tensor:
    """Those that are picked, mirrored along this dimension."""
    if not picked.any():
        return images
    return torch.where(beside(picked, images).view(-1, 1, 1, 1), images.flip(dimension), images)


def resampled(
    images: torch.Tensor, placements: Placements, side: int, mode: str = "bilinear", outside: str = "border"
) -> torch.Tensor:
    """[N, C, H, W] to floats [N, C, side, side]. What lies outside repeats the border, or is 0 where `outside` is "zeros"."""
    grid = _grid(beside(placements, images), side)
    return functional.grid_sample(images.float(), grid, mode=mode, padding_mode=outside, align_corners=False)


def _grid(placements: torch.Tensor, side: int) -> torch.Tensor:
    """What torch's affine_grid gives [N, side, side, 2]: made of two sums instead of a matrix product, in a tenth of its time."""
    centres = (torch.arange(side, device=placements.device) * 2 + 1) / side - 1
    across = placements[:, :, 0, None] * centres
    down = placements[:, :, 1, None] * centres + placements[:, :, 2, None]
    grid = placements.new_empty(len(placements), side, side, 2)
    for axis in (0, 1):
        torch.add(across[:, axis, None, :], down[:, axis, :, None], out=grid[..., axis])
    return grid
