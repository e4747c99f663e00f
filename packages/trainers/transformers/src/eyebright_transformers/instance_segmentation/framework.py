"""What transformers gives to the training of instance segmenters."""

from eyebright_torch.detection.framework import Framework
from eyebright_torch.framework import Credits
from eyebright_transformers.instance_segmentation import models, weights
from eyebright_transformers.instance_segmentation.config import InstanceConfig
from eyebright_transformers.optim import slower_below

FRAMEWORK = Framework(
    config=InstanceConfig,
    credits=Credits("eyebright-trainer-transformers", "transformers", "Apache-2.0"),
    pretrained=weights.fetch,
    build=models.build,
    stages=models.stages,
    optimizer=slower_below(models.backbone),
    outlines=True,
)
