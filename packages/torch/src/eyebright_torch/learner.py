"""The part of a run that learns: model, optimiser, average and the sums of the epoch under way."""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.optim import Optimizer

from eyebright_torch.config import LoopConfig
from eyebright_torch.distributed import Ranks
from eyebright_torch.ema import Ema
from eyebright_torch.freezing import Part, train_mode
from eyebright_torch.hardware import Hardware
from eyebright_torch.optim import set_rate
from eyebright_torch.task import Learned, Metrics


class Learner:
    """`step` learns from one batch. Nothing in it waits for the device.

    `optimizer` makes the optimiser of the model once that is on its device; `tallies` are the names of a task.
    """

    def __init__(
        self,
        model: nn.Module,
        frozen: list[Part],
        optimizer: Callable[[nn.Module], Optimizer],
        tallies: tuple[str, ...],
        config: LoopConfig,
        hardware: Hardware,
        ranks: Ranks,
        steps_per_epoch: int,
    ) -> None:
        self.model = model.to(hardware.device, memory_format=torch.channels_last)
        self.network = ranks.wrap(self.model, hardware.device)
        self.optimizer = optimizer(self.model)
        self.ema = Ema(self.model, config.ema_decay, steps_per_epoch) if config.ema else None
        self.scaler = torch.GradScaler(hardware.device.type, enabled=hardware.scales_loss)
        self.sums = torch.zeros(len(tallies) + 2, dtype=hardware.sums, device=hardware.device)  # loss, tallies, images
        self._tallies = tallies
        self._frozen = frozen
        self._grad_clip = config.grad_clip

    @property
    def judged(self) -> nn.Module:
        """What is evaluated and kept: the average where there is one."""
        return self.ema.model if self.ema else self.model

    def begin_epoch(self) -> None:
        train_mode(self.network, self._frozen)

    def step(
        self, learn: Callable[[nn.Module], Learned | Iterator[Learned]], *, number: int, rate: float, images: float
    ) -> None:
        """One optimiser step from what `learn` makes of the network. `number` counts from 0 over the run; `images` are those of
        the step on an average rank, so that averaging over ranks gives the mean over images."""
        set_rate(self.optimizer, rate)
        learned = learn(self.network)
        for part in (learned,) if isinstance(learned, Learned) else learned:
            weight = part.images / images
            self.scaler.scale(part.loss * weight if weight != 1 else part.loss).backward()
            self._count(part)
        self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.update(number)

    def means(self, sums: torch.Tensor) -> Metrics:
        """Over the images of the epoch so far, on this rank or on all. Waits for the device."""
        *totals, images = sums.tolist()
        return {name: total / max(1, images) for name, total in zip(("loss", *self._tallies), totals, strict=True)}

    def _clip(self) -> None:
        if self._grad_clip > 0:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self._grad_clip)

    def _count(self, learned: Learned) -> None:
        loss = learned.loss.detach()
        told = [tally.to(loss.dtype) for tally in learned.tallies]
        images = torch.full_like(loss, learned.images)
        self.sums += torch.stack([loss * learned.images, *told, images]).to(self.sums.dtype)
