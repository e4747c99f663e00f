"""Which images each step sees: a pure function of seed, epoch and world, the same on every rank."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from eyebright_torch.config import RunConfig
from eyebright_torch.distributed import Ranks
from eyebright_torch.draws import Purpose, generator

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """Cuts every epoch's permutation of `count` images into steps of nearly equal size.

    Every image is seen exactly once per epoch, and no step is a tiny remainder, which batch normalisation would not bear.
    """

    count: int
    batch: int
    seed: int
    rank: int = 0
    world_size: int = 1

    @classmethod
    def of(cls, count: int, config: RunConfig, ranks: Ranks) -> Self:
        return cls(count, config.batch, config.seed, ranks.rank, ranks.world_size)

    @property
    def steps(self) -> int:
        """Steps per epoch. Each rank's share of each step has at least two images if there are enough for that."""
        wanted = -(-self.count // self.batch)
        return max(1, min(wanted, self.count // (2 * self.world_size)))

    def epoch(self, epoch: int) -> list[Indices]:
        """All steps of an epoch, as the whole world sees them."""
        permutation = generator(self.seed, Purpose.ORDER, epoch).permutation(self.count)
        return np.array_split(permutation, self.steps)

    def share(self, step: Indices) -> Indices:
        """This rank's part of a step."""
        return step[self.rank :: self.world_size]
