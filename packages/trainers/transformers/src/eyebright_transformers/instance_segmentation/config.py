"""The settings of an instance segmentation run with transformers."""

from pydantic import ConfigDict

from eyebright_torch.config import developer, user
from eyebright_torch.detection.config import DetectionConfig


class InstanceConfig(DetectionConfig):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    model_config = ConfigDict(title="Instance segmentation")

    pretrained: bool = user(
        "Begin from weights trained on COCO, whose licence forbids commercial use; downloaded once, or put in place by hand",
        default=False,
    )
    backbone_lr: float = developer(
        "Learning rate of a backbone that begins from weights, as a share of the rest's", default=0.1, ge=0, le=1
    )
    queries: int = developer(
        "Most objects that the model looks for in an image; 0: as many as its authors did, which is 100, or 200 of the largest",
        "objects",
        default=0,
        ge=0,
        le=1000,
    )
    points: int = developer(
        "Places of a mask that are compared in a step", "points", default=12_544, ge=16, le=1_000_000
    )
    drop_path: float = developer("Stochastic depth: chance that a block is left out", default=0.3, ge=0, lt=1)
    export_tolerance: float = developer(
        "Greatest difference of a raw output between the model and its export: an edge is a whole pixel of a mask, and may "
        "fall to the other side",
        default=0.02,
        gt=0,
    )
