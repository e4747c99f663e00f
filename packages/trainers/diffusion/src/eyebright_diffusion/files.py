"""A LoRA as files that other programs read: diffusers' own form with its strength, and kohya's."""

import json
from pathlib import Path
from typing import Any

from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from safetensors.torch import save

from eyebright_diffusion import kohya
from eyebright_diffusion.adapters import Adapters, placing
from eyebright_diffusion.config import LoraConfig
from eyebright_torch.weights import Weights

_LENGTH = 8
DIFFUSERS, KOHYA = "pytorch_lora_weights.safetensors", "kohya_lora.safetensors"


def write_diffusers(path: Path, model: Adapters, config: LoraConfig) -> None:
    """As `load_lora_weights` reads it. Plain `save_lora_weights` would lose alpha, and with it the strength."""
    told = json.dumps(_told(model, config), indent=2, sort_keys=True)
    _write(path, named(model), {"format": "pt", LORA_ADAPTER_METADATA_KEY: told})


def write_kohya(path: Path, model: Adapters, config: LoraConfig, title: str) -> None:
    width = model.networks["unet"].config["cross_attention_dim"]
    header = kohya.metadata(config.rank, config.alpha, title=title, trigger=config.trigger, text_width=width)
    _write(path, kohya.converted(named(model), config.alpha), header)


def _write(path: Path, tensors: Weights, metadata: dict[str, str]) -> None:
    """The same bytes each time: safetensors itself writes metadata in an order that differs from run to run.

    A file is the length of its header, the header as JSON, and the tensors, whose places are told from the end of the header.
    """
    content = save(tensors)
    begin = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    told = json.dumps({"__metadata__": metadata, **json.loads(content[_LENGTH:begin])}, separators=(",", ":")).encode()
    header = told.ljust(-(-len(told) // _LENGTH) * _LENGTH)  # tensors begin at a multiple of eight
    path.write_bytes(len(header).to_bytes(_LENGTH, "little") + header + content[begin:])


def named(model: Adapters) -> Weights:
    """On the CPU, by the names that other programs know."""
    return {kohya.compatible(name): tensor.cpu().contiguous() for name, tensor in model.weights.items()}


def _told(model: Adapters, config: LoraConfig) -> dict[str, Any]:
    """How the adapters of each network are placed and scaled, as peft's own settings say it."""
    return {
        f"{network}.{key}": sorted(value) if isinstance(value, set) else value
        for network in model.networks
        for key, value in placing(config, network).to_dict().items()
    }
