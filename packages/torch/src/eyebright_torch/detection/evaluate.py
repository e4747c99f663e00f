"""Runs a model over a split and gathers what it finds, in pixels of the square."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from pycocotools import mask as run_lengths
from torch import nn
from torch.nn import functional

from eyebright_kit.errors import NanLoss
from eyebright_torch.colour import normalised
from eyebright_torch.detection.data import Batch
from eyebright_torch.detection.decode import Finds, decoded
from eyebright_torch.detection.objects import Lengths
from eyebright_torch.hardware import Hardware, exactly
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.task import Tick


@dataclass(frozen=True)
class Seen:
    """What was found in one image; boxes in pixels of the square, masks of that size where the model tells them."""

    finds: Finds
    masks: tuple[Lengths, ...] | None = None


@dataclass(frozen=True)
class Reading:
    """How answers become finds."""

    side: int
    limit: int
    suppression: float | None

    def __call__(self, answer: Sequence[torch.Tensor]) -> Iterator[Seen]:
        """Of a batch, image by image."""
        boxes, scores = (part.float().cpu().numpy() for part in answer[:2])
        for row in range(len(boxes)):
            finds = decoded(boxes[row], scores[row], self.limit, self.suppression)
            masks = self._masks(answer[2][row], finds) if len(answer) > 2 else None
            yield Seen(replace(finds, boxes=finds.boxes * self.side), masks)

    def _masks(self, masks: torch.Tensor, finds: Finds) -> tuple[Lengths, ...]:
        """A find may share its mask with another of another class: each is made large once."""
        rows, places = np.unique(finds.rows, return_inverse=True)
        made = [self._lengths(masks[row]) for row in rows.tolist()]
        return tuple(made[place] for place in places.tolist())

    def _lengths(self, mask: torch.Tensor) -> Lengths:
        large = functional.interpolate(mask[None, None].float(), (self.side, self.side), mode="bilinear")[0, 0]
        return run_lengths.encode(np.asfortranarray((large > 0.5).cpu().numpy().astype(np.uint8)))


@torch.inference_mode()
def seen(
    model: nn.Module, batches: Iterable[Batch], rule: Preprocessing, hardware: Hardware, reading: Reading, tick: Tick
) -> list[Seen]:
    """What the model finds in each image, in their order; in the run's own precision.

    Raises NanLoss when it answers what is no number, which no threshold would tell from nothing found.
    """
    model.eval()
    found: list[Seen] = []
    for batch in batches:
        tick()
        with hardware.autocast():
            answer = model(normalised(batch.pixels, rule))
        if any(part.isnan().any() for part in answer):
            raise NanLoss("the model answers nan for validation images: training diverged; lower lr0 or set amp=off")
        found.extend(reading(answer))
    return found


@torch.inference_mode()
def answers(
    model: nn.Module, batches: Iterable[Batch], rule: Preprocessing, tick: Tick
) -> Iterator[tuple[torch.Tensor, ...]]:
    """The raw answers in full float32 on the CPU, batch by batch."""
    model.eval()
    for batch in batches:
        tick()
        with exactly():
            answer = model(normalised(batch.pixels, rule))
        yield tuple(part.float().cpu() for part in answer)
