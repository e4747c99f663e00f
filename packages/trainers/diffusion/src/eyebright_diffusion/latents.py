"""What the autoencoder makes of each image, computed once: the mean and the deviation that latents are drawn with.

The published example draws latents anew whenever an image is seen. So do we, from what is kept; only the network that would say
the same each time is asked once, and then leaves memory.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageOps

from eyebright_diffusion.buckets import Size, fitted
from eyebright_kit.data.local import LocalSample
from eyebright_kit.errors import DatasetInvalid
from eyebright_torch.hardware import Hardware
from eyebright_torch.order import Indices
from eyebright_torch.preprocess import UNREADABLE, rgb


@dataclass(frozen=True)
class Latents:
    """Of each image, [2 C, h, w] in float32 on the CPU: its mean, then its deviation, both times the scaling factor."""

    kept: Sequence[torch.Tensor]

    def __len__(self) -> int:
        return len(self.kept)

    def draw(self, images: Indices, rng: np.random.Generator, device: torch.device) -> torch.Tensor:
        """[N, C, h, w], of images of one bucket. Draws on the CPU: each device is given the same numbers."""
        mean, deviation = self._taken(images).chunk(2, dim=1)
        noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32))
        return (mean + deviation * noise).to(device, non_blocking=True)

    def means(self, images: Indices, device: torch.device) -> torch.Tensor:
        """[N, C, h, w], without chance."""
        return self._taken(images).chunk(2, dim=1)[0].to(device, non_blocking=True)

    def _taken(self, images: Indices) -> torch.Tensor:
        return torch.stack([self.kept[image] for image in images])


@torch.no_grad()
def encoded(
    vae: AutoencoderKL,
    samples: Sequence[LocalSample],
    sizes: Iterable[Size],
    hardware: Hardware,
    tick: Callable[[], None],
) -> Latents:
    """One image at a time, so that none depends on its neighbours. Raises DatasetInvalid naming the file that cannot be decoded.

    In float32 whatever the run computes in: in fp16 this autoencoder is known to overflow.
    """
    vae = vae.to(hardware.device)
    kept: list[torch.Tensor] = []
    for sample, size in zip(samples, sizes, strict=True):
        tick()
        told = vae.encode(_pixels(sample, size).to(hardware.device)).latent_dist
        both = torch.cat([told.mean - _shift(vae), told.std], dim=1) * vae.config["scaling_factor"]
        kept.append(both[0].cpu().clone())
    return Latents(kept)


def _shift(vae: AutoencoderKL) -> float:
    return vae.config.get("shift_factor") or 0.0


def _pixels(sample: LocalSample, size: Size) -> torch.Tensor:
    """[1, 3, height, width], from -1 to 1."""
    try:
        with Image.open(sample.path) as opened:
            image = fitted(rgb(ImageOps.exif_transpose(opened)), size)
    except UNREADABLE as error:
        raise DatasetInvalid(
            f"{sample.source or sample.path.name} cannot be decoded ({error}); replace or remove it and import again"
        ) from error
    pixels = torch.from_numpy(np.array(image, dtype=np.float32))
    return (pixels / 127.5 - 1).permute(2, 0, 1).unsqueeze(0)
