"""The settings that image classification adds to those of every run. A trainer derives its own from them."""

from typing import Literal

from pydantic import ConfigDict

from eyebright_torch.config import PlacedConfig, Probability, developer, user


class ClassificationConfig(PlacedConfig):
    """What to begin from, what counts as right, and how training images are varied."""

    model_config = ConfigDict(title="Image classification")

    # The model
    pretrained: bool = user(
        "Begin from ImageNet weights; they are downloaded once, or put in place by hand", default=False
    )
    label_smoothing: float = user("Share of the target spread over all classes", default=0.05, ge=0, lt=1)
    fit: Literal["crop", "stretch", "pad"] = developer(
        "How an oblong image becomes a square: cut off the ends, squeeze, or add bars", default="crop"
    )

    # Augmentation of training images
    erasing: Probability = user("Chance that a random rectangle is erased", default=0.0)
