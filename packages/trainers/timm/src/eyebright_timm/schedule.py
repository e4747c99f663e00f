"""timm's schedules as a pure function of the step, so that a resumed run cannot differ."""

from collections.abc import Callable

import torch
from timm.scheduler import create_scheduler_v2
from torch.optim import SGD

from eyebright_timm.config import TimmConfig

_FLOOR = 1e-3  # of lr0: the first warm-up step learns a little already


def learning_rate(config: TimmConfig, steps_per_epoch: int) -> Callable[[int], float]:
    """A function from the step (0 is the first) to its learning rate. timm's scheduler steers an optimiser of one number that
    nobody trains; what it sets depends on the step alone."""
    steered = SGD([torch.zeros(1, requires_grad=True)], lr=config.lr0)
    scheduler, _ = create_scheduler_v2(
        steered,
        sched=config.schedule,
        num_epochs=config.epochs,
        decay_epochs=config.step_every or max(1, config.epochs // 3),
        decay_rate=config.step_gamma,
        min_lr=config.lr0 * config.lrf,
        warmup_lr=config.lr0 * _FLOOR,
        warmup_epochs=_warm(config, steps_per_epoch),
        step_on_epochs=False,
        updates_per_epoch=steps_per_epoch,
    )

    def rate(step: int) -> float:
        scheduler.step_update(step)
        return float(steered.param_groups[0]["lr"])

    return rate


def _warm(config: TimmConfig, steps_per_epoch: int) -> float:
    """Epochs that are a whole number of steps, and leave one to the schedule."""
    steps = min(round(config.warmup_epochs * steps_per_epoch), config.epochs * steps_per_epoch - 1)
    return steps / steps_per_epoch
