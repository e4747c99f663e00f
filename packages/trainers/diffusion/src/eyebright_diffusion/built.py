"""Stable Diffusion built from a configuration that lies here, with random weights: tiny, or as large as the real one."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from eyebright_diffusion.base import Base, still

M = TypeVar("M", bound=nn.Module)
Settings = dict[str, Any]

_SEED = 20
#: The steps of noise that Stable Diffusion 1.x was trained with.
_NOISE: Settings = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "steps_offset": 1,
}
_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_UP_CROSS, _UP_PLAIN = "CrossAttnUpBlock2D", "UpBlock2D"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,:;!?'\"()-_/&+*#%@$<>[]{}|=~^`\\"


@dataclass(frozen=True)
class Built:
    """Parts by their settings. The same seed gives the same weights."""

    unet_settings: Settings
    vae_settings: Settings
    text_settings: Settings
    seed: int = _SEED

    def tokenizer(self) -> CLIPTokenizer:
        """Each letter is a token: any text can be said, and no vocabulary need be had from anywhere."""
        known = [*_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), "<|startoftext|>", "<|endoftext|>"]
        vocabulary = {token: place for place, token in enumerate(known)}
        return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)

    def text_encoder(self, dtype: torch.dtype = torch.float32) -> CLIPTextModel:
        return self._made(lambda: CLIPTextModel(CLIPTextConfig(**self.text_settings)), dtype)

    def vae(self) -> AutoencoderKL:
        return self._made(lambda: AutoencoderKL(**self.vae_settings))

    def unet(self, dtype: torch.dtype = torch.float32) -> UNet2DConditionModel:
        return self._made(lambda: UNet2DConditionModel(**self.unet_settings), dtype)

    def scheduler(self) -> DDPMScheduler:
        return DDPMScheduler(**_NOISE)

    def _made(self, make: Callable[[], M], dtype: torch.dtype = torch.float32) -> M:
        """Drawn in float32, whatever it is to be: the same weights, but for what another precision rounds off."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            made = still(make())
        return (
            made if dtype is torch.float32 else nn.Module.to(made, dtype)
        )  # the library's own warns of what is meant here


_LAST = 2 * len(_LETTERS) + 1  # the token that ends a text
TINY = Built(
    unet_settings={
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 1,
        "block_out_channels": (32, 64),
        "down_block_types": (_CROSS, _PLAIN),
        "up_block_types": (_UP_PLAIN, _UP_CROSS),
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
    },
    vae_settings={
        "block_out_channels": (8, 16, 16, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 64,
    },
    text_settings={
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "projection_dim": 32,
        "vocab_size": _LAST + 1,
        "bos_token_id": _LAST - 1,
        "eos_token_id": _LAST,
        "pad_token_id": _LAST,
        "max_position_embeddings": 77,
    },
)
#: As large as Stable Diffusion 1.5, whose figures for memory and speed it has; nothing can be drawn with it.
FULL_SIZE = Built(
    unet_settings={
        "sample_size": 64,
        "layers_per_block": 2,
        "block_out_channels": (320, 640, 1280, 1280),
        "down_block_types": (_CROSS, _CROSS, _CROSS, _PLAIN),
        "up_block_types": (_UP_PLAIN, _UP_CROSS, _UP_CROSS, _UP_CROSS),
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
    },
    vae_settings={
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "latent_channels": 4,
        "layers_per_block": 2,
        "sample_size": 512,
    },
    text_settings={
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "projection_dim": 768,
        "vocab_size": 49408,
        "bos_token_id": _LAST - 1,
        "eos_token_id": _LAST,
        "pad_token_id": _LAST,
    },
)


def base_of(built: Built, name: str) -> Base:
    """As a base like any other; its hash is that of what it is built from."""
    told = json.dumps([built.unet_settings, built.vae_settings, built.text_settings, built.seed], sort_keys=True)
    return Base(
        name=name,
        source="a configuration of the trainer's",
        terms="The base weights are random numbers, which nobody owns.",
        sha256=hashlib.sha256(told.encode()).hexdigest(),
        parts=built,
    )
