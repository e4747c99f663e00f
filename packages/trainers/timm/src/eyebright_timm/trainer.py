"""The trainer as the kit sees it. The framework is imported when something is trained, not before."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from eyebright_kit.runtime import Context, Result
from eyebright_timm.config import TimmConfig
from eyebright_timm.manifest import MANIFEST
from eyebright_torch.launch import launcher
from eyebright_wire.jobs import JobSpec
from eyebright_wire.predictions import ClassScore

if TYPE_CHECKING:
    from eyebright_torch.classification.framework import Framework


class TimmTrainer:
    """Trains image classifiers, and answers about single images from what it trained."""

    manifest = MANIFEST

    def fit(self, ctx: Context) -> Result:
        """Raises a TrainerFailure with what to change, or Stopped with a checkpoint left behind."""
        ctx.config_as(TimmConfig)  # before the seconds that the framework takes
        from eyebright_torch.classification.fit import fit

        return fit(ctx, _framework())

    def export(self, ctx: Context) -> Result:
        """A form of a registered model that its training did not make."""
        from eyebright_torch.classification.fit import export

        return export(ctx, _framework())

    def predict(self, model: Path, image: Path) -> tuple[ClassScore, ...]:
        """All classes, best first, through onnxruntime."""
        from eyebright_torch.classification.inference import predict

        return predict(model, image)

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        """torchrun, when the run is to have several processes."""
        return launcher(spec, TimmConfig)


def _framework() -> "Framework":
    os.environ["HF_HUB_OFFLINE"] = "1"  # its client hangs for a minute without a network; weights.py fetches by itself
    from eyebright_timm.framework import FRAMEWORK

    return FRAMEWORK
