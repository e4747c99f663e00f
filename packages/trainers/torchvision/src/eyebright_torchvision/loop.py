"""The training loop: epochs of steps, each followed by an evaluation and a checkpoint, able to stop and go on anywhere."""

import math
from dataclasses import dataclass, field

from eyebright_kit.errors import NanLoss
from eyebright_kit.runtime import Context, Stopped
from eyebright_torchvision import resume
from eyebright_torchvision.augment import Augment
from eyebright_torchvision.config import ClassificationConfig
from eyebright_torchvision.data import Batch, Images, batches, in_order
from eyebright_torchvision.distributed import Ranks
from eyebright_torchvision.draws import Purpose, generator, seed_torch
from eyebright_torchvision.evaluate import score
from eyebright_torchvision.hardware import Hardware
from eyebright_torchvision.learner import Learner
from eyebright_torchvision.metrics import Scores
from eyebright_torchvision.models import Weights
from eyebright_torchvision.order import Indices, Order
from eyebright_torchvision.pace import Pace
from eyebright_torchvision.schedule import learning_rate
from eyebright_torchvision.state import EpochRecord, RunState


@dataclass
class Loop:
    """`run()` trains to the end, or raises Stopped with a checkpoint left behind. `best` then holds the best weights."""

    ctx: Context
    config: ClassificationConfig
    hardware: Hardware
    ranks: Ranks
    learner: Learner
    train: Images
    val: Images
    state: RunState = field(default_factory=RunState)
    best: Weights | None = None
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.order = Order.of(len(self.train), self.config, self.ranks)
        self.rate = learning_rate(self.config, self.order.steps)
        self.augment = Augment(self.config)

    @property
    def step(self) -> int:
        """Optimiser steps made since the first epoch."""
        return (self.state.epoch - 1) * self.order.steps + self.state.done

    def run(self) -> None:
        if restored := self.ctx.restore():
            self.state, self.best = resume.load(restored.path, self.learner)
            if not self.ranks.first:
                self.learner.sums.zero_()  # what was saved is the sum over all ranks
            self.ctx.log.info("resumed at epoch %d, step %d", restored.epoch, restored.step)
        while not self.state.finished(self.config.epochs, self.config.patience):
            self._learn()
            self._close_epoch()

    def _learn(self) -> None:
        """The steps of this epoch that are still to be made."""
        self.learner.begin_epoch()
        steps = self.order.epoch(self.state.epoch)[self.state.done :]
        shares = [self.order.share(step) for step in steps]
        loaded = batches(self.train, shares, self.hardware.device)
        try:
            for step, batch in zip(steps, loaded, strict=True):
                self._leave_if_asked()
                self._step(step, batch)
        finally:
            loaded.close()

    def _step(self, step: Indices, batch: Batch) -> None:
        where = (self.state.epoch, self.state.done, self.ranks.rank)
        images = self.augment(batch.pixels, generator(self.config.seed, Purpose.AUGMENT, *where))
        seed_torch(self.config.seed, *where)
        weight = len(batch) * self.ranks.world_size / len(step)
        self.learner.step(images, batch.labels, number=self.step, rate=self.rate(self.step), weight=weight)
        self.state.done += 1
        self._after_step(len(step))

    def _after_step(self, images: int) -> None:
        self.pace.count(images)
        self.ctx.step(self.step)
        if self.ranks.first and self.pace.due():
            self._tell()
        every = self.config.save_every_steps
        if every and self.step % every == 0 and self.state.done < self.order.steps:
            self._save()

    def _tell(self) -> None:
        tally = self.learner.tally(self.learner.sums)
        self._refuse_nan(tally.loss)
        self._progress({"loss": tally.loss, "train_top1": tally.top1, "lr": self.rate(self.step - 1)})

    def _close_epoch(self) -> None:
        tally = self.learner.tally(self.ranks.total(self.learner.sums.clone()))
        self._refuse_nan(tally.loss)
        scores = self._evaluate()
        self._refuse_nan(scores.loss)
        rate = self.rate(self.step - 1)
        epoch = self.state.epoch
        record = EpochRecord(epoch, tally.loss, tally.top1, scores.loss, scores.top1, scores.top5, rate)
        self._progress(record.as_metrics(), epoch_finished=True)
        self.learner.sums.zero_()
        if best := self.state.close_epoch(record, scores):
            self.best = resume.stored(self.learner.judged)
        self._save(scores, best)

    def _evaluate(self) -> Scores:
        self.ranks.share_buffers(self.learner.judged)
        steps = in_order(len(self.val), self.config.batch, self.ranks.rank, self.ranks.world_size)
        loaded = batches(self.val, steps, self.hardware.device)
        try:
            return score(self.learner.judged, loaded, self.hardware, self.ranks, self._tick)
        finally:
            loaded.close()

    def _tick(self) -> None:
        """Ranks may have different numbers of validation batches, so here they cannot agree; one alone may leave."""
        self.ctx.step(self.step)
        if self.ranks.world_size == 1:
            self._leave_if_asked()

    def _leave_if_asked(self) -> None:
        if self.ranks.agree(self.ctx.stopping):
            self._save()
            raise Stopped

    def _save(self, scores: Scores | None = None, best: bool = False) -> None:
        """An epoch that is over and evaluated is told as that epoch; one under way as the last one that was finished."""
        sums = self.ranks.total(self.learner.sums.clone())
        self.ctx.checkpoint(
            lambda folder: resume.save(folder, self.state, self.learner, sums, self.best, best_is_now=best),
            epoch=self.state.epoch - 1,
            step=self.step,
            metrics=scores.as_metrics() if scores else {},
            best=best,
        )

    def _progress(self, metrics: dict[str, float], epoch_finished: bool = False) -> None:
        total = self.config.epochs * self.order.steps
        self.ctx.progress(
            epoch=self.state.epoch,
            epochs=self.config.epochs,
            step=self.step,
            steps=total,
            epoch_finished=epoch_finished,
            images_per_second=self.pace.images_per_second(),
            eta_seconds=self.pace.eta_seconds(total - self.step),
            metrics=metrics,
        )

    def _refuse_nan(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        advice = f"lower lr0 (now {self.config.lr0:g}; try {self.config.lr0 / 10:g}) or set grad_clip=1"
        if self.hardware.precision is not None:
            advice += ", or set amp=off"
        raise NanLoss(
            f"the loss became {loss} in epoch {self.state.epoch}, by step {self.step}: training diverged; {advice}"
        )
