"""The settings of a classification run with torchvision, and the JSON Schema made from them."""

from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.config import developer, user


class TorchvisionConfig(ClassificationConfig):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    randaugment: int = user("RandAugment: operations per image; 0: off", default=0, ge=0, le=8)
    randaugment_magnitude: int = developer("RandAugment: how strong each one is", default=9, ge=0, le=30)
