"""What transformers gives to the training of segmenters. Means and deviations are those of ImageNet, as the authors took."""

from eyebright_torch.framework import Credits
from eyebright_torch.segmentation.framework import Framework
from eyebright_transformers.semantic_segmentation import models, weights
from eyebright_transformers.semantic_segmentation.config import SegmenterConfig

FRAMEWORK = Framework(
    config=SegmenterConfig,
    credits=Credits("eyebright-trainer-transformers", "transformers", "Apache-2.0"),
    pretrained=weights.fetch,
    build=models.build,
    stages=models.stages,
)
