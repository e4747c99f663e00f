"""Images and their masks on their way to the device: a mask is the fourth channel of its image, so that both stay together."""

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.data.local import LocalSample
from eyebright_torch.images import Images
from eyebright_torch.order import Indices
from eyebright_torch.prefetch import prefetched
from eyebright_torch.preprocess import Pixels, Preprocessing, padded, read_square


class MaskedImages(Images):
    """Red, green, blue, and the class of each pixel: IGNORED where nobody knows, and in all of an image without a mask."""

    channels = 4

    def read(self, sample: LocalSample, rule: Preprocessing) -> Pixels:
        square = np.full((rule.imgsz, rule.imgsz, self.channels), IGNORED, dtype=np.uint8)
        square[..., :3] = read_square(sample.path, rule)
        if sample.mask:
            with Image.open(sample.mask) as mask:
                square[..., 3] = np.asarray(squared(mask, rule))
        return square


def squared(mask: Image.Image, rule: Preprocessing) -> Image.Image:
    """As its image is made a square, but no class is mixed with another; bars are IGNORED."""
    size, resampling = (rule.imgsz, rule.imgsz), Image.Resampling.NEAREST
    if mask.size == size:
        return mask
    if rule.fit == "pad":
        return padded(mask, mask.size, rule.imgsz, resampling, IGNORED)
    return mask.resize(size, resampling)


@dataclass(frozen=True)
class Batch:
    """Bytes [N, side, side, 4] on the device that computes."""

    squares: torch.Tensor

    def __len__(self) -> int:
        return len(self.squares)

    @property
    def pixels(self) -> torch.Tensor:
        """[N, side, side, 3]."""
        return self.squares[..., :3]

    @property
    def labels(self) -> torch.Tensor:
        """[N, side, side], int64."""
        return self.squares[..., 3].long()


def batches(images: MaskedImages, steps: Iterable[Indices], device: torch.device) -> Generator[Batch, None, None]:
    """Each step's batch on the device, in order. The next ones are prepared meanwhile; closing the generator ends that."""
    with closing(prefetched(partial(images.batch, pin=device.type == "cuda"), steps)) as prepared:
        for squares in prepared:
            yield Batch(squares.to(device, non_blocking=True))
