"""What every task asks of the library whose models are trained: a handful of functions, most of which have a default."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim import Optimizer

from eyebright_torch import optim, schedule
from eyebright_torch.freezing import Stages
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.weights import Pretrained


@dataclass(frozen=True)
class Credits:
    """What the model card says of trainer and library."""

    trainer: str  # the distribution: "eyebright-trainer-torchvision"
    library: str  # and the library's: "torchvision"
    licence: str  # the library's, as SPDX names it


@dataclass(frozen=True, kw_only=True)
class Library:
    """`build(model, classes, config, pretrained)` draws from torch's global generator; the rest is without chance.

    `config` is a class of settings, VisionConfig or one made from it, and every other function is given one of those.
    `rule(model, config)` is how images become squares for a model, `learning_rate(config, steps_per_epoch)` a function from the
    step to its rate. In the settings that `optimizer` is given, `pretrained` says whether the run begins from any weights at all,
    a registered model's too.
    """

    config: type[Any]
    credits: Credits
    pretrained: Callable[[str], Pretrained]  # raises ConfigInvalid that says which file belongs where
    build: Callable[[str, int, Any, Pretrained | None], nn.Module]
    stages: Callable[[str, nn.Module], Stages]
    rule: Callable[[str, Any], Preprocessing] = field(default=lambda _, c: Preprocessing(c.imgsz, c.fit))
    optimizer: Callable[[Any, nn.Module], Optimizer] = optim.optimizer
    learning_rate: Callable[[Any, int], Callable[[int], float]] = schedule.learning_rate
