"""The published weights of RT-DETRv2 and D-FINE."""

from eyebright_torch.weights import Pretrained
from eyebright_transformers.hub import on_the_hub

_SIZES = {"n": "nano", "s": "small", "m": "medium", "l": "large", "x": "xlarge"}


def fetch(model: str) -> Pretrained:
    """Raises ConfigInvalid when they are neither on this machine nor to be had, saying which file belongs where."""
    family, _, size = model.partition("-")
    repository = f"ustc-community/dfine-{_SIZES[size]}-coco" if family == "dfine" else f"PekingU/{model}"
    return on_the_hub(repository, "Apache-2.0").fetch()
