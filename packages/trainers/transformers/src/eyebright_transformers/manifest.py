"""What this trainer says about itself. Nothing here imports the framework: `describe` must be quick."""

from eyebright_transformers import __version__
from eyebright_transformers.tasks import TASKS
from eyebright_wire.manifest import TrainerManifest

MANIFEST = TrainerManifest(
    name="transformers",
    version=__version__,
    module="eyebright_transformers",
    licence="Apache-2.0",
    description="Vision transformers from Hugging Face's library: trained, evaluated, exported to ONNX with proof.",
    tasks=tuple(task.info for task in TASKS),
    layouts=("imagefolder", "coco", "yolo", "masks"),
    reads_only=True,
    conformance={"epochs": 2, "batch": 8, "imgsz": 32, "warmup_epochs": 0.5, "ema": False},
)
