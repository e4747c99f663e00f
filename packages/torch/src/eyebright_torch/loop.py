"""The training loop: epochs of steps, each followed by an evaluation and a checkpoint, able to stop and go on anywhere."""

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Generic

from eyebright_kit.errors import NanLoss
from eyebright_kit.runtime import Context, Stopped
from eyebright_torch import resume
from eyebright_torch.config import LoopConfig
from eyebright_torch.distributed import Ranks
from eyebright_torch.draws import Purpose, generator, seed_torch
from eyebright_torch.hardware import Hardware
from eyebright_torch.learner import Learner
from eyebright_torch.order import Indices, Order
from eyebright_torch.pace import Pace
from eyebright_torch.state import EpochRecord, RunState
from eyebright_torch.task import Batch, Metrics, Task
from eyebright_torch.weights import Weights, stored


@dataclass
class Loop(Generic[Batch]):
    """`run()` trains to the end, or raises Stopped with a checkpoint left behind. `best` then holds the best weights.

    `rate` is the learning rate of each step (0 is the first): a pure function, so that a resumed run cannot differ.
    """

    ctx: Context
    config: LoopConfig
    hardware: Hardware
    ranks: Ranks
    learner: Learner
    task: Task[Batch]
    order: Order
    rate: Callable[[int], float]
    state: RunState = field(default_factory=RunState)
    best: Weights | None = None
    pace: Pace = field(default_factory=Pace)

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
        with closing(self.task.batches(shares, self.state.epoch)) as batches:
            for step, batch in zip(steps, batches, strict=True):
                self._leave_if_asked()
                self._step(step, batch)

    def _step(self, step: Indices, batch: Batch) -> None:
        where = (self.state.epoch, self.state.done, self.ranks.rank)
        rng = generator(self.config.seed, Purpose.AUGMENT, *where)
        seed_torch(self.config.seed, *where)
        self.learner.step(
            lambda network: self.task.learn(network, batch, rng),
            number=self.step,
            rate=self.rate(self.step),
            images=len(step) / self.ranks.world_size,
        )
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
        means = self.learner.means(self.learner.sums)
        self._refuse_nan(means["loss"])
        self._progress({**means, "lr": self.rate(self.step - 1)})

    def _close_epoch(self) -> None:
        means = self.learner.means(self.ranks.total(self.learner.sums.clone()))
        self._refuse_nan(means["loss"])
        closes = self.config.closes(self.state.epoch)
        verdict = self._judge() if closes else {}
        self._refuse_nan(verdict.get("val_loss", 0.0))
        record = EpochRecord(self.state.epoch, {**means, **verdict, "lr": self.rate(self.step - 1)})
        self._progress(record.metrics, epoch_finished=True)
        self.learner.sums.zero_()
        if best := self.state.close_epoch(record, verdict if closes else None, self.task.goal):
            self.best = stored(self.learner.judged)
        if closes:
            self._save(verdict, best)

    def _judge(self) -> Metrics:
        self.ranks.share_buffers(self.learner.judged)
        return self.task.judge(self.learner.judged, self._tick)

    def _tick(self) -> None:
        """Ranks may have different numbers of validation batches, so here they cannot agree; one alone may leave."""
        self.ctx.step(self.step)
        if self.ranks.world_size == 1:
            self._leave_if_asked()

    def _leave_if_asked(self) -> None:
        if self.ranks.agree(self.ctx.stopping):
            self._save()
            raise Stopped

    def _save(self, verdict: Metrics | None = None, best: bool = False) -> None:
        """An epoch that is over and evaluated is told as that epoch; one under way as the last one that was finished."""
        sums = self.ranks.total(self.learner.sums.clone())
        self.ctx.checkpoint(
            lambda folder: resume.save(folder, self.state, self.learner, sums, self.best, best_is_now=best),
            epoch=self.state.epoch - 1,
            step=self.step,
            metrics=verdict or {},
            best=best,
        )

    def _progress(self, metrics: Metrics, epoch_finished: bool = False) -> None:
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
        rate = self.config.rate
        advice = f"lower {self.config.rate_name} (now {rate:g}; try {rate / 10:g}) or set grad_clip=1"
        if self.hardware.precision is not None:
            advice += ", or set amp=off"
        raise NanLoss(
            f"the loss became {loss} in epoch {self.state.epoch}, by step {self.step}: training diverged; {advice}"
        )
