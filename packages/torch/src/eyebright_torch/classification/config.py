"""The settings that image classification adds to those of every run. A trainer derives its own from them."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from eyebright_torch.config import Probability, RunConfig, developer, user

Jitter = Annotated[float, Field(ge=0, le=1)]


class ClassificationConfig(RunConfig):
    """What to begin from, what counts as right, and how training images are varied."""

    model_config = ConfigDict(title="Image classification")

    # The model
    pretrained: bool = user(
        "Begin from ImageNet weights; they are downloaded once, or put in place by hand", default=False
    )
    freeze: Annotated[int, Field(ge=0, le=50)] | Literal["backbone"] = user(
        'Leading stages of the network that are not trained; "backbone": all but the new head', default=0
    )
    label_smoothing: float = user("Share of the target spread over all classes", default=0.05, ge=0, lt=1)
    fit: Literal["crop", "stretch", "pad"] = developer(
        "How an oblong image becomes a square: cut off the ends, squeeze, or add bars", default="crop"
    )

    # Augmentation of training images
    flip: Probability = user("Chance of a left-right flip; 0 where sides matter, as in digits", default=0.5)
    flip_vertical: Probability = user("Chance of an upside-down flip", default=0.0)
    crop_scale: float = user(
        "Smallest share of the image that a random crop keeps; 1: no crops", default=0.5, gt=0, le=1
    )
    rotate: float = user("Greatest rotation to either side", "degrees", default=0.0, ge=0, le=180)
    translate: float = user("Greatest shift, as a share of the side", default=0.0, ge=0, le=0.5)
    brightness: Jitter = user("Greatest change of brightness", default=0.2)
    contrast: Jitter = user("Greatest change of contrast", default=0.2)
    saturation: Jitter = user("Greatest change of saturation", default=0.2)
    hue: float = user("Greatest turn of the hue, as a share of the colour circle", default=0.0, ge=0, le=0.5)
    erasing: Probability = user("Chance that a random rectangle is erased", default=0.0)

    @property
    def augments_geometry(self) -> bool:
        return self.crop_scale < 1 or self.rotate > 0 or self.translate > 0

    @property
    def augments_colour(self) -> bool:
        return max(self.brightness, self.contrast, self.saturation, self.hue) > 0
