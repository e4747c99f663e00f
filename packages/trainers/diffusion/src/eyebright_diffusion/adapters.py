"""The part that learns: small matrices beside those of a frozen network, and nothing else of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig as Placing
from peft import inject_adapter_in_model
from torch import nn
from transformers import CLIPTextModel

from eyebright_diffusion.base import Base
from eyebright_diffusion.config import LoraConfig
from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.weights import Weights

#: Of each attention: where the keys, queries and values come from, and where its answer goes.
PLACES = {
    "unet": ("to_k", "to_q", "to_v", "to_out.0"),
    "text_encoder": ("k_proj", "q_proj", "v_proj", "out_proj"),
}
_BASE = "base_sha256"
_NAME = "default"


class Adapters(nn.Module):
    """The adapters' weights of a UNet, and perhaps of a text encoder, which carry them: calling this calls the UNet.

    The networks are no children of this module: what is moved, averaged, saved and restored is the adapters alone. A copy
    of it has weights of its own and shares the networks; it computes with its own weights while they are `worn`. With the weights
    goes the hash of the base that they were learned on, without which they mean nothing.
    """

    def __init__(self, networks: dict[str, nn.Module], base: Base) -> None:
        super().__init__()
        self.networks = _Apart(networks)
        for name, parameter in _learning(networks):
            self.register_parameter(_flat(name), parameter)
        self.register_buffer(_BASE, torch.tensor(list(bytes.fromhex(base.sha256)), dtype=torch.uint8))

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """What the UNet answers, [N, C, H, W]; `texts` [N, tokens, width] as the text encoder tells them."""
        return self.networks["unet"](noisy, timesteps, encoder_hidden_states=texts).sample

    def train(self, mode: bool = True) -> "Adapters":
        """With the networks, whose adapters may drop out."""
        for network in self.networks.values():
            network.train(mode)
        return super().train(mode)

    @property
    def weights(self) -> Weights:
        """By their names in the networks: "unet.down_blocks.0….lora_A.weight"."""
        return {_full(name): parameter.detach() for name, parameter in self.named_parameters()}

    @contextmanager
    def worn(self) -> Iterator[None]:
        """The networks compute with these weights meanwhile, in evaluation mode and without gradients.

        They are given other parameters and no parameter other numbers: whose weights were there keeps them, and may be saved.
        """
        theirs = dict(_learning(self.networks))
        modes = {name: network.training for name, network in self.networks.items()}
        _put(self.networks, {name: self.get_parameter(_flat(name)) for name in theirs})
        for network in self.networks.values():
            network.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            _put(self.networks, theirs)
            for name, network in self.networks.items():
                network.train(modes[name])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        found = state_dict.get(prefix + _BASE)
        if found is not None and not torch.equal(found.cpu(), self.get_buffer(_BASE).cpu()):
            raise ConfigInvalid(
                "the base model is another one than this run began with: its weights have changed since. Put back those whose "
                "hash the first attempt told, or begin a new job"
            )
        super()._load_from_state_dict(state_dict, prefix, *rest)


class _Apart(dict[str, nn.Module]):
    """Networks that no module takes for its children, and no copy copies."""

    def __deepcopy__(self, _memo: object) -> "_Apart":
        return self


def adapted(config: LoraConfig, base: Base, unet: UNet2DConditionModel, text: CLIPTextModel | None) -> Adapters:
    """Puts fresh adapters into these networks, drawn from the run's seed: they change nothing yet."""
    torch.manual_seed(config.seed)
    networks: dict[str, nn.Module] = {"unet": unet} | ({"text_encoder": text} if text else {})
    for name, network in networks.items():
        inject_adapter_in_model(placing(config, name), network, adapter_name=_NAME)
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
        if text:
            text.activation_checkpointing_enable()
    for _, parameter in _learning(networks):
        parameter.data = parameter.data.float()
    return Adapters(networks, base)


def placing(config: LoraConfig, network: str) -> Placing:
    return Placing(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        init_lora_weights="gaussian",
        target_modules=list(PLACES[network]),
    )


def _learning(networks: dict[str, nn.Module]) -> Iterator[tuple[str, nn.Parameter]]:
    """By their names, which say nothing of what peft calls the adapters."""
    for prefix, network in networks.items():
        for name, parameter in network.named_parameters():
            if ".lora_" in name:
                yield f"{prefix}.{name.replace(f'.{_NAME}.', '.')}", parameter


def _put(networks: dict[str, nn.Module], parameters: dict[str, nn.Parameter]) -> None:
    """In the places of those that `_learning` tells by the same names."""
    for name, parameter in parameters.items():
        prefix, _, path = name.partition(".")
        owner, _, leaf = path.rpartition(".")
        setattr(networks[prefix].get_submodule(f"{owner}.{_NAME}"), leaf, parameter)


def _flat(name: str) -> str:
    """A module's parameters may have no dots in their names."""
    return name.replace(".", "/")


def _full(name: str) -> str:
    return name.replace("/", ".")
