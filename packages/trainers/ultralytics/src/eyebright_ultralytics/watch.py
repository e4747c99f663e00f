"""What happens between Ultralytics' loop and the job: progress, checkpoints, stopping, and going on. Hung in as callbacks."""

from collections.abc import Mapping
from pathlib import Path

import torch
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.utils.torch_utils import unwrap_model

from eyebright_kit.errors import DatasetInvalid, NanLoss
from eyebright_kit.runtime import Context, Stopped
from eyebright_ultralytics import order, resume
from eyebright_ultralytics.config import RunConfig
from eyebright_ultralytics.metrics import translated
from eyebright_ultralytics.pace import Pace
from eyebright_ultralytics.tasks import Task
from eyebright_ultralytics.tree import images_of
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage


def tick(ctx: Context) -> None:
    """Says that the run moves, and leaves it when that is asked for: the last checkpoint holds all that is needed."""
    ctx.step()
    if ctx.stopping:
        raise Stopped


class Finished(Exception):
    """The checkpoint is of the last epoch: nothing is left to train."""


class Watch:
    """Watches one training. An epoch counts from 1 in what is told, from 0 in Ultralytics. A step is a batch."""

    def __init__(self, ctx: Context, task: Task, config: RunConfig) -> None:
        self._ctx = ctx
        self._task = task
        self._config = config
        self._pace = Pace()
        self._step = 0  # batches since the first epoch
        self._open = False  # an epoch has begun and is not told yet
        self._gradients: dict[str, torch.Tensor] = {}  # that the first epoch begins with

    def hang_into(self, trainer: BaseTrainer) -> None:
        trainer.add_callback("on_pretrain_routine_end", self._set_up)
        trainer.add_callback("on_train_start", self._begin)
        trainer.add_callback("on_train_epoch_start", self._begin_epoch)
        trainer.add_callback("on_train_batch_start", self._begin_batch)
        trainer.add_callback("on_train_batch_end", self._end_batch)
        trainer.add_callback("on_train_epoch_end", self._end_batches)
        trainer.add_callback("on_val_batch_end", lambda _: tick(self._ctx))
        trainer.add_callback("on_fit_epoch_end", self._end_epoch)

    # Before the first epoch

    def _set_up(self, trainer: BaseTrainer) -> None:
        torch.set_num_threads(self._ctx.resources.threads)
        self._refuse_dropped_images(trainer)
        if restored := self._ctx.restore():
            self._go_on(trainer, restored.path)
        loader = trainer.train_loader
        in_turn = order.EpochOrder(len(loader.dataset), self._config.seed, trainer.start_epoch)
        loader.batch_sampler.sampler.sampler = in_turn

    def _refuse_dropped_images(self, trainer: BaseTrainer) -> None:
        """Ultralytics passes over what it cannot use."""
        for split, loader in ((Split.TRAIN, trainer.train_loader), (Split.VAL, trainer.test_loader)):
            found, expected = len(loader.dataset), images_of(self._ctx.data, self._task, split)
            if found != expected:
                raise DatasetInvalid(
                    f"of the {expected} images in {split}, Ultralytics can use {found}: it takes none with a side of less "
                    "than 10 pixels; leave such images out of the data set and import it again"
                )

    def _go_on(self, trainer: BaseTrainer, checkpoint: Path) -> None:
        state = resume.load(checkpoint, trainer)
        if state["finished"]:
            raise Finished
        self._gradients = state["gradients"]
        self._step = trainer.start_epoch * len(trainer.train_loader)
        trainer.gathered = state["gathered"]
        self._ctx.log.info("going on with epoch %d of %d", trainer.start_epoch + 1, trainer.epochs)

    def _begin(self, trainer: BaseTrainer) -> None:
        self._ctx.stage(Stage.TRAINING)
        trainer.go_on(self._step)

    # Each epoch

    def _begin_epoch(self, trainer: BaseTrainer) -> None:
        self._open = True
        order.seed_epoch(self._config.seed, trainer.epoch)
        trainer._oom_retries = 3  # as if it had tried: it would go on with a smaller batch than was ordered
        for name, parameter in unwrap_model(trainer.model).named_parameters():
            if name in self._gradients:
                parameter.grad = self._gradients[name].to(parameter.device)
        self._gradients = {}

    def _begin_batch(self, trainer: BaseTrainer) -> None:
        tick(self._ctx)
        trainer.gathered += 1  # the optimiser's step, if one is due, takes it back to 0

    def _end_batch(self, trainer: BaseTrainer) -> None:
        self._step += 1
        self._ctx.step(self._step)
        self._pace.count(trainer.train_loader.batch_size)
        if self._pace.due():
            self._tell(trainer, self._losses(trainer))

    def _end_batches(self, trainer: BaseTrainer) -> None:
        """Before Ultralytics itself would try to recover by starting the epoch again."""
        self._losses(trainer)

    def _end_epoch(self, trainer: BaseTrainer) -> None:
        """Ultralytics says this once more after its last evaluation, which is no epoch."""
        if not self._open:
            return
        self._open = False
        metrics = {**self._losses(trainer), **translated({**trainer.metrics, **trainer.lr})}
        self._tell(trainer, metrics, epoch_finished=True)
        best = trainer.best_fitness == trainer.fitness
        if best:
            trainer.best_epoch = trainer.epoch + 1
        if best or trainer.stop or (trainer.epoch + 1) % self._config.save_every_epochs == 0:
            self._save(trainer, metrics, best)

    def _losses(self, trainer: BaseTrainer) -> dict[str, float]:
        """The means over this epoch's batches so far. Raises NanLoss when one is no number."""
        losses = {name: float(value) for name, value in trainer.tloss.items()}
        if all(torch.isfinite(torch.tensor(value)) for value in losses.values()):
            return translated(trainer.label_loss_items(trainer.tloss))
        config = self._config
        advice = f"lower lr0 (now {config.lr0:g}; try {config.lr0 / 10:g}), with optimizer=AdamW or SGD"
        raise NanLoss(
            f"the losses became {losses} in epoch {trainer.epoch + 1}, by step {self._step}: training diverged; {advice}"
            + (", or set amp=off" if trainer.amp else "")
        )

    def _tell(self, trainer: BaseTrainer, metrics: Mapping[str, float], epoch_finished: bool = False) -> None:
        total = trainer.epochs * len(trainer.train_loader)
        self._ctx.progress(
            epoch=trainer.epoch + 1,
            epochs=trainer.epochs,
            step=self._step,
            steps=total,
            epoch_finished=epoch_finished,
            images_per_second=self._pace.images_per_second(),
            eta_seconds=self._pace.eta_seconds(total - self._step),
            metrics=metrics,
        )

    def _save(self, trainer: BaseTrainer, metrics: Mapping[str, float], best: bool) -> None:
        self._ctx.checkpoint(
            lambda folder: resume.save(folder, trainer),
            epoch=trainer.epoch + 1,
            step=self._step,
            metrics=metrics,
            best=best,
        )
