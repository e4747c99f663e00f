"""What instance segmentation with transformers offers. Nothing here imports the framework."""

from eyebright_transformers.instance_segmentation.config import InstanceConfig
from eyebright_transformers.recipe import recipe
from eyebright_wire.manifest import ModelInfo, TaskInfo

INSTANCE_SEGMENTATION = TaskInfo(
    name="instance_segmentation",
    models=(
        ModelInfo(
            name="mask2former-swin-nano",
            parameters=6_390_973,
            description="Mask2Former for CPUs and small images; there are no weights to begin from",
        ),
        ModelInfo(
            name="mask2former-swin-tiny", parameters=47_423_179, description="The smallest with published weights"
        ),
        ModelInfo(name="mask2former-swin-small", parameters=68_741_083, description="Mask2Former, a deeper backbone"),
        ModelInfo(name="mask2former-swin-base", parameters=106_906_249, description="Mask2Former, for large GPUs"),
        ModelInfo(
            name="mask2former-swin-large", parameters=215_525_061, description="Mask2Former, the most accurate here"
        ),
    ),
    default_model="mask2former-swin-nano",
    config_schema=InstanceConfig.model_json_schema(),
    recipe=recipe("instance_segmentation"),
    exports=("onnx",),
    exports_later=True,
    takes_parent=True,
    primary_metric="mask_mAP50-95",
)
