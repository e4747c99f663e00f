"""What timm gives to the training of classifiers."""

import timm

from eyebright_timm import models, weights
from eyebright_timm.config import TimmConfig
from eyebright_timm.mixing import mixing
from eyebright_timm.optim import optimizer
from eyebright_timm.policy import policy
from eyebright_timm.schedule import learning_rate
from eyebright_torch.classification.framework import Framework, Variation
from eyebright_torch.framework import Credits
from eyebright_torch.preprocess import Preprocessing


def rule(model: str, config: TimmConfig) -> Preprocessing:
    """With the means, deviations and interpolation that the model's weights were trained with."""
    models.check_known(model)
    told = timm.get_pretrained_cfg(model)
    if told is None:
        return Preprocessing(config.imgsz, config.fit, interpolation=_interpolation(config, "bicubic"))
    return Preprocessing(config.imgsz, config.fit, told.mean, told.std, _interpolation(config, told.interpolation))


def _interpolation(config: TimmConfig, told: str) -> str:
    if config.interpolation != "auto":
        return config.interpolation
    return told if told in ("bilinear", "bicubic") else "bicubic"


FRAMEWORK = Framework(
    config=TimmConfig,
    credits=Credits("eyebright-trainer-timm", "timm", "Apache-2.0"),
    pretrained=weights.fetch,
    build=models.build,
    stages=models.stages,
    rule=rule,
    optimizer=optimizer,
    learning_rate=learning_rate,
    variation=lambda config, model_rule, classes: Variation(policy(config, model_rule), mix=mixing(config, classes)),
)
