"""A moving average of the weights, warm from the first step, so that short runs profit too."""

import copy

import torch
from torch import nn

from eyebright_torch.weights import distinct

# Averaging costs a pass over all weights: 1.4 % of a resnet18 step at 64 pixels. Every fourth step does as well, for a quarter
# of that; torchvision's own reference averages every 32nd.
_EVERY = 4


class Ema:
    """`model` is the average: evaluate it, keep it. Call `update` after each optimiser step."""

    def __init__(self, model: nn.Module, decay: float, steps_per_epoch: int = _EVERY) -> None:
        self._every = min(
            _EVERY, steps_per_epoch
        )  # an epoch without any update would be judged by the weights before it
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay
        self._averaged, self._sources, self._copied = _paired(self.model, model)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """`step` counts from 0. The average reaches back over about the last tenth of the steps until `decay` limits it."""
        turn, rest = divmod(step + 1, self._every)
        if rest:
            return
        torch._foreach_lerp_(self._averaged, self._sources, 1 - self.decay(turn - 1))
        for mine, theirs in self._copied:
            mine.copy_(theirs)

    def decay(self, turn: int) -> float:
        """Of the so many-eth update (0 is the first): ramped as in TensorFlow's ExponentialMovingAverage, where it is
        min(decay, (1 + n) / (10 + n)). The config's decay is meant for each step."""
        return min(self._decay**self._every, (1 + turn) / (10 + turn))


def _paired(
    average: nn.Module, model: nn.Module
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[tuple[torch.Tensor, torch.Tensor]]]:
    """What is averaged (weights and normalisation statistics), and what is only copied (counters)."""
    mine, theirs = distinct(average), distinct(model)  # a shared tensor must not be averaged twice
    floats = [key for key, value in mine.items() if value.is_floating_point()]
    counters = [(mine[key], theirs[key]) for key in mine if key not in set(floats)]
    return [mine[key] for key in floats], [theirs[key] for key in floats], counters
