"""The tensors of a model by name, as everybody expects them, and where those came from that a run begins with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from eyebright_kit.errors import ConfigInvalid

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Pretrained:
    """Weights to begin from and their origin, for the model card."""

    tensors: Weights
    name: str  # "ResNet18_Weights.IMAGENET1K_V1"
    source: str  # the address or file that they were read from
    sha256: str
    terms: str  # sentences: whose they are, under which licence, what they were trained on

    def refuse_unlike(self, names: Iterable[str]) -> None:
        """Raises ConfigInvalid if there are any: tensors of a model that these weights lack, or have in another shape."""
        if absent := sorted(names):
            raise ConfigInvalid(
                f"the weights of {self.name} are of another model: {len(absent)} tensors are missing or of another shape, "
                f"such as {absent[0]}; put a fresh copy of {self.source} in their place, or train with pretrained=false"
            )


def distinct(model: nn.Module) -> Weights:
    """The state of a model, each tensor once, under the first of its names: heads may share their weights with each other."""
    seen: set[int] = set()
    told: Weights = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            told[name] = tensor.detach()
    return told


def load(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Puts in what `distinct` or `stored` gave. Raises RuntimeError, as torch does, for anything less or more."""
    owners = {id(tensor): tensors[name] for name, tensor in model.state_dict(keep_vars=True).items() if name in tensors}
    shared = {name: owners[id(t)] for name, t in model.state_dict(keep_vars=True).items() if id(t) in owners}
    model.load_state_dict({**tensors, **shared})


def stored(model: nn.Module) -> Weights:
    """A copy of a model's `distinct` tensors as everybody expects them: on the CPU, contiguous, sharing nothing."""
    return {
        name: tensor.to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in distinct(model).items()
    }
