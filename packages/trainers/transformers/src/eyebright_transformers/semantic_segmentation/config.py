"""The settings of a semantic segmentation run with transformers."""

from eyebright_torch.config import Probability, developer, user
from eyebright_torch.segmentation.config import SegmentationConfig


class SegmenterConfig(SegmentationConfig):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    pretrained: bool = user(
        "Begin from weights trained on ImageNet, whose licence forbids commercial use; downloaded once, or put in place by hand",
        default=False,
    )
    lr0: float = user(
        "Learning rate after warm-up; about 0.0005 from random weights, 0.00006 from pretrained ones",
        default=0.0005,
        gt=0,
        le=10,
    )
    grad_clip: float = developer("Greatest norm of a step's gradient; 0: no limit", default=1.0, ge=0)
    drop: Probability = user("Dropout before the classifier", default=0.1)
    drop_path: Probability = user("Stochastic depth: chance that a block is left out", default=0.1)
