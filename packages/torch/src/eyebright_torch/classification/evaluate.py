"""Runs a model over a split: quickly for the short verdict of an epoch, or exactly for the raw outputs of every image."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from eyebright_torch.classification.data import Batch
from eyebright_torch.classification.metrics import TOP5_FROM, Logits, Scores
from eyebright_torch.colour import normalised
from eyebright_torch.distributed import Ranks
from eyebright_torch.hardware import Hardware, exactly
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.task import Tick


@torch.inference_mode()
def score(
    model: nn.Module, batches: Iterable[Batch], rule: Preprocessing, hardware: Hardware, ranks: Ranks, tick: Tick
) -> Scores:
    """The verdict over all ranks' batches, summed on the device: nothing waits for it before the end."""
    model.eval()
    sums = torch.zeros(4, dtype=hardware.sums, device=hardware.device)  # loss, right, among the best five, seen
    classes = 0
    for batch in batches:
        tick()
        images = normalised(batch.pixels, rule)
        with hardware.autocast():
            logits = model(images).float()
        classes = logits.shape[1]
        sums += _sums(logits, batch.labels).to(sums.dtype)
    loss, right, among, seen = ranks.total(sums).tolist()
    return Scores(loss / seen, right / seen, among / seen if classes >= TOP5_FROM else None)


@torch.inference_mode()
def logits(model: nn.Module, batches: Iterable[Batch], rule: Preprocessing, tick: Tick) -> Logits:
    """The raw outputs [N, classes] in full float32, in the order of the batches."""
    model.eval()
    parts = []
    with exactly():
        for batch in batches:
            tick()
            parts.append(model(normalised(batch.pixels, rule)).float())
    return np.concatenate([part.cpu().numpy() for part in parts])


def _sums(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    loss = functional.cross_entropy(logits, labels, reduction="sum")
    best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    return torch.stack([loss, best[:, 0].sum(), best.sum(), torch.full_like(loss, len(labels))])
