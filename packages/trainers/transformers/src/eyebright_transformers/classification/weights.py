"""The published weights of vision transformers."""

from eyebright_torch.weights import Pretrained
from eyebright_transformers.hub import on_the_hub

_REPOSITORIES = {
    "vit-tiny-patch16": "WinKawaks/vit-tiny-patch16-224",
    "vit-small-patch16": "WinKawaks/vit-small-patch16-224",
    "vit-base-patch16": "google/vit-base-patch16-224",
    "vit-large-patch16": "google/vit-large-patch16-224",
}


def fetch(model: str) -> Pretrained:
    """Raises ConfigInvalid when they are neither on this machine nor to be had, saying which file belongs where."""
    return on_the_hub(_REPOSITORIES[model], "Apache-2.0").fetch()
