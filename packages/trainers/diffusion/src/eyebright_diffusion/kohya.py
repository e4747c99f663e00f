"""A LoRA as kohya's sd-scripts write it, which AUTOMATIC1111, ComfyUI, InvokeAI and others read.

    from safetensors.torch import save_file

    header = kohya.metadata(config.rank, config.alpha, title="My style", trigger="sks")
    save_file(kohya.converted(lora, config.alpha), path, header)

diffusers' own `load_lora_weights` reads such a file, too.
"""

from collections.abc import Mapping

import torch
from diffusers.utils import convert_state_dict_to_kohya

_ENCODER, _OF_OLD = "text_encoder.", "text_encoder.text_model."
_SECOND = 1024  # numbers to each token in Stable Diffusion 2.x


def converted(lora: Mapping[str, torch.Tensor], alpha: float) -> dict[str, torch.Tensor]:
    """`lora` is what `pytorch_lora_weights.safetensors` holds: peft's names below `unet.` and `text_encoder.`.

    diffusers' converter knows the names; but it makes alpha the rank, which changes the strength of what was learned, and calls
    the only text encoder the first of two.
    """
    named = convert_state_dict_to_kohya({compatible(name): tensor.contiguous() for name, tensor in lora.items()})
    return {
        name.replace("lora_te1_", "lora_te_"): torch.tensor(float(alpha)) if name.endswith(".alpha") else tensor
        for name, tensor in named.items()
    }


def compatible(name: str) -> str:
    """A weight's name as every version of transformers reads it. The fifth took `text_model` out of the text encoder's names,
    and diffusers still reads it there; older versions and other programs read nothing else."""
    if name.startswith(_ENCODER) and not name.startswith(_OF_OLD):
        return f"{_OF_OLD}{name.removeprefix(_ENCODER)}"
    return name


def metadata(rank: int, alpha: float, *, title: str, trigger: str = "", text_width: int = 768) -> dict[str, str]:
    """What such programs show about a file: kohya's names, and those of the model specification
    (https://github.com/Stability-AI/ModelSpec). By the base's generation some hide what does not fit: the second one is known by
    the width of its texts (`text_width`)."""
    second = text_width == _SECOND
    said = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(float(alpha)),
        "ss_base_model_version": "sd_v2" if second else "sd_v1",
        "ss_v2": str(second),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v2-512/lora" if second else "stable-diffusion-v1/lora",
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": title,
    }
    return {**said, "modelspec.trigger_phrase": trigger} if trigger else said
