"""The published encoders of SegFormer."""

from eyebright_torch.weights import Pretrained
from eyebright_transformers.hub import on_the_hub

_LICENCE = "NVIDIA Source Code License for SegFormer, which forbids commercial use"


def fetch(model: str) -> Pretrained:
    """Raises ConfigInvalid when they are neither on this machine nor to be had, saying which file belongs where."""
    size = model.removeprefix("segformer-")
    return on_the_hub(f"nvidia/mit-{size}", _LICENCE, "pytorch_model.bin").fetch()
