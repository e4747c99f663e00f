"""The trainer as the kit sees it. The framework is imported when something is trained, not before."""

import json
import os
from pathlib import Path

from eyebright_kit.runtime import Context, Result
from eyebright_torch.launch import launcher
from eyebright_transformers.manifest import MANIFEST
from eyebright_transformers.tasks import task_named
from eyebright_wire.jobs import JobSpec
from eyebright_wire.predictions import Found

#: The library's client hangs for a minute without a network, and tells about itself where there is one; hub.py fetches.
_ALONE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
#: It asks tensors whether shapes fit each other, which neither ONNX nor a model without memory can answer; ours always fit.
_UNASKED = {"TRANSFORMERS_DISABLE_TORCH_CHECK": "1"}


class TransformersTrainer:
    """Trains vision transformers, and answers about single images from what it trained."""

    manifest = MANIFEST

    def fit(self, ctx: Context) -> Result:
        """Raises a TrainerFailure with what to change, or Stopped with a checkpoint left behind."""
        task = task_named(ctx.task)
        ctx.config_as(task.config)  # before the seconds that the framework takes
        os.environ.update(_ALONE | _UNASKED)
        return task.fit()(ctx, task.framework())

    def export(self, ctx: Context) -> Result:
        """A form of a registered model that its training did not make."""
        task = task_named(ctx.task)
        os.environ.update(_ALONE | _UNASKED)
        return task.export()(ctx, task.framework())

    def predict(self, model: Path, image: Path) -> Found:
        """All classes, or what was found; best first. Through onnxruntime."""
        labels = json.loads((model / "labels.json").read_text(encoding="utf-8"))
        return task_named(labels["task"]).predict(model, image)

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        """torchrun, when the run is to have several processes."""
        return launcher(spec, task_named(spec.task).config)
