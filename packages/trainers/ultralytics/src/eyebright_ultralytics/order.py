"""What a run's chance decides, as functions of seed and epoch: so an epoch is the same whoever trains it, and when."""

import random
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Sampler


class EpochOrder(Sampler[int]):
    """The order of the training images. Each time it is asked, the next epoch has its turn."""

    def __init__(self, images: int, seed: int, epoch: int) -> None:
        self._images = images
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        return self._images

    def __iter__(self) -> Iterator[int]:
        numbers = torch.Generator().manual_seed(_mixed(self._seed, self._epoch, "order"))
        self._epoch += 1
        return iter(torch.randperm(self._images, generator=numbers).tolist())


def seed_epoch(seed: int, epoch: int) -> None:
    """Begins every common source of chance afresh: augmentation draws from all three."""
    mixed = _mixed(seed, epoch, "epoch")
    random.seed(mixed)
    np.random.seed(mixed % 2**32)
    torch.manual_seed(mixed)


def _mixed(seed: int, epoch: int, purpose: str) -> int:
    return random.Random(f"{seed}/{epoch}/{purpose}").getrandbits(63)  # noqa: S311 - an order, not a secret
