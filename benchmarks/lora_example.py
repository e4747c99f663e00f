"""The step of diffusers' published example `train_text_to_image_lora`, written by us after its recipe: in every step an image is
decoded, the autoencoder encodes it and the text encoder reads its caption; frozen weights in the precision that is computed in,
AdamW on the adapters, gradients cut to a norm of 1. Runs in the diffusion trainer's environment.
"""

import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from PIL import Image
from torch import nn
from torch.nn import functional
from torchvision import transforms

from eyebright_torch.hardware import Hardware


class Example:
    """`parts` are those of the base model; `unet` is one that carries adapters, and those learn on here."""

    name = "example"

    def __init__(
        self, parts: Any, unet: UNet2DConditionModel, files: Sequence[Path], resolution: int, hardware: Hardware
    ) -> None:
        self._hardware = hardware
        self._dtype = hardware.precision or torch.float32
        self._unet = unet
        self._vae = parts.vae().to(hardware.device, self._dtype)
        self._text_encoder = parts.text_encoder().to(hardware.device, self._dtype)
        self._tokenizer = parts.tokenizer()
        self._noise: DDPMScheduler = parts.scheduler()
        self._learning = [weights for weights in unet.parameters() if weights.requires_grad]
        self._optimizer = torch.optim.AdamW(self._learning, lr=1e-4, weight_decay=1e-2)
        self._scaler = torch.GradScaler(hardware.device.type, enabled=hardware.scales_loss)
        self._files = cycle(files)
        self._transform = transforms.Compose(
            [
                transforms.Resize(resolution, interpolation=transforms.InterpolationMode.BILINEAR),
                transforms.CenterCrop(resolution),
                transforms.ToTensor(),
                transforms.Normalize([0.5], [0.5]),
            ]
        )

    def step(self) -> float:
        """Seconds of one step, to the moment at which its loss is known."""
        began = time.perf_counter()
        self._unet.train()
        latents, texts = self._latents(), self._texts()
        noise = torch.randn_like(latents)
        timesteps = torch.randint(len(self._noise), (1,), device=latents.device)
        noisy = self._noise.add_noise(latents, noise, timesteps)
        with self._hardware.autocast():
            answer = self._unet(noisy, timesteps, texts).sample
        loss = functional.mse_loss(answer.float(), noise.float())
        self._learn(loss)
        loss.item()
        return time.perf_counter() - began

    @torch.no_grad()
    def _latents(self) -> torch.Tensor:
        with Image.open(next(self._files)) as opened:
            pixels = self._transform(opened.convert("RGB"))[None].to(self._hardware.device, self._dtype)
        return self._vae.encode(pixels).latent_dist.sample() * self._vae.config.scaling_factor

    @torch.no_grad()
    def _texts(self) -> torch.Tensor:
        tokens = self._tokenizer(["sks"], padding="max_length", truncation=True, return_tensors="pt").input_ids
        return self._text_encoder(tokens.to(self._hardware.device)).last_hidden_state

    def _learn(self, loss: torch.Tensor) -> None:
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._learning, 1.0)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad()
