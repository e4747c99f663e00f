"""The settings of a classification run with transformers."""

from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.config import Probability, developer, user


class ClassifierConfig(ClassificationConfig):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    imgsz: int = user(
        "Side of the square that the model sees, a multiple of the model's patch (14 or 16)",
        "pixels",
        default=224,
        ge=28,
        le=1024,
    )
    pretrained: bool = user(
        "Begin from published weights; they are downloaded once, or put in place by hand", default=False
    )
    lr0: float = user(
        "Learning rate after warm-up; about 0.0005 from random weights, 0.00005 from pretrained ones",
        default=0.0005,
        gt=0,
        le=10,
    )
    grad_clip: float = developer("Greatest norm of a step's gradient; 0: no limit", default=1.0, ge=0)
    drop: Probability = user("Dropout after each attention and each perceptron", default=0.0)
