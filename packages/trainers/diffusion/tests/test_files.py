"""What is delivered draws what was trained: loaded again by diffusers, from both files."""

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from eyebright_diffusion import files
from eyebright_diffusion.adapters import Adapters, adapted
from eyebright_diffusion.base import pipeline
from eyebright_diffusion.built import TINY, base_of
from eyebright_diffusion.config import LoraConfig

CONFIG = LoraConfig(rank=8, alpha=32.0, gradient_checkpointing=False)
BASE = base_of(TINY, "tiny")
BOTH = pytest.mark.parametrize("with_text", [False, True], ids=["unet", "unet and text encoder"])


def learned(with_text: bool) -> Adapters:
    """Adapters that change much."""
    model = adapted(CONFIG, BASE, TINY.unet(), TINY.text_encoder() if with_text else None)
    numbers = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=numbers) * 0.2)
    return model


def drawn(pipe: StableDiffusionPipeline) -> torch.Tensor:
    pipe.set_progress_bar_config(disable=True)
    numbers = torch.Generator().manual_seed(1)
    made = pipe("sks", num_inference_steps=3, height=64, width=64, generator=numbers, output_type="pt")
    return torch.as_tensor(made.images)


def trained(model: Adapters) -> torch.Tensor:
    pipe = pipeline(TINY)
    pipe.unet = model.networks["unet"]
    pipe.text_encoder = model.networks.get("text_encoder", pipe.text_encoder)
    with model.worn():
        return drawn(pipe)


def loaded(folder, name: str) -> torch.Tensor:
    pipe = pipeline(TINY)
    pipe.load_lora_weights(folder, weight_name=name)
    return drawn(pipe)


@BOTH
def test_diffusers_own_form_draws_the_very_same_pictures(tmp_path, with_text: bool):
    model = learned(with_text)
    files.write_diffusers(tmp_path / files.DIFFUSERS, model, CONFIG)
    assert torch.equal(loaded(tmp_path, files.DIFFUSERS), trained(model))
    assert not torch.allclose(trained(model), drawn(pipeline(TINY)), atol=0.01)


@BOTH
def test_kohyas_form_draws_the_same_pictures(tmp_path, with_text: bool):
    model = learned(with_text)
    files.write_kohya(tmp_path / files.KOHYA, model, CONFIG, "sks")
    torch.testing.assert_close(loaded(tmp_path, files.KOHYA), trained(model), atol=1e-4, rtol=0)


def test_without_alpha_the_pictures_would_be_others(tmp_path):
    """So the first test would see it."""
    model = learned(False)
    save_file(files.named(model), tmp_path / files.DIFFUSERS)
    assert not torch.allclose(loaded(tmp_path, files.DIFFUSERS), trained(model), atol=0.01)


def test_the_same_weights_are_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        files.write_diffusers(tmp_path / name, learned(True), CONFIG)
        files.write_kohya(tmp_path / f"kohya's {name}", learned(True), CONFIG, "Größe")
    for kind in ("", "kohya's "):
        assert (tmp_path / f"{kind}first").read_bytes() == (tmp_path / f"{kind}second").read_bytes()
