"""SegFormer: built by name from a configuration, told apart into stages."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from eyebright_torch.freezing import Stages
from eyebright_torch.weights import Pretrained
from eyebright_transformers.beginning import begun
from eyebright_transformers.semantic_segmentation.config import SegmenterConfig


@dataclass(frozen=True)
class Size:
    """Of a mix transformer and of the head on it, as its authors name them (b0 … b5)."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int] = (64, 128, 320, 512)
    head: int = 768


SIZES = {
    "segformer-b0": Size((2, 2, 2, 2), (32, 64, 160, 256), 256),
    "segformer-b1": Size((2, 2, 2, 2), head=256),
    "segformer-b2": Size((3, 4, 6, 3)),
    "segformer-b3": Size((3, 4, 18, 3)),
    "segformer-b4": Size((3, 8, 27, 3)),
    "segformer-b5": Size((3, 6, 40, 3)),
}


class SegFormer(SegformerForSemanticSegmentation):
    """The library's own, with its names of weights: images [N, 3, S, S] to logits [N, classes, S, S]."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = super().forward(pixel_values=images).logits
        return functional.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)


def build(name: str, classes: int, config: SegmenterConfig, pretrained: Pretrained | None = None) -> nn.Module:
    """The network with a fresh head on an encoder that begins from `pretrained` if there is any.

    Random numbers come from torch's global generator: seed it before.
    """
    size = SIZES[name]
    architecture = SegformerConfig(
        depths=size.depths,
        hidden_sizes=size.widths,
        decoder_hidden_size=size.head,
        classifier_dropout_prob=config.drop,
        drop_path_rate=config.drop_path,
        num_labels=classes,
    )
    return SegFormer(architecture) if pretrained is None else begun(SegFormer, architecture, pretrained, "decode_head.")


def stages(_name: str, model: nn.Module) -> Stages:
    """The four of the encoder."""
    assert isinstance(model, SegFormer)
    return [[stage] for stage in model.segformer.stages]
