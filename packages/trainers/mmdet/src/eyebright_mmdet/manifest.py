"""What this trainer says about itself. Nothing here imports the framework: `describe` must be quick."""

from importlib.resources import files
from typing import Any

import yaml

from eyebright_mmdet import __version__
from eyebright_mmdet.config import MMDetConfig
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

# Those that need none of mmcv's compiled operators, from phones to servers. Parameters with COCO's 80 classes.
MODELS = (
    ModelInfo(name="rtmdet_tiny", parameters=4_896_168, description="Quick and accurate; a good first choice"),
    ModelInfo(name="rtmdet_s", parameters=8_886_924, description="The same, larger"),
    ModelInfo(name="rtmdet_m", parameters=24_709_188, description="The same, for one GPU"),
    ModelInfo(name="rtmdet_l", parameters=52_315_804, description="The same, most accurate"),
    ModelInfo(name="yolox_nano", parameters=912_159, description="YOLO without anchors, the smallest here"),
    ModelInfo(name="yolox_tiny", parameters=5_055_855, description="YOLO without anchors, for small devices"),
    ModelInfo(name="yolox_s", parameters=8_968_255, description="The same, larger"),
    ModelInfo(name="yolox_m", parameters=25_326_495, description="The same, for one GPU"),
    ModelInfo(name="yolox_l", parameters=54_208_895, description="The same, most accurate"),
    ModelInfo(name="ssdlite_mobilenetv2", parameters=4_228_788, description="For phones, at 320 pixels"),
    ModelInfo(name="retinanet_r18", parameters=21_410_100, description="Anchors and the focal loss, light"),
    ModelInfo(name="retinanet_r50", parameters=37_968_692, description="The usual baseline with anchors"),
    ModelInfo(name="fcos_r18", parameters=19_277_722, description="The usual baseline without anchors, light"),
    ModelInfo(name="fcos_r50", parameters=32_297_370, description="The usual baseline without anchors"),
    ModelInfo(name="atss_r18", parameters=19_275_674, description="Chooses its examples by statistics, light"),
    ModelInfo(name="atss_r50", parameters=32_295_322, description="Chooses its examples by statistics"),
    ModelInfo(name="gfl_r50", parameters=32_440_537, description="Learns how sure an edge is"),
    ModelInfo(name="freeanchor_r50", parameters=37_968_692, description="Learns which anchor is whose"),
    ModelInfo(name="yolof_r50", parameters=44_159_977, description="One level of features, quick on GPUs"),
    ModelInfo(
        name="centernet_update_r18", parameters=19_273_369, description="Middles of objects as a heat map, light"
    ),
)


def _text(name: str) -> str:
    return (files("eyebright_mmdet") / "recipes" / name).read_text(encoding="utf-8")


def _recipe(task: str) -> dict[str, Any]:
    return yaml.safe_load(_text(f"{task}.yaml"))


def _refused() -> dict[str, str]:
    """What `survey` found."""
    found: dict[str, list[str]] = yaml.load(_text("refused.yaml"), yaml.CSafeLoader)
    return {name: reason for reason, names in found.items() for name in names}


MANIFEST = TrainerManifest(
    name="mmdet",
    version=__version__,
    module="eyebright_mmdet",
    licence="Apache-2.0",
    description="RTMDet and other detectors of MMDetection: trained, evaluated, exported to ONNX with proof.",
    tasks=(
        TaskInfo(
            name="detection",
            models=MODELS,
            # the name of a configuration that MMDetection ships; never an address or a path
            more_models=tuple(_text("names.txt").split()),
            refused_models=_refused(),
            model_pattern=r"[A-Za-z0-9]+([_.+-][A-Za-z0-9]+)*",
            default_model="rtmdet_tiny",
            config_schema=MMDetConfig.model_json_schema(),
            recipe=_recipe("detection"),
            exports=("onnx",),
            exports_later=True,
            takes_parent=True,
            primary_metric="mAP50-95",
        ),
    ),
    layouts=("imagefolder",),
    reads_only=True,
    conformance={"epochs": 2, "batch": 4, "imgsz": 64, "warmup_epochs": 0.5, "ema": False},
)
