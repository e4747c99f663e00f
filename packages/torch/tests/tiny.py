"""A framework of one tiny network: what a trainer brings to classification, without any library of models."""

from functools import partial

import numpy as np
import torch
from torch import nn

from eyebright_torch.classification import fit as story
from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.classification.framework import Framework, Variation
from eyebright_torch.framework import Credits
from eyebright_torch.freezing import Stages
from eyebright_torch.preprocess import Pixels
from eyebright_torch.weights import Pretrained


class Small(nn.Module):
    """Two stages with normalisation, dropout, and a head."""

    def __init__(self, classes: int, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU())
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(2 * width * 4, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = nn.functional.adaptive_avg_pool2d(self.second(self.first(images)), 2)
        return self.head(self.drop(found.flatten(1)))


def build(
    name: str, classes: int, _config: ClassificationConfig | None = None, _pretrained: object = None
) -> nn.Module:
    assert name == "small"
    return Small(classes)


def stages(_name: str, model: nn.Module) -> Stages:
    return [[model.get_submodule("first")], [model.get_submodule("second")]]


def pretrained(_name: str) -> Pretrained:
    raise AssertionError("nothing here begins from weights")


def _grainy(square: Pixels, rng: np.random.Generator) -> Pixels:
    return np.clip(square + rng.normal(0, 5, square.shape), 0, 255).astype(np.uint8)


def _darker(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return (images * rng.uniform(0.8, 1)).to(torch.uint8)


def _mixed(images: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    share, hot = rng.beta(0.2, 0.2), nn.functional.one_hot(labels, 3).float()
    return torch.lerp(images.flip(0), images, share), torch.lerp(hot.flip(0), hot, share)


PLAIN = Framework(
    config=ClassificationConfig,
    credits=Credits("eyebright-torch", "safetensors", "Apache-2.0"),
    pretrained=pretrained,
    build=build,
    stages=stages,
)
#: The same, which does everything to training images that a framework may do.
VARIED = Framework(
    config=ClassificationConfig,
    credits=PLAIN.credits,
    pretrained=pretrained,
    build=build,
    stages=stages,
    variation=lambda *_: Variation(image=_grainy, distort=_darker, mix=_mixed),
)

fit = partial(story.fit, framework=PLAIN)
fit_varied = partial(story.fit, framework=VARIED)
