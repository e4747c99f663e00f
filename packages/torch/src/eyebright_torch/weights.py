"""The tensors of a model by name, as everybody expects them, and where those came from that a run begins with."""

from dataclasses import dataclass

import torch
from torch import nn

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Pretrained:
    """Weights to begin from and their origin, for the model card."""

    tensors: Weights
    name: str  # "ResNet18_Weights.IMAGENET1K_V1"
    source: str  # the address or file that they were read from
    sha256: str
    terms: str  # sentences: whose they are, under which licence, what they were trained on


def stored(model: nn.Module) -> Weights:
    """A copy of a model's tensors as everybody expects them: on the CPU, contiguous, sharing nothing."""
    return {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
