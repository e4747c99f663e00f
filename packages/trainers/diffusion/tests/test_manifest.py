"""What the trainer says about itself is so."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from eyebright_diffusion.adapters import adapted
from eyebright_diffusion.built import FULL_SIZE, TINY, Built, base_of
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.manifest import MODELS


@pytest.mark.parametrize(("built", "model"), [(FULL_SIZE, "sd15"), (TINY, "tiny")])
def test_a_model_has_the_parameters_that_are_told(built: Built, model: str):
    """Of which preflight makes its forecast. Without memory: only shapes are made."""
    (told,) = (known for known in MODELS if known.name == model)
    with torch.device("meta"):
        unet = UNet2DConditionModel(**built.unet_settings).requires_grad_(False)
    frozen = sum(parameter.numel() for parameter in unet.parameters())
    model = adapted(LoraConfig(gradient_checkpointing=False), base_of(built, model), unet, None)
    assert (told.parameters, told.frozen) == (sum(p.numel() for p in model.parameters()), frozen)


def test_patience_is_counted_where_models_are_compared():
    with pytest.raises(ValueError, match="save_every_epochs=10"):
        LoraConfig(patience=3)
    assert LoraConfig(patience=10).patience == 10


def test_pictures_are_drawn_after_epochs_that_are_closed():
    config = LoraConfig(epochs=21, save_every_epochs=10, validation_prompts=("sks",), validation_every_epochs=7)
    assert [epoch for epoch in range(1, 22) if config.closes(epoch)] == [7, 10, 14, 20, 21]
    assert [epoch for epoch in range(1, 22) if config.draws(epoch)] == [7, 14, 21]
