"""A moving average of the weights, warm from the first step, so that short runs profit too."""

import copy

import torch
from torch import nn


class Ema:
    """`model` is the average: evaluate it, keep it. Call `update` after each optimiser step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay
        self._averaged, self._sources, self._copied = _paired(self.model, model)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """`step` counts from 0. The average reaches back over about the last tenth of the steps until `decay` limits it."""
        torch._foreach_lerp_(self._averaged, self._sources, 1 - self.decay(step))
        for mine, theirs in self._copied:
            mine.copy_(theirs)

    def decay(self, step: int) -> float:
        """Ramped as in TensorFlow's ExponentialMovingAverage: min(decay, (1 + step) / (10 + step))."""
        return min(self._decay, (1 + step) / (10 + step))


def _paired(
    average: nn.Module, model: nn.Module
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[tuple[torch.Tensor, torch.Tensor]]]:
    """What is averaged (weights and normalisation statistics), and what is only copied (counters)."""
    mine, theirs = average.state_dict(), model.state_dict()
    floats = [key for key, value in mine.items() if value.is_floating_point()]
    counters = [(mine[key], theirs[key]) for key in mine if key not in set(floats)]
    return [mine[key] for key in floats], [theirs[key] for key in floats], counters
