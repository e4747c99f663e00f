"""What this trainer says about itself. Nothing here imports the framework: `describe` must be quick."""

from importlib.resources import files
from typing import Any

import yaml

from eyebright_timm import __version__
from eyebright_timm.config import TimmConfig
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

# A choice of good ones, from phones to servers. Parameters with 1000 classes, as timm builds them.
MODELS = (
    ModelInfo(name="resnet18", parameters=11_689_512, description="The small residual network; a good first choice"),
    ModelInfo(name="resnet50", parameters=25_557_032, description="The usual baseline on a GPU"),
    ModelInfo(name="resnet50d", parameters=25_576_264, description="resnet50 with a better stem"),
    ModelInfo(name="regnety_008", parameters=6_263_168, description="Regular and quick on GPUs"),
    ModelInfo(name="mobilenetv3_small_100", parameters=2_542_856, description="The smallest here, for phones"),
    ModelInfo(name="mobilenetv3_large_100", parameters=5_483_032, description="For phones, more accurate"),
    ModelInfo(name="mobilenetv4_conv_small", parameters=3_774_024, description="For phones, newer"),
    ModelInfo(name="efficientnet_b0", parameters=5_288_548, description="Accurate for its size, slower to train"),
    ModelInfo(name="efficientnetv2_rw_t", parameters=13_649_388, description="Quicker to train than the first version"),
    ModelInfo(name="convnext_atto", parameters=3_695_520, description="A modern convolutional network, tiny"),
    ModelInfo(name="convnext_tiny", parameters=28_589_128, description="The same as large as resnet50"),
    ModelInfo(name="edgenext_small", parameters=5_586_832, description="Convolutions and attention, for small devices"),
    ModelInfo(name="vit_tiny_patch16_224", parameters=5_717_416, description="The smallest vision transformer"),
    ModelInfo(
        name="vit_small_patch16_224", parameters=22_050_664, description="A vision transformer; take it pretrained"
    ),
    ModelInfo(name="deit3_small_patch16_224", parameters=22_059_496, description="The same by a better recipe"),
    ModelInfo(
        name="swin_tiny_patch4_window7_224", parameters=28_288_354, description="A transformer that looks in windows"
    ),
)


def _recipe(task: str) -> dict[str, Any]:
    return yaml.safe_load((files("eyebright_timm") / "recipes" / f"{task}.yaml").read_text(encoding="utf-8"))


MANIFEST = TrainerManifest(
    name="timm",
    version=__version__,
    module="eyebright_timm",
    licence="Apache-2.0",
    description="Image classifiers from timm, any of its models by name: trained, evaluated, exported to ONNX with proof.",
    tasks=(
        TaskInfo(
            name="classification",
            models=MODELS,
            model_pattern=r"[a-z0-9_]+(\.[a-z0-9_]+)?",  # a name and perhaps the tag of its weights; never an address or a path
            more_models=tuple((files("eyebright_timm") / "names.txt").read_text(encoding="utf-8").split()),
            default_model="resnet18",
            config_schema=TimmConfig.model_json_schema(),
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
