"""The published weights of Mask2Former."""

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.weights import Pretrained
from eyebright_transformers.hub import on_the_hub

_OURS = "mask2former-swin-nano"
#: So tells its authors' model zoo, of these very weights; the page on the hub says "other".
_LICENCE = "CC-BY-NC-4.0, which forbids commercial use"


def fetch(model: str) -> Pretrained:
    """Raises ConfigInvalid when there are none, or they are neither on this machine nor to be had, saying which file belongs
    where."""
    if model == _OURS:
        raise ConfigInvalid(
            f"nobody publishes weights of {model}; train with pretrained=false, or take mask2former-swin-tiny, the smallest "
            "that has some"
        )
    return on_the_hub(f"facebook/{model}-coco-instance", _LICENCE).fetch()
