"""What a LoRA is learned on: the parts of a Stable Diffusion, each made when it is asked for, so that none is in memory for
longer than it is needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

Part = TypeVar("Part", bound=nn.Module)


class Parts(Protocol):
    """Each call makes the part anew: on the CPU, frozen, in evaluation mode, with the same weights each time.

    Those that are learned on are made in the precision that is computed in: nothing else of a base model ever changes.
    """

    def tokenizer(self) -> CLIPTokenizer: ...
    def text_encoder(self, dtype: torch.dtype = torch.float32) -> CLIPTextModel: ...
    def vae(self) -> AutoencoderKL: ...
    def unet(self, dtype: torch.dtype = torch.float32) -> UNet2DConditionModel: ...
    def scheduler(self) -> DDPMScheduler:
        """With the noise that the base model was trained with."""
        ...


@dataclass(frozen=True)
class Base:
    """`hashes` are the sha256 of the files of weights by their names, `sha256` says them all in one."""

    name: str  # "stable-diffusion-v1-5/stable-diffusion-v1-5"
    source: str  # the folder or address that it was read from
    terms: str  # sentences: whose it is, under which licence
    sha256: str
    parts: Parts = field(repr=False)
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])


def pipeline(parts: Parts) -> StableDiffusionPipeline:
    """All of it, as diffusers' users know it."""
    return StableDiffusionPipeline(
        vae=parts.vae(),
        text_encoder=parts.text_encoder(),
        tokenizer=parts.tokenizer(),
        unet=parts.unet(),
        scheduler=parts.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def still(part: Part) -> Part:
    """In evaluation mode, with nothing that learns."""
    return part.eval().requires_grad_(False)
