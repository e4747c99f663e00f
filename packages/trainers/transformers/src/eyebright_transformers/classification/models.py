"""Vision transformers that answer logits: built by name from a configuration, told apart into stages."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import ViTConfig, ViTForImageClassification

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.freezing import Stages
from eyebright_torch.weights import Pretrained, Weights
from eyebright_transformers.beginning import begun
from eyebright_transformers.classification.config import ClassifierConfig

_PATCH = 16
_PLACES = "vit.embeddings.position_embeddings"


@dataclass(frozen=True)
class Size:
    """Of a vision transformer, as its authors and their successors name them."""

    width: int
    layers: int
    heads: int

    def as_config(self) -> dict[str, int]:
        return {
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": 4 * self.width,
            "patch_size": _PATCH,
        }


SIZES = {
    "vit-tiny-patch16": Size(192, 12, 3),
    "vit-small-patch16": Size(384, 12, 6),
    "vit-base-patch16": Size(768, 12, 12),
    "vit-large-patch16": Size(1024, 24, 16),
}


class ViT(ViTForImageClassification):
    """The library's own, with its names of weights: images [N, 3, S, S] to logits [N, classes]."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(pixel_values=images).logits


def build(name: str, classes: int, config: ClassifierConfig, pretrained: Pretrained | None = None) -> nn.Module:
    """The network with a fresh head; the rest begins from `pretrained` if there is any, fitted to the size of the images.

    Random numbers come from torch's global generator: seed it before. Raises ConfigInvalid for a size that cannot be.
    """
    if config.imgsz % _PATCH:
        raise ConfigInvalid(
            f"imgsz={config.imgsz}: {name} cuts images into patches of {_PATCH} pixels; "
            f"set a multiple of that, such as {max(2, round(config.imgsz / _PATCH)) * _PATCH}"
        )
    architecture = ViTConfig(**_chosen(name, config), num_labels=classes)
    if pretrained is None:
        return ViT(architecture)
    fitted = replace(pretrained, tensors=_fitted(pretrained.tensors, config.imgsz // _PATCH))
    return begun(ViT, architecture, fitted, "classifier.")


def stages(_name: str, model: nn.Module) -> Stages:
    """The embedding of patches, each layer, and with the last one the normalisation."""
    assert isinstance(model, ViT)
    first, *between, last = model.vit.layers
    return [[model.vit.embeddings], [first], *([layer] for layer in between), [last, model.vit.layernorm]]


def _chosen(name: str, config: ClassifierConfig) -> dict[str, Any]:
    drops = {"hidden_dropout_prob": config.drop, "attention_probs_dropout_prob": config.drop}
    return {**SIZES[name].as_config(), **drops, "image_size": config.imgsz}


def _fitted(tensors: Weights, across: int) -> Weights:
    """The embeddings of places are resized to a grid `across`²; the first place is the class token's."""
    places = tensors.get(_PLACES)
    if places is None or places.shape[1] == 1 + across**2:
        return tensors
    token, grid = places[:, :1], places[:, 1:]
    side = round(grid.shape[1] ** 0.5)
    square = grid.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = functional.interpolate(square, size=(across, across), mode="bicubic", align_corners=False)
    return {**tensors, _PLACES: torch.cat([token, resized.flatten(2).transpose(1, 2)], dim=1)}
