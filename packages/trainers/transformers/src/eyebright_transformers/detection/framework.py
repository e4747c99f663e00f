"""What transformers gives to the training of detectors."""

from eyebright_torch.detection.framework import Framework
from eyebright_torch.framework import Credits
from eyebright_torch.preprocess import Preprocessing
from eyebright_transformers.detection import models, weights
from eyebright_transformers.detection.config import DetectorConfig
from eyebright_transformers.optim import slower_below


def rule(_model: str, config: DetectorConfig) -> Preprocessing:
    """Bytes become 0…1, as all published weights of these models were trained."""
    return Preprocessing(config.imgsz, config.fit, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


FRAMEWORK = Framework(
    config=DetectorConfig,
    credits=Credits("eyebright-trainer-transformers", "transformers", "Apache-2.0"),
    pretrained=weights.fetch,
    build=models.build,
    stages=models.stages,
    rule=rule,
    optimizer=slower_below(models.backbone),
)
