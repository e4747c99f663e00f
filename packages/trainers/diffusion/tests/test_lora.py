"""What a LoRA learns, in numbers."""

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from eyebright_diffusion.files import DIFFUSERS
from eyebright_diffusion.latents import Latents
from eyebright_diffusion.objective import Objective, Question
from eyebright_diffusion.trainer import DiffusionTrainer
from eyebright_kit.data.local import LocalDataset
from eyebright_wire.datasets import Split

LONG = {"epochs": 30, "save_every_epochs": 15, "learning_rate": 0.01, "rank": 8, "batch": 6}
EVERYTHING = {
    "train_text_encoder": True,
    "gradient_checkpointing": False,
    "ema": True,
    "ema_decay": 0.5,
    "min_snr_gamma": 20.0,
    "noise_offset": 0.02,
    "dropout": 0.02,
    "accumulate": 2,
    "batch": 1,
}

fit = DiffusionTrainer().fit


def weights(context) -> dict[str, torch.Tensor]:
    return load_file(context.output / DIFFUSERS)


@pytest.mark.parametrize("given", [{}, EVERYTHING], ids=["plain", "with everything"])
def test_noise_is_taken_away_from_the_images_better_and_better(given: dict[str, object], job):
    context = job.context(**{**LONG, **given})
    fit(context)
    halfway, end = [told["fixed_loss"] for told in context.desk.epochs if "fixed_loss" in told]
    assert end < 0.95 * halfway


@pytest.mark.parametrize("with_text", [False, True], ids=["unet", "unet and text encoder"])
def test_half_precision_learns_keeps_and_draws_in_full(with_text: bool, job, monkeypatch):
    """As on a GPU: the base in halves, the adapters, the autoencoder and what is delivered in float32."""
    decoded = []
    decode = AutoencoderKL.decode

    def watched(self, latents, *rest, **more):
        found = decode(self, latents, *rest, **more)
        decoded.append((latents.dtype, found.sample.dtype))
        return found

    monkeypatch.setattr(AutoencoderKL, "decode", watched)
    drawing = {"validation_prompts": ["sks"], "validation_steps": 2, "validation_every_epochs": 0}
    context = job.context(amp="bf16", epochs=2, train_text_encoder=with_text, **drawing)
    assert 0.1 < fit(context).metrics["loss"] < 10
    assert decoded == [(torch.float32, torch.float32)]
    assert {tensor.dtype for tensor in weights(context).values()} == {torch.float32}


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(job):
    one, again, other = (job.context(seed=seed) for seed in (3, 3, 4))
    assert fit(one).metrics == fit(again).metrics != fit(other).metrics
    assert (one.output / DIFFUSERS).read_bytes() == (again.output / DIFFUSERS).read_bytes()
    assert one.desk.epochs == again.desk.epochs


def test_what_is_accumulated_teaches_what_one_large_batch_does(job, images, monkeypatch):
    """The same questions of the same images, whatever was drawn for them."""
    monkeypatch.setattr(Latents, "draw", lambda self, images, rng, device: self.means(images, device))
    monkeypatch.setattr(Objective, "ask", _always_the_same)
    squares = [sample for sample in images.samples(Split.TRAIN) if sample.width == sample.height]
    alike = LocalDataset(images.root, (), {Split.TRAIN: tuple(squares)})
    learned = []
    for given in ({"batch": 3}, {"batch": 1, "accumulate": 3}, {"batch": 1}):
        context = job.context(epochs=1, learning_rate=0.01, **given)
        context.data = alike
        fit(context)
        learned.append((context.desk.progress_made[-1].step, weights(context)))
    (_, large), (_, small), (_, alone) = learned
    assert [steps for steps, _ in learned] == [1, 1, 3]
    for name, tensor in large.items():
        torch.testing.assert_close(small[name], tensor, rtol=1e-3, atol=1e-4)
    assert any((alone[name] - tensor).abs().max() > 0.005 for name, tensor in large.items())


def _always_the_same(self: Objective, latents: torch.Tensor, _rng: torch.Generator) -> Question:
    noise = torch.randn(latents.shape[1:], generator=torch.Generator().manual_seed(8)).expand_as(latents)
    timesteps = torch.full((len(latents),), 400)
    noisy = self.scheduler.add_noise(latents, noise, timesteps)
    return Question(noisy, timesteps, noise, torch.ones(len(latents)))
