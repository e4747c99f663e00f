"""What the loop does not know: the data, what is learned from a batch, and what a model is worth."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from eyebright_torch.order import Indices

Batch = TypeVar("Batch")
Metrics = Mapping[str, float]
Tick = Callable[[], None]  # called before each batch of an evaluation; may raise to leave


@dataclass(frozen=True)
class Goal:
    """The metric that says which epoch is the best; among equals `val_loss` does, where a task has it.

    Without it, epochs that are all worth nothing are ever better: a detector hits nothing at all for a long time, and is neither
    to run out of patience nor to end with the weights that it began with.
    """

    metric: str
    higher_is_better: bool = True
    newest: bool = False  # whatever was learned last: of a task that sets nothing aside to judge by

    def reached_better(self, new: Metrics, old: Metrics | None) -> bool:
        if self.newest or old is None or self._rank(new) > self._rank(old):
            return True
        return self._worth_nothing(new) and self._worth_nothing(old)

    def _rank(self, metrics: Metrics) -> tuple[float, float]:
        value = metrics[self.metric]
        return (value if self.higher_is_better else -value, -metrics.get("val_loss", 0.0))

    def _worth_nothing(self, metrics: Metrics) -> bool:
        return self.higher_is_better and metrics[self.metric] == 0 and "val_loss" not in metrics


@dataclass(frozen=True)
class Learned:
    """What one batch says. `loss` is the mean over its images and is learned from; `tallies` are sums over its images, one for
    each name that the task tells of, without the loss."""

    loss: torch.Tensor
    tallies: Sequence[torch.Tensor]
    images: int


class Task(Protocol[Batch]):
    """`Batch` is whatever the task makes of a step's images."""

    goal: Goal
    tallies: tuple[str, ...]  # names of the means over an epoch's images, besides `loss`: ("train_top1",)

    def batches(self, steps: Sequence[Indices], epoch: int) -> Generator[Batch, None, None]:
        """Each step's images on the device, in order, prepared ahead; closing the generator ends that."""
        ...

    def learn(self, network: nn.Module, batch: Batch, rng: np.random.Generator) -> Learned | Iterator[Learned]:
        """Augments by what `rng` gives alone, and makes one forward pass in the run's precision. Must not wait for the device.

        A batch that is too large for one pass is learned from in several, one after the other; their gradients add up.
        """
        ...

    def judge(self, model: nn.Module, tick: Tick) -> Metrics:
        """What the model is worth on the validation split, over all ranks; with the goal's metric among it. After each epoch
        that the config closes."""
        ...
