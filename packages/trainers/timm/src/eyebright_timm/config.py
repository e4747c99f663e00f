"""The settings of a classification run with timm, and the JSON Schema made from them."""

from typing import Annotated, Literal

from pydantic import Field

from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.config import Probability, developer, user

#: As timm writes them: a policy and its parameters, joined by dashes. Nothing else may reach timm's parser.
Policy = Annotated[str, Field(pattern=r"^((rand|original|originalr|v0|v0r|3a)(-[a-z]+\d+(\.\d+)?)*)?$", max_length=64)]


class TimmConfig(ClassificationConfig):
    """Every setting of a run. Unknown names are refused, because a typo must not be dropped in silence."""

    pretrained: bool = user(
        "Begin from timm's weights; they are downloaded once, or put in place by hand", default=False
    )

    optimizer: Literal["adamw", "adam", "nadamw", "radam", "lamb", "lion", "adan", "rmsproptf", "sgd"] = user(
        "How weights follow gradients, by timm's name", default="adamw"
    )
    lr0: float = user(
        "Learning rate after warm-up; about 0.001 for adamw, a tenth of that for lion, 0.05 for sgd",
        default=0.001,
        gt=0,
        le=10,
    )
    momentum: float = developer(
        "Momentum of sgd and rmsproptf; the others keep their own betas", default=0.9, ge=0, lt=1
    )
    layer_decay: float = developer(
        "What each stage's learning rate is of the next one's, seen from the head; 1: the same everywhere",
        default=1.0,
        gt=0,
        le=1,
    )
    schedule: Literal["cosine", "tanh", "poly", "step", "constant"] = user(
        "How the learning rate falls, by timm's name", default="cosine"
    )
    lrf: float = developer(
        "Last learning rate of the cosine, tanh and poly schedules, as a share of lr0", default=0.01, ge=0, le=1
    )
    step_gamma: float = developer(
        "Schedule step: what each drop multiplies by; poly: the power", default=0.1, gt=0, le=4
    )

    drop: Probability = user("Dropout before the head", default=0.0)
    drop_path: Probability = user("Stochastic depth: chance that a block is left out; about 0.1", default=0.0)
    interpolation: Literal["auto", "bilinear", "bicubic"] = developer(
        "How images are resized; auto: as those that the model's weights were trained on", default="auto"
    )

    auto_augment: Policy = user(
        "RandAugment or AutoAugment, as timm writes them, besides the other changes; empty: off",
        expected="a policy as timm writes it, such as rand-m9-mstd0.5-inc1, v0 or original-mstd0.5",
        default="",
    )
    mixup: float = user(
        "Mixup's alpha: pairs of images are blended, and so are their targets; 0: off", default=0.0, ge=0
    )
    cutmix: float = user("CutMix's alpha: a part of each image is another's; 0: off", default=0.0, ge=0)
    mix_prob: Probability = developer("Chance that a batch is mixed at all", default=1.0)
    mix_switch: Probability = developer("Chance of CutMix rather than Mixup, where both are on", default=0.5)
