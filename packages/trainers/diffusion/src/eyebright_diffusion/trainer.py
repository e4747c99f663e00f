"""The trainer as the kit sees it. The framework is imported when something is trained, not before."""

import os
from pathlib import Path

from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.manifest import MANIFEST
from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime import Context, Result, Stopped
from eyebright_wire.jobs import JobSpec
from eyebright_wire.predictions import ClassScore

#: The libraries' client hangs for a minute without a network, and tells about itself where there is one; hub.py fetches.
_ALONE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}


class DiffusionTrainer:
    """Trains LoRA for Stable Diffusion."""

    manifest = MANIFEST

    def fit(self, ctx: Context) -> Result:
        """Raises a TrainerFailure with what to change, or Stopped with a checkpoint left behind."""
        ctx.config_as(LoraConfig)  # before the seconds that the framework takes
        os.environ.update(_ALONE)
        ctx.log.info("loading diffusers; that takes some seconds")
        from eyebright_diffusion.fit import fit

        if ctx.stopping:  # meanwhile
            raise Stopped
        return fit(ctx)

    def predict(self, model: Path, image: Path) -> tuple[ClassScore, ...]:
        """Always refused: what is learned here draws pictures and answers nothing about them."""
        raise ConfigInvalid(
            f"{model.name} draws pictures from texts and says nothing about an image; load its "
            "pytorch_lora_weights.safetensors into a Stable Diffusion pipeline with load_lora_weights"
        )

    def relaunch(self, spec: JobSpec) -> None:
        """Never: one process trains on one device."""
        return
