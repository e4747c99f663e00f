"""What semantic segmentation with transformers offers. Nothing here imports the framework."""

from eyebright_transformers.recipe import recipe
from eyebright_transformers.semantic_segmentation.config import SegmenterConfig
from eyebright_wire.manifest import ModelInfo, TaskInfo

SEMANTIC_SEGMENTATION = TaskInfo(
    name="semantic_segmentation",
    models=(
        ModelInfo(name="segformer-b0", parameters=3_971_144, description="SegFormer, the smallest: quick everywhere"),
        ModelInfo(name="segformer-b1", parameters=13_934_248, description="The same with twice the width"),
        ModelInfo(name="segformer-b2", parameters=28_115_624, description="As large as resnet50; a good one on a GPU"),
        ModelInfo(name="segformer-b3", parameters=47_991_464, description="Deeper"),
        ModelInfo(name="segformer-b4", parameters=64_762_024, description="Deeper still"),
        ModelInfo(name="segformer-b5", parameters=85_362_344, description="The most accurate, for large GPUs"),
    ),
    default_model="segformer-b0",
    config_schema=SegmenterConfig.model_json_schema(),
    recipe=recipe("semantic_segmentation"),
    exports=("onnx",),
    exports_later=True,
    takes_parent=True,
    primary_metric="mIoU",
)
