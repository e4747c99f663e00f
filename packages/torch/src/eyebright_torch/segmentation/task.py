"""Semantic segmentation as the loop knows it."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from eyebright_kit.data.annotations import IGNORED
from eyebright_torch.distributed import Ranks
from eyebright_torch.hardware import Hardware
from eyebright_torch.images import in_order
from eyebright_torch.order import Indices
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.segmentation import evaluate
from eyebright_torch.segmentation.augment import Augment
from eyebright_torch.segmentation.config import SegmentationConfig
from eyebright_torch.segmentation.data import Batch, MaskedImages, batches
from eyebright_torch.segmentation.evaluate import Count
from eyebright_torch.task import Goal, Learned, Metrics, Tick

GOAL = Goal("mIoU")


@dataclass(frozen=True)
class Segmentation:
    """Learns which class each pixel is of; judged by how well the areas of the classes are met."""

    config: SegmentationConfig
    hardware: Hardware
    ranks: Ranks
    train: MaskedImages
    val: MaskedImages
    classes: tuple[str, ...]
    rule: Preprocessing
    goal: Goal = GOAL
    tallies: tuple[str, ...] = ("train_pixel_accuracy",)
    augment: Augment = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", Augment(self.config, self.rule))

    def batches(self, steps: Sequence[Indices], epoch: int) -> Generator[Batch, None, None]:
        return batches(self.train, steps, self.hardware.device)

    def learn(self, network: nn.Module, batch: Batch, rng: np.random.Generator) -> Learned:
        """The loss is the mean over the pixels that somebody knows; of a batch without any it is 0."""
        images, labels = self.augment(batch.squares, rng)
        known = (labels != IGNORED).sum().clamp(min=1)
        with self.hardware.autocast():
            logits = network(images)
            loss = evaluate.summed_loss(logits.float(), labels, self.config.label_smoothing) / known
        right = (logits.detach().argmax(dim=1) == labels).sum() / known
        return Learned(loss, (right * len(batch),), len(batch))

    def judge(self, model: nn.Module, tick: Tick) -> Metrics:
        count = Count(self.classes, self.hardware)
        steps = in_order(len(self.val), self.config.batch, self.ranks.rank, self.ranks.world_size)
        with closing(batches(self.val, steps, self.hardware.device)) as loaded:
            evaluate.score(model, loaded, count, self.rule, self.hardware, tick)
        return count.report(self.ranks).as_metrics()
