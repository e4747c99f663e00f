"""The settings of a run with MMDetection, and the JSON Schema made from them."""

from eyebright_torch.config import developer, user
from eyebright_torch.detection.config import DetectionConfig


class MMDetConfig(DetectionConfig):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    pretrained: bool = user(
        "Begin from OpenMMLab's weights, most of them trained on COCO; their file must be put in its place by hand",
        default=False,
    )
    epochs: int = user("How often every training image is seen", default=100, ge=1, le=10_000)
    lr0: float = user("Learning rate after warm-up; about 0.001 for AdamW, 0.01 for SGD", default=0.001, gt=0, le=10)
    weight_decay: float = user("Weight decay; biases and normalisation are spared", default=0.05, ge=0, le=1)
    grad_clip: float = developer("Greatest norm of a step's gradient; 0: no limit", default=35.0, ge=0)
