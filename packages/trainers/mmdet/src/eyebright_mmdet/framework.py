"""What MMDetection gives to the training of detectors."""

from typing import Any

from eyebright_mmdet import configs, models, weights
from eyebright_mmdet.config import MMDetConfig
from eyebright_torch.detection.framework import Framework
from eyebright_torch.framework import Credits
from eyebright_torch.preprocess import Preprocessing


def framework(model: str) -> Framework:
    """For one model, because each has an overlap of its own from which the weaker of two boxes is dropped."""
    return Framework(
        config=MMDetConfig,
        credits=Credits("eyebright-trainer-mmdet", "mmdet", "Apache-2.0"),
        pretrained=weights.fetch,
        build=models.build,
        stages=models.stages,
        rule=rule,
        suppression=configs.suppression(model),
    )


def rule(model: str, config: MMDetConfig) -> Preprocessing:
    """With the means and deviations that the model's weights were trained with, which MMDetection counts in bytes."""
    told: Any = configs.model(model, 1).get("data_preprocessor") or {}
    mean, std = told.get("mean") or (0.0, 0.0, 0.0), told.get("std") or (1.0, 1.0, 1.0)
    towards_rgb = 1 if told.get("bgr_to_rgb") else -1
    return Preprocessing(config.imgsz, config.fit, _shares(mean[::towards_rgb]), _shares(std[::towards_rgb]))


def _shares(values: Any) -> tuple[float, ...]:
    return tuple(value / 255 for value in values)
