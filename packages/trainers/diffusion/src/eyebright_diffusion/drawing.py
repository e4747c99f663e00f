"""Pictures of the prompts, drawn with what has been learned so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from eyebright_diffusion.adapters import Adapters
from eyebright_diffusion.base import Parts
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.sheet import draw_sheet
from eyebright_kit.runtime import Context
from eyebright_torch.artifacts import Artifacts
from eyebright_torch.hardware import Hardware
from eyebright_torch.task import Tick
from eyebright_wire.artifacts import ArtifactKind

#: As Stable Diffusion's own description of its sampler has it; a schedule for training says nothing of that.
_SAMPLED: Mapping[str, Any] = MappingProxyType({"steps_offset": 1, "clip_sample": False, "set_alpha_to_one": False})


@dataclass(frozen=True)
class Drawing:
    """Hands over one PNG each time it is asked, with a picture of each prompt. Autoencoder and text encoder are loaded for that
    and gone again; each prompt has the same noise every time, so that what changes is what was learned."""

    ctx: Context
    config: LoraConfig
    hardware: Hardware
    parts: Parts

    def draw(self, model: Adapters, name: str, title: str, tick: Tick) -> None:
        """By these weights. Nothing where there are no prompts."""
        prompts = self.config.validation_prompts
        if not prompts:
            return
        with model.worn():
            pipeline = self._pipeline(model)
            pictures = [self._picture(pipeline, prompt, tick) for prompt in prompts]

        def write(path: Path) -> None:
            draw_sheet(path, prompts, pictures, title)

        Artifacts(self.ctx).made(name, write, ArtifactKind.PICTURE, "image/png")

    def _pipeline(self, model: Adapters) -> StableDiffusionPipeline:
        encoder = model.networks.get("text_encoder") or self.parts.text_encoder()
        pipeline = StableDiffusionPipeline(
            vae=self.parts.vae().to(self.hardware.device),
            text_encoder=encoder.to(self.hardware.device),
            tokenizer=self.parts.tokenizer(),
            unet=model.networks["unet"],
            scheduler=DDIMScheduler.from_config(self.parts.scheduler().config, **_SAMPLED),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _picture(self, pipeline: StableDiffusionPipeline, prompt: str, tick: Tick) -> Image.Image:
        with self.hardware.autocast():
            latents = pipeline(
                prompt,
                height=self.config.resolution,
                width=self.config.resolution,
                num_inference_steps=self.config.validation_steps,
                guidance_scale=self.config.guidance_scale,
                generator=torch.Generator().manual_seed(self.config.seed),
                callback_on_step_end=_ticking(tick),
                output_type="latent",
            ).images
        return _decoded(pipeline, latents)


def _decoded(pipeline: StableDiffusionPipeline, latents: torch.Tensor) -> Image.Image:
    """In float32 whatever the UNet computes in, as images are encoded: a picture must not come out black."""
    vae = pipeline.vae
    scaled = latents.float() / vae.config["scaling_factor"] + (vae.config.get("shift_factor") or 0.0)
    return pipeline.image_processor.postprocess(vae.decode(scaled).sample)[0]


def _ticking(tick: Tick) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    def told(_pipeline: Any, _step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        tick()
        return values

    return told
