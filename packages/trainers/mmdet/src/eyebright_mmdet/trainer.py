"""The trainer as the kit sees it. The framework is imported when something is trained, not before."""

from pathlib import Path

from eyebright_kit.runtime import Context, Result
from eyebright_mmdet.config import MMDetConfig
from eyebright_mmdet.manifest import MANIFEST
from eyebright_torch.launch import launcher
from eyebright_wire.jobs import JobSpec
from eyebright_wire.predictions import FoundObject


class MMDetTrainer:
    """Trains detectors, and answers about single images from what it trained."""

    manifest = MANIFEST

    def fit(self, ctx: Context) -> Result:
        """Raises a TrainerFailure with what to change, or Stopped with a checkpoint left behind."""
        ctx.config_as(MMDetConfig)  # before the seconds that the framework takes
        from eyebright_mmdet.framework import framework
        from eyebright_torch.detection.fit import fit

        return fit(ctx, framework(ctx.model))

    def export(self, ctx: Context) -> Result:
        """A form of a registered model that its training did not make."""
        from eyebright_mmdet.framework import framework
        from eyebright_torch.detection.fit import export

        return export(ctx, framework(ctx.model))

    def predict(self, model: Path, image: Path) -> tuple[FoundObject, ...]:
        """The objects found, surest first, through onnxruntime."""
        from eyebright_torch.detection.inference import predict

        return predict(model, image)

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        """torchrun, when the run is to have several processes."""
        return launcher(spec, MMDetConfig)
