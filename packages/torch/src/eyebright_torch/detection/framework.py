"""What detection asks of a library beyond what every task does."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from eyebright_torch.framework import Library
from eyebright_torch.weights import Pretrained


@dataclass(frozen=True)
class Target:
    """The objects of one training image, on the device; none is a crowd. There may be no object at all."""

    boxes: torch.Tensor  # [n, 4] float32: left, top, right, bottom in pixels of the square
    labels: torch.Tensor  # [n] int64
    masks: torch.Tensor | None = None  # [n, side, side] bool, where outlines are learned


#: Named losses, each a mean over the images; `loss` among them is what is learned from.
Losses = Mapping[str, torch.Tensor]
#: Boxes [N, Q, 4]: left, top, right, bottom as 0…1 of the square; scores [N, Q, classes] 0…1; perhaps masks [N, Q, h, w] 0…1.
Answer = tuple[torch.Tensor, ...]


class Detector(nn.Module, ABC):
    """A model of the library as this task sees it. Everything goes through `forward`, so that several processes can share it."""

    #: Names of the losses that are told of besides `loss`.
    losses: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, images: torch.Tensor, targets: Sequence[Target] | None = None) -> Losses | Answer:
        """Losses when `targets` are given, one for each image; without them an answer, whose shape depends on that of the
        images alone: that very computation is exported."""


@dataclass(frozen=True, kw_only=True)
class Framework(Library):
    """`suppression` is the overlap from which the weaker of two boxes of a class is dropped; None for models that need no such
    thing. `outlines`: masks are learned and answered too."""

    build: Callable[[str, int, Any, Pretrained | None], Detector]
    suppression: float | None = None
    outlines: bool = False
