"""Runs a segmenter over a split and counts which pixels are taken for what."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from eyebright_kit.data.annotations import IGNORED
from eyebright_torch.colour import normalised
from eyebright_torch.distributed import Ranks
from eyebright_torch.hardware import Hardware, exactly
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.segmentation.data import Batch
from eyebright_torch.segmentation.metrics import Report
from eyebright_torch.task import Tick


@dataclass
class Count:
    """Adds up batch by batch, on the device of the hardware: nothing waits for it before `report`."""

    classes: tuple[str, ...]
    hardware: Hardware
    loss: torch.Tensor = field(init=False)
    pixels: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.loss = torch.zeros((), dtype=self.hardware.sums, device=self.hardware.device)
        self.pixels = torch.zeros(len(self.classes) ** 2, dtype=torch.int64, device=self.hardware.device)

    def add(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Logits [N, classes, S, S] and true classes [N, S, S]."""
        self.loss += summed_loss(logits, labels).to(self.loss.dtype)
        self.pixels += confusion(logits, labels)

    def report(self, ranks: Ranks | None = None) -> Report:
        """Of these ranks together, or of this process."""
        loss, pixels = (ranks.total(self.loss), ranks.total(self.pixels)) if ranks else (self.loss, self.pixels)
        confused = pixels.view(len(self.classes), -1).cpu().numpy()
        return Report(self.classes, confused, loss.item() / max(1, int(confused.sum())))


@torch.inference_mode()
def score(
    model: nn.Module, batches: Iterable[Batch], count: Count, rule: Preprocessing, hardware: Hardware, tick: Tick
) -> None:
    """Quickly, in the run's precision."""
    model.eval()
    for batch in batches:
        tick()
        with hardware.autocast():
            logits = model(normalised(batch.pixels, rule))
        count.add(logits.float(), batch.labels)


@torch.inference_mode()
def judge(
    model: nn.Module, batches: Iterable[Batch], count: Count, rule: Preprocessing, tick: Tick
) -> NDArray[np.float64]:
    """Exactly, in float32; answers the share of each image's known pixels that are right, in the order of the batches."""
    shares = []
    for batch in batches:
        tick()
        logits = exact(model, batch, rule)
        count.add(logits, batch.labels)
        shares.append(_right(logits, batch.labels).cpu().numpy())
    return np.concatenate(shares)


@torch.inference_mode()
def exact(model: nn.Module, batch: Batch, rule: Preprocessing) -> torch.Tensor:
    """The raw outputs [N, classes, S, S] in full float32."""
    model.eval()
    with exactly():
        return model(normalised(batch.pixels, rule)).float()


def summed_loss(logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float = 0.0) -> torch.Tensor:
    """Cross entropy over the pixels that somebody knows, in nats."""
    return functional.cross_entropy(
        logits, labels, ignore_index=IGNORED, reduction="sum", label_smoothing=label_smoothing
    )


def confusion(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """[classes²], int64: how many pixels of each class (rows) are taken for each one (columns)."""
    classes = logits.shape[1]
    known = labels != IGNORED
    pairs = labels[known] * classes + logits.argmax(dim=1)[known]
    return torch.bincount(pairs, minlength=classes**2)


def _right(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """[N]; 1 of an image of which nobody knows anything."""
    wrong = ((logits.argmax(dim=1) != labels) & (labels != IGNORED)).sum(dim=(1, 2))
    return 1 - wrong / (labels != IGNORED).sum(dim=(1, 2)).clamp(min=1)
