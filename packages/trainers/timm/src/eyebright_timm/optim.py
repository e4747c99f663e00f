"""timm's optimisers by name, with its groups: biases and normalisation are spared from decay, stages may have rates of their
own."""

from timm.optim import create_optimizer_v2
from torch import nn
from torch.optim import Optimizer

from eyebright_timm.config import TimmConfig

_FUSED = ("adam", "adamw", "sgd")  # torch's own, which have one kernel for a pass over all weights
_PLAIN_MOMENTUM = ("sgd", "rmsproptf")


def optimizer(config: TimmConfig, model: nn.Module) -> Optimizer:
    fused = {"fused": True} if config.optimizer in _FUSED and next(model.parameters()).device.type != "mps" else {}
    momentum = {"momentum": config.momentum} if config.optimizer in _PLAIN_MOMENTUM else {}
    return create_optimizer_v2(
        model,
        config.optimizer,
        lr=config.lr0,
        weight_decay=config.weight_decay,
        layer_decay=config.layer_decay if config.layer_decay < 1 else None,
        **momentum,
        **fused,
    )
