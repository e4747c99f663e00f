"""Image classification as the loop knows it."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from torch import nn
from torch.nn import functional

from eyebright_torch.classification import evaluate
from eyebright_torch.classification.augment import Augment
from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.classification.data import Batch, batches
from eyebright_torch.classification.framework import Variation
from eyebright_torch.classification.metrics import Labels
from eyebright_torch.distributed import Ranks
from eyebright_torch.draws import Purpose, generator
from eyebright_torch.hardware import Hardware
from eyebright_torch.images import Images, in_order
from eyebright_torch.order import Indices
from eyebright_torch.preprocess import Pixels, Preprocessing
from eyebright_torch.task import Goal, Learned, Metrics, Tick

GOAL = Goal("top1")


@dataclass(frozen=True)
class Classification:
    """Learns which class an image is of; judged by how often the best guess is right."""

    config: ClassificationConfig
    hardware: Hardware
    ranks: Ranks
    train: Images
    val: Images
    train_labels: Labels
    val_labels: Labels
    rule: Preprocessing
    variation: Variation
    goal: Goal = GOAL
    tallies: tuple[str, ...] = ("train_top1",)
    augment: Augment = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", Augment(self.config, self.rule, self.variation.distort))

    def batches(self, steps: Sequence[Indices], epoch: int) -> Generator[Batch, None, None]:
        alter = partial(self._altered, epoch=epoch) if self.variation.image else None
        return batches(self.train, self.train_labels, steps, self.hardware.device, alter)

    def learn(self, network: nn.Module, batch: Batch, rng: np.random.Generator) -> Learned:
        images, targets = self.augment(batch.pixels, rng), batch.labels
        if self.variation.mix:
            images, targets = self.variation.mix(images, batch.labels, rng)
        with self.hardware.autocast():
            logits = network(images)
            loss = functional.cross_entropy(logits, targets, label_smoothing=self.config.label_smoothing)
        right = (logits.detach().argmax(dim=1) == batch.labels).sum()
        return Learned(loss, (right,), len(batch))

    def judge(self, model: nn.Module, tick: Tick) -> Metrics:
        steps = in_order(len(self.val), self.config.batch, self.ranks.rank, self.ranks.world_size)
        with closing(batches(self.val, self.val_labels, steps, self.hardware.device)) as loaded:
            return evaluate.score(model, loaded, self.rule, self.hardware, self.ranks, tick).as_metrics()

    def _altered(self, square: Pixels, index: int, epoch: int) -> Pixels:
        """A stream for each image of each epoch: whichever thread, rank or step takes it, it becomes the same."""
        assert self.variation.image
        return self.variation.image(square, generator(self.config.seed, Purpose.IMAGE, epoch, index))
