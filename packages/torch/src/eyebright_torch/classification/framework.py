"""What classification asks of a library beyond what every task does."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from eyebright_torch.classification.augment import Distort
from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.framework import Library
from eyebright_torch.preprocess import Pixels, Preprocessing


@dataclass(frozen=True)
class Variation:
    """What a library does to training images beyond the settings of all; each by what its generator gives alone.

    `image` takes one square of bytes at a time, in the background. `distort` takes a batch of bytes and `mix` a batch of finished
    images with their labels [N], both on the device; `mix` answers images and targets [N, classes].
    """

    image: Callable[[Pixels, np.random.Generator], Pixels] | None = None
    distort: Distort | None = None
    mix: Callable[[torch.Tensor, torch.Tensor, np.random.Generator], tuple[torch.Tensor, torch.Tensor]] | None = None


@dataclass(frozen=True, kw_only=True)
class Framework(Library):
    """Its models answer logits [N, classes]. `variation(config, rule, classes)` is what is done to training images."""

    variation: Callable[[ClassificationConfig, Preprocessing, int], Variation] = field(default=lambda *_: Variation())
