"""The optimiser by name, sparing biases and normalisation from weight decay."""

from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from eyebright_torch.config import RunConfig

Numbers = dict[str, Any]


def optimizer(config: RunConfig, model: nn.Module) -> Optimizer:
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
    """For each group its share of `rate`, where it has one of its own (`lr_scale`)."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def state_tensors(optimizer: Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's memory as named tensors: `<parameter>.<what>`, parameters in the order they were handed over."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, memory in state.items()
        for name, value in memory.items()
        if isinstance(value, torch.Tensor)
    }


def state_numbers(optimizer: Optimizer) -> Numbers:
    """What it remembers as plain numbers, for JSON: under `state` named as the tensors are, under `groups` of each group."""
    told = optimizer.state_dict()
    state = {
        f"{index}.{name}": value
        for index, memory in told["state"].items()
        for name, value in memory.items()
        if isinstance(value, int | float)
    }
    groups = [
        {name: value for name, value in group.items() if isinstance(value, int | float)}
        for group in told["param_groups"]
    ]
    return {"state": state, "groups": groups}


def load_state(optimizer: Optimizer, tensors: dict[str, torch.Tensor], numbers: Numbers) -> None:
    """Puts back what `state_tensors` and `state_numbers` gave: the same bits, on the parameters' own device and in their memory
    layout."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    memory: dict[int, dict[str, Any]] = {}
    for key, value in (*tensors.items(), *numbers["state"].items()):
        index, _, name = key.partition(".")
        memory.setdefault(int(index), {})[name] = _laid_out_like(parameters[int(index)], value)
    groups = optimizer.state_dict()["param_groups"]
    restored = [{**group, **told} for group, told in zip(groups, numbers["groups"], strict=True)]
    optimizer.load_state_dict({"state": memory, "param_groups": restored})


def _laid_out_like(parameter: torch.Tensor, value: torch.Tensor | float) -> torch.Tensor | float:
    """Fused kernels walk weights and memory side by side, so a contiguous memory of a channels-last weight would be read in
    the wrong order, without any error."""
    if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
        return torch.empty_like(parameter).copy_(value)
    return value


def _groups(parameters: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Vectors (biases, normalisation) and matrices apart: decay is for matrices."""
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _fused(groups: list[dict[str, Any]]) -> bool | None:
    return True if groups[0]["params"][0].device.type in ("cpu", "cuda") else None
