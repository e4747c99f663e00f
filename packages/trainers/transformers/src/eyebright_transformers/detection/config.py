"""The settings of a detection run with transformers."""

from eyebright_torch.config import developer
from eyebright_torch.detection.config import DetectionConfig


class DetectorConfig(DetectionConfig):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    backbone_lr: float = developer(
        "Learning rate of a backbone that begins from weights, as a share of the rest's", default=0.1, ge=0, le=1
    )
    queries: int = developer(
        "Places where the model looks for objects; fewer where images are so small that it has not as many",
        default=300,
        ge=1,
        le=1000,
    )
    denoising: int = developer(
        "Spoilt copies of the true objects that the model learns to put right; 0: none", default=100, ge=0, le=1000
    )
