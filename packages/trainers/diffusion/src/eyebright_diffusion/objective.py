"""What the UNet is asked in one forward pass, and what its answer costs.

objective = Objective(scheduler, config.min_snr_gamma, config.noise_offset)
question = objective.ask(latents, torch.Generator(device).manual_seed(int(rng.integers(1 << 63))))
answer = unet(question.noisy, question.timesteps, encoder_hidden_states).sample
loss = objective.loss(answer, question)
"""

from dataclasses import dataclass

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from torch.nn import functional

from eyebright_kit.errors import ConfigInvalid

PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class Question:
    """Of N images: `noisy` latents [N, C, H, W] at `timesteps` [N], the `target` [N, C, H, W] that the UNet is to answer, and
    the `weights` [N] of the images' losses. Everything but the timesteps is float32."""

    noisy: torch.Tensor
    timesteps: torch.Tensor
    target: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Objective:
    """Whether the UNet answers the noise or the velocity is the scheduler's to say.

    `min_snr_gamma`: the loss of timesteps with little noise counts less, by min(SNR, gamma) as Hang et al. propose (Efficient
    Diffusion Training via Min-SNR Weighting Strategy, 2023, https://arxiv.org/abs/2303.09556, where it is 5); 0 for none.
    `noise_offset`: how much of the noise is the same all over a channel, from which very dark and very bright images are learned
    (https://www.crosslabs.org/blog/diffusion-with-offset-noise, about 0.1); 0 for none.
    """

    scheduler: DDPMScheduler
    min_snr_gamma: float = 0.0
    noise_offset: float = 0.0

    def __post_init__(self) -> None:
        if self._prediction not in PREDICTIONS:
            raise ConfigInvalid(
                f"the base model predicts {self._prediction!r}; known are {' and '.join(PREDICTIONS)}. Take another base_model"
            )

    def ask(self, latents: torch.Tensor, rng: torch.Generator) -> Question:
        """Latents [N, C, H, W] as the UNet knows them, that is times the autoencoder's scaling factor. Draws from `rng` alone,
        which is of the latents' device; waits for nothing there."""
        latents = latents.float()  # in fp16 the noise of the last timesteps would lose its last bits
        noise = self._noise(latents, rng)
        timesteps = torch.randint(len(self.scheduler), (len(latents),), generator=rng, device=latents.device)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        target = noise if self._prediction == "epsilon" else self.scheduler.get_velocity(latents, noise, timesteps)
        return Question(noisy, timesteps, target, self.weights(timesteps))

    def loss(self, answer: torch.Tensor, question: Question) -> torch.Tensor:
        """The mean over images of their weighted mean squared errors, in float32."""
        errors = functional.mse_loss(answer.float(), question.target, reduction="none")
        return (errors.flatten(1).mean(1) * question.weights).mean()

    def weights(self, timesteps: torch.Tensor) -> torch.Tensor:
        """[N], of timesteps [N]."""
        if not self.min_snr_gamma:
            return torch.ones_like(timesteps, dtype=torch.float32)
        snr = compute_snr(self.scheduler, timesteps)
        if self._prediction == "epsilon":
            return (self.min_snr_gamma / snr).clamp(max=1)  # the limit where a schedule ends in noise alone, too
        return snr.clamp(max=self.min_snr_gamma) / (snr + 1)

    @property
    def _prediction(self) -> str:
        return self.scheduler.config["prediction_type"]

    def _noise(self, latents: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        noise = _normal(latents.shape, rng)
        if self.noise_offset:
            noise += self.noise_offset * _normal((*latents.shape[:2], 1, 1), rng)
        return noise


def _normal(shape: tuple[int, ...], rng: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=rng, device=rng.device)
