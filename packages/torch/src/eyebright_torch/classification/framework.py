"""What classification asks of the library whose models are trained: a handful of functions, most of which have a default."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from eyebright_torch import optim, schedule
from eyebright_torch.classification.augment import Distort
from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.classification.preprocess import Pixels, Preprocessing
from eyebright_torch.freezing import Stages
from eyebright_torch.weights import Pretrained


@dataclass(frozen=True)
class Credits:
    """What the model card says of trainer and library."""

    trainer: str  # the distribution: "eyebright-trainer-torchvision"
    library: str  # and the library's: "torchvision"
    licence: str  # the library's, as SPDX names it


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
class Framework:
    """`build(model, classes, config, pretrained)` draws from torch's global generator; the rest is without chance.

    `rule(model, config)` is how images become squares for a model, `variation(config, rule, classes)` what is done to training
    images, `learning_rate(config, steps_per_epoch)` a function from the step to its rate.
    """

    config: type[ClassificationConfig]
    credits: Credits
    pretrained: Callable[[str], Pretrained]  # raises ConfigInvalid that says which file belongs where
    build: Callable[[str, int, ClassificationConfig, Pretrained | None], nn.Module]
    stages: Callable[[str, nn.Module], Stages]
    rule: Callable[[str, ClassificationConfig], Preprocessing] = field(
        default=lambda _, c: Preprocessing(c.imgsz, c.fit)
    )
    optimizer: Callable[[ClassificationConfig, nn.Module], Optimizer] = optim.optimizer
    learning_rate: Callable[[ClassificationConfig, int], Callable[[int], float]] = schedule.learning_rate
    variation: Callable[[ClassificationConfig, Preprocessing, int], Variation] = field(default=lambda *_: Variation())
