"""What the trainer says about itself is so."""

import re

import pytest
import torch
from diffusers import UNet2DConditionModel

from eyebright_diffusion.adapters import adapted
from eyebright_diffusion.built import FULL_SIZE, TINY, Built, base_of
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.manifest import MANIFEST, MODELS

PROPERTIES = MANIFEST.tasks[0].config_schema["properties"]


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


@pytest.mark.parametrize(
    "name", ["", "our-own", "v1.5_x", "owner/name-1.5", "s3://bucket/a folder/", "gs://b/x", "az://b/x"]
)
def test_names_of_base_models_are_taken(name: str):
    assert LoraConfig(base_model=name).base_model == name


@pytest.mark.parametrize(
    "name", ["../../etc", "/etc/passwd", "a/../../b", "a..b", "a/b/c", ".hidden", "https://x/y", "a b"]
)
def test_what_can_be_no_base_model_is_refused_with_the_order(name: str):
    with pytest.raises(ValueError, match="base_model"):
        LoraConfig(base_model=name)
    assert re.search(PROPERTIES["base_model"]["pattern"], name) is None


def test_what_a_pattern_says_to_machines_is_said_in_words_too():
    for told in (*PROPERTIES.values(), PROPERTIES["validation_prompts"]["items"]):
        assert "pattern" not in told or "x-expected" in told


def test_the_tiny_model_takes_no_base():
    assert PROPERTIES["base_model"]["x-not-with-models"] == ["tiny"]
    assert PROPERTIES["trigger"]["x-needed-without"] == "captions"
