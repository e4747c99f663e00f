"""AdamW, with a memory of 8 bits where that is to be had."""

from importlib.util import find_spec

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from eyebright_diffusion.config import LoraConfig
from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.optim import decayed


def optimizer(config: LoraConfig, model: nn.Module) -> Optimizer:
    """Of all that learns in the model. Raises ConfigInvalid where 8 bits are asked for and not to be had."""
    groups = decayed(model.parameters(), config.weight_decay)
    device = next(model.parameters()).device
    if _eight_bits(config, device):
        from bitsandbytes.optim import AdamW8bit

        return AdamW8bit(groups, lr=config.learning_rate)
    return AdamW(groups, lr=config.learning_rate, fused=device.type in ("cpu", "cuda"))


def _eight_bits(config: LoraConfig, device: torch.device) -> bool:
    possible = device.type == "cuda" and find_spec("bitsandbytes") is not None
    if config.optimizer == "AdamW8bit" and not possible:
        raise ConfigInvalid(
            f"optimizer=AdamW8bit needs a CUDA device and the package bitsandbytes in the trainer's environment, and this run is "
            f"on {device.type}; set optimizer=AdamW"
        )
    return possible and config.optimizer != "AdamW"
