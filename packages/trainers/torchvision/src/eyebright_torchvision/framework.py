"""What torchvision gives to the training of classifiers."""

from eyebright_torch.classification.framework import Framework, Variation
from eyebright_torch.framework import Credits
from eyebright_torchvision import models, weights
from eyebright_torchvision.config import TorchvisionConfig
from eyebright_torchvision.randaugment import randaugment

FRAMEWORK = Framework(
    config=TorchvisionConfig,
    credits=Credits("eyebright-trainer-torchvision", "torchvision", "BSD-3-Clause"),
    pretrained=weights.fetch,
    build=lambda model, classes, _config, pretrained: models.build(
        model, classes, pretrained.tensors if pretrained else None
    ),
    stages=models.stages,
    variation=lambda config, _rule, _classes: Variation(distort=randaugment(config)),
)
