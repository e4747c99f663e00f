"""The settings that detection adds to those of every run. A trainer derives its own from them."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from eyebright_torch.config import Probability, VisionConfig, developer, user


class DetectionConfig(VisionConfig):
    """How large the model sees images, how those are varied, and how much it may find."""

    model_config = ConfigDict(title="Object detection")

    # The run
    epochs: int = user("How often every training image is seen", default=72, ge=1, le=10_000)
    batch: int = user(
        "Images per optimiser step, over all processes; all there are, if they are fewer",
        "images",
        default=16,
        ge=2,
        le=65_536,
    )
    imgsz: int = user("Side of the square that the model sees", "pixels", default=640, ge=32, le=2048, multiple_of=32)
    lr0: float = user("Learning rate after warm-up; about 0.0001 for AdamW", default=0.0001, gt=0, le=10)
    weight_decay: float = user("Weight decay; biases and normalisation are spared", default=0.0001, ge=0, le=1)
    grad_clip: float = developer("Greatest norm of a step's gradient; 0: no limit", default=0.1, ge=0)

    # The model
    fit: Literal["stretch", "pad"] = developer(
        "How an oblong image becomes a square: squeeze, or add bars", default="stretch"
    )

    # Augmentation of training images
    scale: Annotated[float, Field(ge=0, le=4)] = user(
        "Greatest change of size, as a share: 0.5 is from two thirds to half as large again", default=0.5
    )
    translate: float = user("Greatest shift, as a share of the side", default=0.1, ge=0, le=0.5)

    # What is found
    score: Probability = user("A prediction tells of objects with this score or more", default=0.25)
    max_detections: int = developer("Most objects that are found in an image", "objects", default=300, ge=1, le=10_000)

    @property
    def augments_geometry(self) -> bool:
        return self.scale > 0 or self.translate > 0
