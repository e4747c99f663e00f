"""What this trainer says about itself. Nothing here imports the framework: `describe` must be quick."""

from importlib.resources import files
from typing import Any

import yaml

from eyebright_torchvision import __version__
from eyebright_torchvision.config import TorchvisionConfig
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

# Parameters with 1000 classes, as torchvision's documentation of the weights states them.
MODELS = (
    ModelInfo(name="resnet18", parameters=11_689_512, description="The small residual network; a good first choice"),
    ModelInfo(name="resnet34", parameters=21_797_672, description="Twice as deep as resnet18"),
    ModelInfo(name="resnet50", parameters=25_557_032, description="The usual baseline on a GPU"),
    ModelInfo(name="mobilenet_v2", parameters=3_504_872, description="Small and quick to run, for phones"),
    ModelInfo(name="efficientnet_b0", parameters=5_288_548, description="More accurate for its size, slower to train"),
)


def _recipe(task: str) -> dict[str, Any]:
    return yaml.safe_load((files("eyebright_torchvision") / "recipes" / f"{task}.yaml").read_text(encoding="utf-8"))


MANIFEST = TrainerManifest(
    name="torchvision",
    version=__version__,
    module="eyebright_torchvision",
    licence="Apache-2.0",
    description="Image classifiers from torchvision: trained, evaluated, exported to ONNX with proof.",
    tasks=(
        TaskInfo(
            name="classification",
            models=MODELS,
            default_model="resnet18",
            config_schema=TorchvisionConfig.model_json_schema(),
            recipe=_recipe("classification"),
            exports=("onnx",),
            exports_later=True,
            takes_parent=True,
            primary_metric="top1",
        ),
    ),
    layouts=("imagefolder",),
    reads_only=True,
    conformance={"epochs": 2, "batch": 8, "imgsz": 32, "warmup_epochs": 0.5, "ema": False, "crop_scale": 1.0},
)
