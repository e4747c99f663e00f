"""Images and their classes on their way to the device, prepared in the background while the model computes."""

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from eyebright_kit.data.local import LocalSample
from eyebright_kit.errors import DatasetInvalid
from eyebright_torch.classification.metrics import Labels
from eyebright_torch.images import Alter, Images
from eyebright_torch.order import Indices
from eyebright_torch.prefetch import prefetched


@dataclass(frozen=True)
class Batch:
    """Bytes [N, side, side, 3] and class indices [N], on the device that computes."""

    pixels: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


def labels_of(images: Images) -> Labels:
    """[N]. Raises DatasetInvalid naming an image without a class."""
    return np.array([_label(sample) for sample in images.samples], dtype=np.int64)


def batches(
    images: Images, labels: Labels, steps: Iterable[Indices], device: torch.device, alter: Alter | None = None
) -> Generator[Batch, None, None]:
    """Each step's batch on the device, in order. The next ones are prepared meanwhile; closing the generator ends that."""
    with closing(prefetched(partial(_prepare, images, labels, alter, device.type == "cuda"), steps)) as prepared:
        for batch in prepared:
            yield _moved(batch, device)


def _label(sample: LocalSample) -> int:
    if sample.label is None:
        raise DatasetInvalid(
            f"{sample.source or sample.path.name} has no class; classification needs one for each image"
        )
    return sample.label


def _prepare(images: Images, labels: Labels, alter: Alter | None, pin: bool, step: Indices) -> Batch:
    pixels = images.batch(step, pin)
    if alter:
        images.alter(pixels.numpy(), step, alter)
    mine = torch.from_numpy(labels[step])
    return Batch(pixels, mine.pin_memory() if pin else mine)


def _moved(batch: Batch, device: torch.device) -> Batch:
    return Batch(batch.pixels.to(device, non_blocking=True), batch.labels.to(device, non_blocking=True))
