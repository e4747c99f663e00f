"""The optimiser of a model whose backbone may learn more slowly than the rest."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import Optimizer

from eyebright_torch.optim import decayed, of_groups

Find = Callable[[nn.Module], nn.Module]


def slower_below(backbone: Find) -> Callable[[Any, nn.Module], Optimizer]:
    """`optimizer(config, model)`, where what `backbone(model)` answers has `config.backbone_lr` of the rest's learning rate if it
    began from weights: from random ones everything learns alike."""

    def optimizer(config: Any, model: nn.Module) -> Optimizer:
        share = config.backbone_lr if config.pretrained else 1.0
        below = list(backbone(model).parameters())
        known = set(map(id, below))
        above = (parameter for parameter in model.parameters() if id(parameter) not in known)
        slow = [{**group, "lr_scale": share} for group in decayed(below, config.weight_decay)]
        return of_groups(config, [*slow, *decayed(above, config.weight_decay)])

    return optimizer
