"""The five architectures: built by name, with a head for these classes, told apart into stages."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from torchvision import models

from eyebright_torch.freezing import Stages
from eyebright_torch.weights import Weights


@dataclass(frozen=True)
class Architecture:
    """How to build a network, where its head is, and the stages before the head, first to last."""

    build: Callable[..., nn.Module]
    head: str
    stages: Callable[[nn.Module], Stages]


def _residual_stages(model: nn.Module) -> Stages:
    stem = [model.get_submodule("conv1"), model.get_submodule("bn1")]
    return [stem, *([model.get_submodule(f"layer{n}")] for n in range(1, 5))]


def _feature_stages(model: nn.Module) -> Stages:
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


def stages(name: str, model: nn.Module) -> Stages:
    return ARCHITECTURES[name].stages(model)
