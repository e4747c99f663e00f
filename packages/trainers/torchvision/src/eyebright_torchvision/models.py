"""The five architectures: built by name, with a head for these classes, frozen as far as asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torchvision import models

from eyebright_kit.errors import ConfigInvalid

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Architecture:
    """How to build a network, where its head is, and the stages before the head, first to last."""

    build: Callable[..., nn.Module]
    head: str
    stages: Callable[[nn.Module], list[list[nn.Module]]]


def _residual_stages(model: nn.Module) -> list[list[nn.Module]]:
    stem = [model.get_submodule("conv1"), model.get_submodule("bn1")]
    return [stem, *([model.get_submodule(f"layer{n}")] for n in range(1, 5))]


def _feature_stages(model: nn.Module) -> list[list[nn.Module]]:
    return [[stage] for stage in model.get_submodule("features").children()]


ARCHITECTURES = {
    "resnet18": Architecture(models.resnet18, "fc", _residual_stages),
    "resnet34": Architecture(models.resnet34, "fc", _residual_stages),
    "resnet50": Architecture(models.resnet50, "fc", _residual_stages),
    "mobilenet_v2": Architecture(models.mobilenet_v2, "classifier.1", _feature_stages),
    "efficientnet_b0": Architecture(models.efficientnet_b0, "classifier.1", _feature_stages),
}


def build(name: str, classes: int, weights: Weights | None = None) -> nn.Module:
    """The network with a fresh head of `classes` outputs; the rest begins from `weights` if there are any.

    Random numbers come from torch's global generator: seed it before.
    """
    if weights is None:
        return ARCHITECTURES[name].build(num_classes=classes)
    model = ARCHITECTURES[name].build()
    model.load_state_dict(weights)
    replace_head(model, ARCHITECTURES[name].head, classes)
    return model


def replace_head(model: nn.Module, path: str, classes: int) -> None:
    """Puts a fresh linear layer of the same width where the old head was."""
    width = model.get_parameter(f"{path}.weight").shape[1]
    model.set_submodule(path, nn.Linear(width, classes))


def freeze(model: nn.Module, name: str, stages: int | Literal["backbone"]) -> list[nn.Module]:
    """Stops the leading stages from learning and answers their modules, which `Frozen` keeps in evaluation mode.

    Raises ConfigInvalid when there are fewer stages than asked.
    """
    known = ARCHITECTURES[name].stages(model)
    count = len(known) if stages == "backbone" else stages
    if count > len(known):
        raise ConfigInvalid(f"freeze={count}: {name} has {len(known)} stages; give 0 to {len(known)}, or 'backbone'")
    frozen = [module for stage in known[:count] for module in stage]
    for module in frozen:
        module.requires_grad_(False)
    return frozen


def train_mode(model: nn.Module, frozen: list[nn.Module]) -> None:
    """Training mode, but frozen parts keep their normalisation statistics too."""
    model.train()
    for module in frozen:
        module.eval()
