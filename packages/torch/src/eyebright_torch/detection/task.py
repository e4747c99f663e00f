"""Detection as the loop knows it."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from torch import nn

from eyebright_torch.detection import evaluate
from eyebright_torch.detection.augment import Augment
from eyebright_torch.detection.config import DetectionConfig
from eyebright_torch.detection.data import Batch, batches
from eyebright_torch.detection.evaluate import Reading, Seen
from eyebright_torch.detection.metrics import Judge, Verdict
from eyebright_torch.detection.objects import Annotations
from eyebright_torch.distributed import Ranks
from eyebright_torch.hardware import Hardware
from eyebright_torch.images import Images, in_order
from eyebright_torch.order import Indices
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.task import Goal, Learned, Metrics, Tick

#: What the figures of masks are called by, beside those of boxes.
MASK = "mask_"


@dataclass(frozen=True)
class Detection:
    """Learns where objects are and of which class; judged by COCO's mean average precision, of masks where there are any."""

    config: DetectionConfig
    hardware: Hardware
    ranks: Ranks
    train: Images
    val: Images
    rule: Preprocessing
    classes: tuple[str, ...]
    outlines: bool
    suppression: float | None
    tallies: tuple[str, ...]  # the names of the losses that the model tells
    augment: Augment = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", Augment(self.config, self.rule))

    @property
    def goal(self) -> Goal:
        return Goal(MASK + "mAP50-95" if self.outlines else "mAP50-95")

    @cached_property
    def judged_by(self) -> Judge:
        return Judge(self.truth, self.classes)

    @cached_property
    def truth(self) -> Annotations:
        """The objects of the validation split."""
        return Annotations(self.val.samples, self.rule, self.outlines)

    @cached_property
    def reading(self) -> Reading:
        return Reading(self.rule.imgsz, self.config.max_detections, self.suppression)

    def batches(self, steps: Sequence[Indices], epoch: int) -> Generator[Batch, None, None]:
        objects = Annotations(self.train.samples, self.rule, self.outlines)
        return batches(self.train, objects, steps, self.hardware.device)

    def learn(self, network: nn.Module, batch: Batch, rng: np.random.Generator) -> Learned:
        images, targets = self.augment(batch, rng)
        with self.hardware.autocast():
            losses = network(images, targets)
        tallies = [losses[name].detach() * len(batch) for name in self.tallies]
        return Learned(losses["loss"], tallies, len(batch))

    def judge(self, model: nn.Module, tick: Tick) -> Metrics:
        steps = in_order(len(self.val), self.config.batch, self.ranks.rank, self.ranks.world_size)
        mine = self.seen(model, steps, tick)
        return self.figures(_merged(self.ranks.gathered(mine)))

    def seen(self, model: nn.Module, steps: Sequence[Indices], tick: Tick) -> list[Seen]:
        """What the model finds in these images of the validation split."""
        with closing(self.shown(steps)) as loaded:
            return evaluate.seen(model, loaded, self.rule, self.hardware, self.reading, tick)

    def shown(self, steps: Sequence[Indices]) -> Generator[Batch, None, None]:
        """These images of the validation split. No masks are drawn for nothing."""
        return batches(self.val, replace(self.truth, outlines=False), steps, self.hardware.device)

    def figures(self, seen: Sequence[Seen]) -> dict[str, float]:
        """Of the whole split: boxes', and masks' where there are any."""
        return {name: value for each in self.verdicts(seen) for name, value in each.items()}

    def verdicts(self, seen: Sequence[Seen]) -> list[dict[str, float]]:
        boxes, masks = self.verdict(seen)
        return [boxes.as_metrics(), *([masks.as_metrics(MASK)] if masks else [])]

    def verdict(self, seen: Sequence[Seen]) -> tuple[Verdict, Verdict | None]:
        return self.judged_by(seen), self.judged_by(seen, "segm") if self.outlines else None


def _merged(parts: Sequence[Sequence[Seen]]) -> list[Seen]:
    """Each rank has every so-many-eth image."""
    whole: list[Seen] = [parts[0][0]] * sum(map(len, parts))
    for rank, part in enumerate(parts):
        whole[rank :: len(parts)] = part
    return whole
