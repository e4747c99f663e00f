"""What transformers gives to the training of classifiers."""

from eyebright_torch.classification.framework import Framework
from eyebright_torch.framework import Credits
from eyebright_torch.preprocess import Preprocessing
from eyebright_transformers.classification import models, weights
from eyebright_transformers.classification.config import ClassifierConfig

_HALF = (0.5, 0.5, 0.5)


def rule(_model: str, config: ClassifierConfig) -> Preprocessing:
    """Bytes become −1…1, as all published weights of these models were trained."""
    return Preprocessing(config.imgsz, config.fit, _HALF, _HALF)


FRAMEWORK = Framework(
    config=ClassifierConfig,
    credits=Credits("eyebright-trainer-transformers", "transformers", "Apache-2.0"),
    pretrained=weights.fetch,
    build=models.build,
    stages=models.stages,
    rule=rule,
)
