import pytest
import torch
from diffusers import DDPMScheduler
from tiny import a_scheduler

from eyebright_diffusion.objective import Objective
from eyebright_kit.errors import ConfigInvalid

PREDICTIONS = ("epsilon", "v_prediction")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn((6, 4, 8, 12), generator=rng(7))


def signal_and_noise(scheduler: DDPMScheduler, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The factors of latents and noise, from the schedule's definition."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    signal = torch.cumprod(1 - betas, 0)[timesteps]
    return signal.sqrt()[:, None, None, None], (1 - signal).sqrt()[:, None, None, None]


def test_noise_is_what_is_left_when_the_latents_are_taken_away(latents: torch.Tensor):
    scheduler = a_scheduler()
    asked = Objective(scheduler).ask(latents, rng())
    signal, noise = signal_and_noise(scheduler, asked.timesteps)
    torch.testing.assert_close(((asked.noisy - signal * latents) / noise).float(), asked.target, rtol=1e-3, atol=1e-4)


def test_velocity_gives_the_latents_back(latents: torch.Tensor):
    """Salimans and Ho 2022: x = alpha z - sigma v."""
    scheduler = a_scheduler("v_prediction")
    asked = Objective(scheduler).ask(latents, rng())
    signal, noise = signal_and_noise(scheduler, asked.timesteps)
    torch.testing.assert_close((signal * asked.noisy - noise * asked.target).float(), latents, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_given_generator_alone_decides(prediction: str, latents: torch.Tensor):
    objective = Objective(a_scheduler(prediction), min_snr_gamma=5, noise_offset=0.1)
    torch.manual_seed(1)
    before, first = torch.get_rng_state(), objective.ask(latents, rng())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = objective.ask(latents, rng()), objective.ask(latents, rng(1))
    for name in ("noisy", "timesteps", "target", "weights"):
        assert torch.equal(getattr(first, name), getattr(again, name)), name
    assert not torch.equal(first.noisy, other.noisy)
    assert not torch.equal(first.timesteps, other.timesteps)


def test_timesteps_come_from_the_whole_schedule():
    asked = Objective(a_scheduler()).ask(torch.zeros(20_000, 1, 1, 1), rng())
    assert (asked.timesteps.min(), asked.timesteps.max()) == (0, 999)
    assert asked.timesteps.float().mean() == pytest.approx(499.5, abs=8)


def test_noise_offset_moves_whole_channels():
    objective = Objective(a_scheduler(), noise_offset=0.5)
    means = objective.ask(torch.zeros(500, 4, 16, 16), rng()).target.mean((2, 3))
    assert means.std().item() == pytest.approx(0.5, rel=0.05)  # without it 1/16
    assert Objective(a_scheduler()).ask(torch.zeros(500, 4, 16, 16), rng()).target.mean((2, 3)).std() < 0.07


@pytest.mark.parametrize("gamma", [1.0, 5.0, 20.0])
def test_min_snr_weights_are_the_papers(gamma: float):
    """Hang et al., section 3.4: min(SNR, gamma) / SNR where noise is predicted, / (SNR + 1) where velocity is."""
    timesteps = torch.arange(1000)
    signal, noise = signal_and_noise(a_scheduler(), timesteps)
    snr = ((signal / noise) ** 2).flatten()
    capped = torch.minimum(snr, torch.tensor(gamma, dtype=snr.dtype))
    for prediction, expected in (("epsilon", capped / snr), ("v_prediction", capped / (snr + 1))):
        found = Objective(a_scheduler(prediction), min_snr_gamma=gamma).weights(timesteps)
        torch.testing.assert_close(found, expected.float(), rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_schedule_that_ends_in_noise_alone_has_finite_weights(prediction: str):
    objective = Objective(a_scheduler(prediction, rescale_betas_zero_snr=True), min_snr_gamma=5)
    assert objective.weights(torch.tensor([999])).item() == (1.0 if prediction == "epsilon" else 0.0)


def test_the_loss_is_the_mean_of_the_images_weighted_losses(latents: torch.Tensor):
    objective = Objective(a_scheduler(), min_snr_gamma=5)
    asked = objective.ask(latents, rng())
    assert objective.loss(asked.target, asked) == 0
    answer = asked.target + torch.arange(6)[:, None, None, None]  # the error of image n is n
    expected = (torch.arange(6) ** 2 * asked.weights).mean()
    torch.testing.assert_close(objective.loss(answer.half().float(), asked), expected, rtol=1e-2, atol=1e-2)


def test_halves_are_asked_in_full_precision(latents: torch.Tensor):
    objective = Objective(a_scheduler())
    asked = objective.ask(latents.half(), rng())
    assert torch.equal(asked.noisy, objective.ask(latents.half().float(), rng()).noisy)
    assert asked.noisy.dtype == asked.target.dtype == torch.float32
    assert objective.loss(asked.target.half(), asked).dtype == torch.float32


def test_a_base_model_that_predicts_something_else_is_refused():
    with pytest.raises(ConfigInvalid, match="predicts 'sample'; known are epsilon and v_prediction"):
        Objective(a_scheduler("sample"))
