"""How a toy run goes wrong on purpose, so that tests can see how the platform takes it."""

import os
import time

from eyebright_kit.runtime import Context
from eyebright_toy.config import ToyConfig


def misbehave(ctx: Context, config: ToyConfig, step: int) -> None:
    """Does what the config asks for at this step, which mostly is nothing."""
    time.sleep(config.step_seconds)
    if config.misbehave_attempts and ctx.spec.attempt > config.misbehave_attempts:
        return
    if step == config.fail_at_step:
        raise RuntimeError(f"told to fail at step {step}")
    if step == config.memory_at_step:
        raise MemoryError
    if step == config.exit_at_step:
        os._exit(config.exit_code)
    if step == config.hang_at_step:
        while config.ignore_stop or ctx.stopping is None:
            time.sleep(0.01)


def loss_of(config: ToyConfig, step: int, loss: float) -> float:
    """The loss, unless it was told to diverge here."""
    return float("nan") if step == config.nan_at_step else loss
