"""The settings that semantic segmentation adds to those of every run. A trainer derives its own from them."""

from typing import Literal

from pydantic import ConfigDict

from eyebright_torch.config import PlacedConfig, developer, user


class SegmentationConfig(PlacedConfig):
    """What counts as right, and how images become squares."""

    model_config = ConfigDict(title="Semantic segmentation")

    imgsz: int = user("Side of the square that the model sees", "pixels", default=512, ge=32, le=2048)
    batch: int = user(
        "Images per optimiser step, over all processes; all there are, if they are fewer",
        "images",
        default=8,
        ge=2,
        le=65_536,
    )
    label_smoothing: float = user("Share of the target spread over all classes", default=0.0, ge=0, lt=1)
    fit: Literal["stretch", "pad"] = developer(
        "How an oblong image becomes a square: squeeze it, or add bars", default="stretch"
    )
