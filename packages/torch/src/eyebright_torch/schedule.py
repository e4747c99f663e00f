"""The learning rate as a pure function of the step, so that a resumed run cannot differ."""

import math
from collections.abc import Callable

from eyebright_torch.config import LoopConfig

_FLOOR = 1e-3  # the first warm-up step learns a little already


def learning_rate(config: LoopConfig, steps_per_epoch: int) -> Callable[[int], float]:
    """A function from the step (0 is the first) to its learning rate: a linear climb, then the schedule."""
    total = config.epochs * steps_per_epoch
    warm = min(round(config.warmup_epochs * steps_per_epoch), total - 1)

    def rate(step: int) -> float:
        if step < warm:
            return config.rate * max(_FLOOR, (step + 1) / (warm + 1))
        return config.rate * _share(config, step, warm, total, steps_per_epoch)

    return rate


def _share(config: LoopConfig, step: int, warm: int, total: int, steps_per_epoch: int) -> float:
    match config.schedule:
        case "cosine":
            along = (step - warm) / max(1, total - 1 - warm)
            return config.lrf + (1 - config.lrf) * 0.5 * (1 + math.cos(math.pi * min(1.0, along)))
        case "step":
            every = config.step_every or max(1, config.epochs // 3)
            return config.step_gamma ** (step // (every * steps_per_epoch))
        case "constant":
            return 1.0
