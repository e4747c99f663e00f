"""timm's published weights: their full name, address and licence, as timm tells them."""

import timm

from eyebright_kit.errors import ConfigInvalid
from eyebright_timm.models import check_known
from eyebright_torch.published import Published
from eyebright_torch.weights import Pretrained


def fetch(model: str) -> Pretrained:
    """The weights of a model, by its name with or without their tag, downloaded unless the file is there already.

    Raises ConfigInvalid when they are neither there nor to be had, saying which file belongs where; DiskFull without room.
    """
    check_known(model)
    told = timm.get_pretrained_cfg(model)
    if told is None or not told.hf_hub_id:
        raise ConfigInvalid(f"timm publishes no weights of {model} as safetensors; train with pretrained=false")
    name = f"{told.architecture}.{told.tag}" if told.tag else told.architecture
    url = f"https://huggingface.co/{told.hf_hub_id}/resolve/main/model.safetensors"
    return Published(name, url, _terms(name, told.license or "not stated")).fetch()


def _terms(name: str, licence: str) -> str:
    return f"The weights began from {name} of timm (licence: {licence}); the data that those were trained on may have terms too."
