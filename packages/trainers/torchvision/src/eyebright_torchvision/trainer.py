"""The trainer as the kit sees it. The framework is imported when something is trained, not before."""

from pathlib import Path

from eyebright_kit.runtime import Context, Result
from eyebright_torch.launch import launcher
from eyebright_torchvision.config import TorchvisionConfig
from eyebright_torchvision.manifest import MANIFEST
from eyebright_wire.jobs import JobSpec
from eyebright_wire.predictions import ClassScore


class TorchvisionTrainer:
    """Trains image classifiers, and answers about single images from what it trained."""

    manifest = MANIFEST

    def fit(self, ctx: Context) -> Result:
        """Raises a TrainerFailure with what to change, or Stopped with a checkpoint left behind."""
        from eyebright_torch.classification.fit import fit
        from eyebright_torchvision.framework import FRAMEWORK

        return fit(ctx, FRAMEWORK)

    def export(self, ctx: Context) -> Result:
        """A form of a registered model that its training did not make."""
        from eyebright_torch.classification.fit import export
        from eyebright_torchvision.framework import FRAMEWORK

        return export(ctx, FRAMEWORK)

    def predict(self, model: Path, image: Path) -> tuple[ClassScore, ...]:
        """All classes, best first, through onnxruntime."""
        from eyebright_torch.classification.inference import predict

        return predict(model, image)

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        """torchrun, when the run is to have several processes."""
        return launcher(spec, TorchvisionConfig)
