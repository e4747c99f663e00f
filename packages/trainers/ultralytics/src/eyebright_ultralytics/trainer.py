"""The trainer as the kit sees it. The framework is imported when something is trained, not before."""

from pathlib import Path
from tempfile import TemporaryDirectory

from eyebright_kit.runtime import Context, Result
from eyebright_ultralytics import fence
from eyebright_ultralytics.manifest import MANIFEST
from eyebright_ultralytics.tasks import task_named
from eyebright_wire.jobs import JobSpec
from eyebright_wire.predictions import Found


class UltralyticsTrainer:
    """Trains YOLO models, and answers about single images from what it trained."""

    manifest = MANIFEST

    def fit(self, ctx: Context) -> Result:
        """Raises a TrainerFailure with what to change, or Stopped with a checkpoint left behind."""
        ctx.config_as(task_named(ctx.task).config)  # before the seconds that the framework takes
        fence.put_up(ctx.scratch / "fence")
        from eyebright_ultralytics.fit import fit

        return fit(ctx)

    def export(self, ctx: Context) -> Result:
        """A form of a registered model that its training did not make."""
        fence.put_up(ctx.scratch / "fence")
        from eyebright_ultralytics.registered import export

        return export(ctx)

    def predict(self, model: Path, image: Path) -> Found:
        """All classes, or the objects that were found; best first."""
        with TemporaryDirectory(prefix="eyebright-predict-") as folder:
            fence.put_up(Path(folder))
            from eyebright_ultralytics.inference import predict

            return predict(model, image)

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        """One process trains on one device."""
        return None
