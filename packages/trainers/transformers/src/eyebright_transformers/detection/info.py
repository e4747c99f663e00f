"""What detection with transformers offers. Nothing here imports the framework."""

from eyebright_transformers.detection.config import DetectorConfig
from eyebright_transformers.recipe import recipe
from eyebright_wire.manifest import ModelInfo, TaskInfo

DETECTION = TaskInfo(
    name="detection",
    models=(
        ModelInfo(name="rtdetr_v2_r18vd", parameters=20_184_464, description="RT-DETRv2, the quickest of its kind"),
        ModelInfo(name="rtdetr_v2_r34vd", parameters=31_441_668, description="RT-DETRv2, a deeper backbone"),
        ModelInfo(name="rtdetr_v2_r50vd", parameters=42_944_620, description="RT-DETRv2, the usual one on a GPU"),
        ModelInfo(name="rtdetr_v2_r101vd", parameters=76_661_740, description="RT-DETRv2, for large GPUs"),
        ModelInfo(
            name="dfine-n",
            parameters=3_782_693,
            description="D-FINE nano, for CPUs and small devices; a good first choice",
        ),
        ModelInfo(name="dfine-s", parameters=10_321_877, description="D-FINE small"),
        ModelInfo(name="dfine-m", parameters=19_590_064, description="D-FINE medium"),
        ModelInfo(name="dfine-l", parameters=31_289_848, description="D-FINE large"),
        ModelInfo(name="dfine-x", parameters=62_715_480, description="D-FINE, the most accurate here"),
    ),
    default_model="dfine-n",
    config_schema=DetectorConfig.model_json_schema(),
    recipe=recipe("detection"),
    exports=("onnx",),
    exports_later=True,
    takes_parent=True,
    primary_metric="mAP50-95",
)
