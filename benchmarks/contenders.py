"""What the trainer's loop is measured against. Runs in the trainer's environment; each contender does one epoch at a time.

`Limit` is the pure compute: the same network, optimiser and precision over one batch that already lies on the device, with as
many optimiser steps and as many forward passes for validation as the real epoch has. No data, no augmentation, no moving
average, no metrics, no checkpoints.

`PlainLoop` is what one writes first: torchvision's ImageFolder and transforms, DataLoader, AdamW, the loss of each step, an
evaluation and a `torch.save` of model and optimiser at the end of the epoch, as in PyTorch's own ImageNet example. It decodes
every file in every epoch; it has as many workers as make it fastest here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Shape:
    """The work that every contender does in one epoch."""

    model: str
    classes: int
    imgsz: int
    batch: int
    steps: int
    val_batches: int
    label_smoothing: float
    crop_scale: float
    device: torch.device
    precision: torch.dtype | None

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not None)


class Limit:
    name = "compute"

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._model = _network(shape).to(shape.device, memory_format=torch.channels_last)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
        images = torch.randn(shape.batch, 3, shape.imgsz, shape.imgsz)
        self._images = images.to(shape.device, memory_format=torch.channels_last)
        self._labels = (torch.arange(shape.batch) % shape.classes).to(shape.device)

    def epoch(self) -> float:
        """Seconds of one epoch."""
        began = time.perf_counter()
        self._model.train()
        for _ in range(self._shape.steps):
            self._step()
        self._evaluate()
        _wait(self._shape.device)
        return time.perf_counter() - began

    def _step(self) -> None:
        with self._shape.autocast():
            logits = self._model(self._images)
            loss = functional.cross_entropy(logits, self._labels, label_smoothing=self._shape.label_smoothing)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    @torch.inference_mode()
    def _evaluate(self) -> None:
        self._model.eval()
        with self._shape.autocast():
            for _ in range(self._shape.val_batches):
                self._model(self._images)


class PlainLoop:
    name = "plain loop"

    def __init__(self, shape: Shape, data: Path, folder: Path, workers: int) -> None:
        self.workers = workers
        self._shape = shape
        self._checkpoint = folder / f"plain-{workers}.pth"
        self._model = _network(shape).to(shape.device)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=1e-3, weight_decay=0.01)
        self._train = _loader(data / "train", _augmented(shape), shape.batch, workers, shuffle=True)
        self._val = _loader(data / "val", _upright(shape), shape.batch, workers, shuffle=False)

    def epoch(self) -> float:
        """Seconds of one epoch."""
        began = time.perf_counter()
        self._model.train()
        losses = [self._step(images, labels) for images, labels in self._train]
        right = self._evaluate()
        state = {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict()}
        torch.save({**state, "loss": sum(losses) / len(losses), "right": right}, self._checkpoint)
        return time.perf_counter() - began

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        images, labels = images.to(self._shape.device), labels.to(self._shape.device)
        logits = self._model(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=self._shape.label_smoothing)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()

    @torch.no_grad()
    def _evaluate(self) -> int:
        self._model.eval()
        found = [(self._model(images.to(self._shape.device)).argmax(1).cpu(), labels) for images, labels in self._val]
        return sum(int((guess == labels).sum()) for guess, labels in found)


class Rival(Protocol):
    name: str

    def epoch(self) -> float:
        """Seconds of one epoch."""
        ...


def quickest(make: Callable[[int], Rival], workers: Sequence[int]) -> tuple[Rival, dict[int, float]]:
    """The plain loop with the number of workers that suits this machine best, and what each took for its first epoch. The
    files are in the disk cache by then: ours has read them."""
    loops = {count: make(count) for count in workers}
    took = {count: loop.epoch() for count, loop in loops.items()}
    return loops[min(took, key=took.__getitem__)], took


def _network(shape: Shape) -> nn.Module:
    torch.manual_seed(0)
    return getattr(models, shape.model)(num_classes=shape.classes)


def _augmented(shape: Shape) -> transforms.Compose:
    crop = transforms.RandomResizedCrop(shape.imgsz, scale=(shape.crop_scale, 1.0))
    return transforms.Compose([crop, transforms.RandomHorizontalFlip(), *_as_tensor()])


def _upright(shape: Shape) -> transforms.Compose:
    middle = [transforms.Resize(round(shape.imgsz * 8 / 7)), transforms.CenterCrop(shape.imgsz)]
    return transforms.Compose([*middle, *_as_tensor()])


def _as_tensor() -> list[Any]:
    return [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]


def _loader(root: Path, transform: transforms.Compose, batch: int, workers: int, *, shuffle: bool) -> DataLoader[Any]:
    return DataLoader(
        ImageFolder(str(root), transform),
        batch_size=batch,
        shuffle=shuffle,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
