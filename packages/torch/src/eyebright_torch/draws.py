"""Randomness as a pure function of where training stands: nothing to save, nothing to restore, workers can't change it."""

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """Keeps the streams of one step apart. Numbers are for ever: changing one changes every run's numbers."""

    ORDER = 1
    AUGMENT = 2
    DROPOUT = 3
    IMAGE = 4


def generator(seed: int, purpose: Purpose, *where: int) -> np.random.Generator:
    """A fresh stream for this seed, purpose and place, independent of every other one."""
    return np.random.default_rng([seed, purpose, *where])


def seed_torch(seed: int, *where: int) -> None:
    """Sets torch's global generators, which dropout and stochastic depth draw from, for the step that follows."""
    state = np.random.SeedSequence([seed, Purpose.DROPOUT, *where]).generate_state(1, np.uint64)[0]
    torch.manual_seed(int(state) >> 1)
