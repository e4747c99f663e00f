"""The optimiser by name, sparing biases and normalisation from weight decay."""

from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from eyebright_torchvision.config import ClassificationConfig


def optimizer(config: ClassificationConfig, model: nn.Module) -> Optimizer:
    """Only what still learns is handed over. Fused kernels: one pass over the weights instead of several."""
    groups = _groups([p for p in model.parameters() if p.requires_grad], config.weight_decay)
    match config.optimizer:
        case "SGD":
            return SGD(
                groups, lr=config.lr0, momentum=config.momentum, nesterov=config.momentum > 0, fused=_fused(groups)
            )
        case "Adam":
            return Adam(groups, lr=config.lr0, betas=(config.momentum, 0.999), fused=_fused(groups))
        case "AdamW":
            return AdamW(groups, lr=config.lr0, betas=(config.momentum, 0.999), fused=_fused(groups))


def set_rate(optimizer: Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def state_tensors(optimizer: Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's memory as named tensors: `<parameter>.<what>`, parameters in the order they were handed over."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, memory in state.items()
        for name, value in memory.items()
        if isinstance(value, torch.Tensor)
    }


def load_state(optimizer: Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Puts back what `state_tensors` gave: the same bits, on the parameters' own device and in their memory layout."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    memory: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        memory.setdefault(int(index), {})[name] = _laid_out_like(parameters[int(index)], value)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": memory, "param_groups": groups})


def _laid_out_like(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Fused kernels walk weights and memory side by side, so a contiguous memory of a channels-last weight would be read in
    the wrong order, without any error."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def _groups(parameters: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Vectors (biases, normalisation) and matrices apart: decay is for matrices."""
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _fused(groups: list[dict[str, Any]]) -> bool | None:
    return True if groups[0]["params"][0].device.type in ("cpu", "cuda") else None
