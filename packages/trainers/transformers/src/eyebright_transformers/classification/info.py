"""What classification with transformers offers. Nothing here imports the framework."""

from eyebright_transformers.classification.config import ClassifierConfig
from eyebright_transformers.recipe import recipe
from eyebright_wire.manifest import ModelInfo, TaskInfo

CLASSIFICATION = TaskInfo(
    name="classification",
    models=(
        ModelInfo(name="vit-tiny-patch16", parameters=5_717_416, description="The smallest vision transformer"),
        ModelInfo(name="vit-small-patch16", parameters=22_050_664, description="As large as resnet50"),
        ModelInfo(name="vit-base-patch16", parameters=86_567_656, description="The usual one; take it pretrained"),
        ModelInfo(name="vit-large-patch16", parameters=304_326_632, description="For large GPUs, pretrained"),
    ),
    default_model="vit-tiny-patch16",
    config_schema=ClassifierConfig.model_json_schema(),
    recipe=recipe("classification"),
    exports=("onnx",),
    exports_later=True,
    takes_parent=True,
    primary_metric="top1",
)
