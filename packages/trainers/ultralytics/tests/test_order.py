"""Chance as a function of seed and epoch."""

import random

import numpy as np
import torch

from eyebright_ultralytics.order import EpochOrder, seed_epoch


def test_an_epoch_has_its_order_whoever_begins_with_it():
    whole = EpochOrder(20, seed=3, epoch=0)
    first, second, third = list(whole), list(whole), list(whole)
    assert list(EpochOrder(20, seed=3, epoch=2)) == third
    assert sorted(first) == list(range(20))
    assert len({tuple(first), tuple(second), tuple(third)}) == 3


def test_every_source_of_chance_begins_afresh_with_the_epoch():
    def drawn(seed: int, epoch: int) -> tuple[float, float, float]:
        seed_epoch(seed, epoch)
        return random.random(), np.random.rand(), torch.rand(1).item()

    assert drawn(0, 4) == drawn(0, 4)
    assert all(a != b for a, b in zip(drawn(0, 4), drawn(0, 5), strict=True))
    assert all(a != b for a, b in zip(drawn(0, 4), drawn(1, 4), strict=True))
