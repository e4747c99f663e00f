"""Beginning from a registered model: its weights, but for what depends on the classes where these are others."""

from collections.abc import Callable, Sequence

import torch
from safetensors.torch import load_file
from torch import nn

from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime import Parent
from eyebright_torch.weights import Pretrained, distinct, load

FILE = "model.safetensors"


def weights_of(parent: Parent, classes: Sequence[str]) -> Pretrained:
    """Its weights, and what the model card says of them. Raises ConfigInvalid when it has none that this package wrote."""
    if not (file := parent.path / FILE).is_file():
        raise ConfigInvalid(f"{parent.title} has no {FILE} to begin from; choose a model that this trainer has made")
    but = "" if tuple(classes) == parent.classes else ", but for its head, which was for other classes"
    terms = f"The weights began from the registered model {parent.title}, whose terms go on."
    return Pretrained(load_file(file), f"{parent.title}{but}", f"the model {parent.id}", parent.sha256[FILE], terms)


def adopt(model: nn.Module, parent: Parent, begun: Pretrained, new: frozenset[str]) -> None:
    """Puts the weights in, but for the tensors that are called `new`. Raises ConfigInvalid when the rest does not fit."""
    own = distinct(model)
    taken = {name: tensor for name, tensor in begun.tensors.items() if name not in new}
    for name in sorted((own.keys() | taken.keys()) - new):
        ours, theirs = _shape(own.get(name)), _shape(taken.get(name))
        if ours != theirs:
            raise ConfigInvalid(
                f"the weights of {parent.title} do not fit: {name} is {theirs} there and {ours} here. Train with the settings "
                "that shape a network as they were there (`eyebright jobs show` tells them), such as imgsz"
            )
    load(model, {**own, **taken})


def dependent(model: nn.Module, build: Callable[[], nn.Module]) -> frozenset[str]:
    """The tensors whose shape depends on the number of classes; `build` makes the same network for another number of them."""
    with torch.random.fork_rng():
        other = distinct(build())
    return frozenset(name for name, tensor in distinct(model).items() if _shape(other.get(name)) != _shape(tensor))


def _shape(tensor: torch.Tensor | None) -> str:
    return "absent" if tensor is None else "×".join(map(str, tensor.shape)) or "a number"
