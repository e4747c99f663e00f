"""Images and their objects on their way to the device, prepared in the background while the model computes."""

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import torch

from eyebright_torch.detection.objects import Annotations, Objects
from eyebright_torch.images import Images
from eyebright_torch.order import Indices
from eyebright_torch.prefetch import prefetched


@dataclass(frozen=True)
class Batch:
    """Bytes [N, side, side, 3] on the device that computes, and each image's objects on the host."""

    pixels: torch.Tensor
    objects: tuple[Objects, ...]

    def __len__(self) -> int:
        return len(self.objects)


def batches(
    images: Images, annotations: Annotations, steps: Iterable[Indices], device: torch.device
) -> Generator[Batch, None, None]:
    """Each step's batch, in order. The next ones are prepared meanwhile; closing the generator ends that."""
    with closing(prefetched(partial(_prepare, images, annotations, device.type == "cuda"), steps)) as prepared:
        for batch in prepared:
            yield Batch(batch.pixels.to(device, non_blocking=True), batch.objects)


def _prepare(images: Images, annotations: Annotations, pin: bool, step: Indices) -> Batch:
    return Batch(images.batch(step, pin), tuple(annotations[index] for index in step.tolist()))
