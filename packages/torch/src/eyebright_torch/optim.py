"""The optimiser by name, sparing biases and normalisation from weight decay."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from eyebright_torch.config import RunConfig

_GROUP = "group."


def optimizer(config: RunConfig, model: nn.Module) -> Optimizer:
    """Of all that still learns in the model."""
    return of_groups(config, decayed(model.parameters(), config.weight_decay))


def of_groups(config: RunConfig, groups: list[dict[str, Any]]) -> Optimizer:
    """Of groups as `decayed` makes them. Fused kernels: one pass over the weights instead of several."""
    match config.optimizer:
        case "SGD":
            return SGD(
                groups, lr=config.lr0, momentum=config.momentum, nesterov=config.momentum > 0, fused=_fused(groups)
            )
        case "Adam":
            return Adam(groups, lr=config.lr0, betas=(config.momentum, 0.999), fused=_fused(groups))
        case "AdamW":
            return AdamW(groups, lr=config.lr0, betas=(config.momentum, 0.999), fused=_fused(groups))


def decayed(parameters: Iterable[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Those that still learn, vectors (biases, normalisation) and matrices apart: decay is for matrices."""
    learning = [p for p in parameters if p.requires_grad]
    matrices = [p for p in learning if p.ndim > 1]
    vectors = [p for p in learning if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """For each group its share of `rate`, where it has one of its own (`lr_scale`)."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def state_tensors(optimizer: Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's memory as named tensors: `<parameter>.<what>`, parameters in the order they were handed over, and
    `group.<group>.<what>`."""
    return {name: value for name, value in _memory(optimizer) if isinstance(value, torch.Tensor)}


def state_numbers(optimizer: Optimizer) -> dict[str, float]:
    """What it remembers as plain numbers, for JSON, named alike. Optimisers that are not torch's keep some there."""
    return {name: value for name, value in _memory(optimizer) if isinstance(value, int | float)}


def load_state(optimizer: Optimizer, tensors: dict[str, torch.Tensor], numbers: dict[str, float]) -> None:
    """Puts back what `state_tensors` and `state_numbers` gave: the same bits, on the parameters' own device and in their memory
    layout."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    groups = optimizer.state_dict()["param_groups"]
    memory: dict[int, dict[str, Any]] = {}
    for key, value in (*tensors.items(), *numbers.items()):
        owner, _, name = key.removeprefix(_GROUP).partition(".")
        if key.startswith(_GROUP):
            groups[int(owner)][name] = value
        else:
            memory.setdefault(int(owner), {})[name] = _laid_out_like(parameters[int(owner)], value)
    optimizer.load_state_dict({"state": memory, "param_groups": groups})


def _memory(optimizer: Optimizer) -> Iterator[tuple[str, Any]]:
    told = optimizer.state_dict()
    for index, memory in told["state"].items():
        yield from ((f"{index}.{name}", value) for name, value in memory.items())
    for index, group in enumerate(told["param_groups"]):
        yield from ((f"{_GROUP}{index}.{name}", value) for name, value in group.items())


def _laid_out_like(parameter: torch.Tensor, value: torch.Tensor | float) -> torch.Tensor | float:
    """Fused kernels walk weights and memory side by side, so a contiguous memory of a channels-last weight would be read in
    the wrong order, without any error."""
    if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)  # some remember in 8 bits
    return value


def _fused(groups: list[dict[str, Any]]) -> bool | None:
    return True if groups[0]["params"][0].device.type in ("cpu", "cuda") else None
