"""The part of a run that learns: model, optimiser, average and the sums of the epoch under way."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from eyebright_torchvision.config import ClassificationConfig
from eyebright_torchvision.distributed import Ranks
from eyebright_torchvision.ema import Ema
from eyebright_torchvision.hardware import Hardware
from eyebright_torchvision.models import train_mode
from eyebright_torchvision.optim import optimizer, set_rate


@dataclass(frozen=True)
class Tally:
    """Means over the images of the epoch so far, on this rank or on all."""

    loss: float
    top1: float


class Learner:
    """`step` learns from one batch. Nothing in it waits for the device."""

    def __init__(
        self,
        model: nn.Module,
        frozen: list[nn.Module],
        config: ClassificationConfig,
        hardware: Hardware,
        ranks: Ranks,
        steps_per_epoch: int,
    ) -> None:
        self.model = model.to(hardware.device, memory_format=torch.channels_last)
        self.network = ranks.wrap(self.model, hardware.device)
        self.optimizer = optimizer(config, self.model)
        self.ema = Ema(self.model, config.ema_decay, steps_per_epoch) if config.ema else None
        self.scaler = torch.GradScaler(hardware.device.type, enabled=hardware.scales_loss)
        self.sums = torch.zeros(3, dtype=hardware.sums, device=hardware.device)  # loss, right, seen
        self._frozen = frozen
        self._config = config
        self._hardware = hardware

    @property
    def judged(self) -> nn.Module:
        """What is evaluated and kept: the average where there is one."""
        return self.ema.model if self.ema else self.model

    def begin_epoch(self) -> None:
        train_mode(self.network, self._frozen)

    def step(self, images: torch.Tensor, labels: torch.Tensor, *, number: int, rate: float, weight: float) -> None:
        """One optimiser step. `number` counts from 0 over the run; `weight` is this rank's share of the step's images times
        the number of ranks, so that averaging over ranks gives the mean over images."""
        set_rate(self.optimizer, rate)
        with self._hardware.autocast():
            logits = self.network(images)
            loss = functional.cross_entropy(logits, labels, label_smoothing=self._config.label_smoothing)
        self.scaler.scale(loss * weight if weight != 1 else loss).backward()
        self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.update(number)
        self._count(loss.detach(), logits.detach(), labels)

    def tally(self, sums: torch.Tensor) -> Tally:
        """Waits for the device."""
        loss, right, seen = sums.tolist()
        return Tally(loss / max(1, seen), right / max(1, seen))

    def _clip(self) -> None:
        if self._config.grad_clip > 0:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self._config.grad_clip)

    def _count(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        right = (logits.argmax(dim=1) == labels).sum()
        seen = torch.full_like(loss, len(labels))
        self.sums += torch.stack([loss * len(labels), right.to(loss.dtype), seen]).to(self.sums.dtype)
