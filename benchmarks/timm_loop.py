"""What one writes first with timm: its models, transforms, Mixup, average, optimiser and schedule around a plain loop, as in
timm's own training script. It decodes every file in every epoch. Runs in the timm trainer's environment.
"""

import time
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import Mixup, create_transform
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from benchmarks.contenders import Shape


class TimmLoop:
    """`config` is the trainer's own: both do the same to the images and learn by the same rules."""

    name = "plain loop"

    def __init__(self, shape: Shape, config: Any, data: Path, folder: Path, workers: int) -> None:
        self.workers = workers
        self._shape = shape
        self._checkpoint = folder / f"timm-{workers}.pth"
        torch.manual_seed(0)
        self._model = timm.create_model(shape.model, num_classes=shape.classes).to(shape.device)
        self._average = ModelEmaV3(self._model, decay=config.ema_decay, use_warmup=True)
        self._optimizer = create_optimizer_v2(
            self._model, config.optimizer, lr=config.lr0, weight_decay=config.weight_decay
        )
        self._schedule, _ = create_scheduler_v2(
            self._optimizer,
            config.schedule,
            config.epochs,
            min_lr=config.lr0 * config.lrf,
            warmup_epochs=1,
            step_on_epochs=False,
            updates_per_epoch=shape.steps,
        )
        self._mixup = _mixup(shape, config)
        self._loss = SoftTargetCrossEntropy() if self._mixup else LabelSmoothingCrossEntropy(config.label_smoothing)
        self._train = _loader(data / "train", _augmented(shape, config), shape.batch, workers, shuffle=True)
        self._val = _loader(data / "val", _upright(shape), shape.batch, workers, shuffle=False)
        self._updates = 0

    def epoch(self) -> float:
        """Seconds of one epoch."""
        began = time.perf_counter()
        self._model.train()
        losses = [self._step(images, labels) for images, labels in self._train]
        right = self._evaluate()
        state = {"model": self._model.state_dict(), "average": self._average.state_dict()}
        state |= {"optimizer": self._optimizer.state_dict(), "loss": sum(losses) / len(losses), "right": right}
        torch.save(state, self._checkpoint)
        return time.perf_counter() - began

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        images, labels = images.to(self._shape.device), labels.to(self._shape.device)
        if self._mixup:
            images, labels = self._mixup(images, labels)
        with self._shape.autocast():
            loss = self._loss(self._model(images), labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._updates += 1
        self._average.update(self._model, step=self._updates)
        self._schedule.step_update(self._updates)
        return loss.item()

    @torch.no_grad()
    def _evaluate(self) -> int:
        """Of the average, as the trainer does."""
        model = self._average.module.eval()
        found = [(model(images.to(self._shape.device)).argmax(1).cpu(), labels) for images, labels in self._val]
        return sum(int((guess == labels).sum()) for guess, labels in found)


def _mixup(shape: Shape, config: Any) -> Mixup | None:
    if not config.mixup and not config.cutmix:
        return None
    return Mixup(
        config.mixup,
        config.cutmix,
        prob=config.mix_prob,
        switch_prob=config.mix_switch,
        label_smoothing=config.label_smoothing,
        num_classes=shape.classes,
    )


def _augmented(shape: Shape, config: Any) -> Any:
    return create_transform(
        shape.imgsz,
        is_training=True,
        scale=(config.crop_scale, 1.0),
        hflip=config.flip,
        color_jitter=(config.brightness, config.contrast, config.saturation),
        auto_augment=config.auto_augment or None,
        re_prob=config.erasing,
        interpolation="bicubic",
    )


def _upright(shape: Shape) -> Any:
    return create_transform(shape.imgsz, interpolation="bicubic")


def _loader(root: Path, transform: Any, batch: int, workers: int, *, shuffle: bool) -> DataLoader[Any]:
    return DataLoader(
        ImageFolder(str(root), transform),
        batch_size=batch,
        shuffle=shuffle,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
