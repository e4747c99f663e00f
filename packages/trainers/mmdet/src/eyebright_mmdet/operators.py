"""What stands where MMDetection looks for mmcv's compiled operators (`mmcv._ext`), which cannot be built for this torch.

Suppression and the focal loss go through torchvision. Every other operator is there by name, because mmcv asks for all of them
when it is imported, and refuses to be called. `install` comes before the first import of mmcv's operators.
"""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch
from torchvision.ops import nms as torchvision_nms
from torchvision.ops import sigmoid_focal_loss

NAME = "mmcv._ext"


def install() -> None:
    """Idempotent. A real `mmcv._ext` that is loaded already stays."""
    sys.modules.setdefault(NAME, _stand_in())


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int = 0) -> torch.Tensor:
    """Indices of the boxes [n, 4] that stay, best first. `offset` 1 counts the last pixel of a box in, as very old models did."""
    corners = boxes.float()
    if offset:
        corners = corners + corners.new_tensor([0, 0, offset, offset])
    return torchvision_nms(corners, scores.float(), iou_threshold)


def sigmoid_focal_loss_forward(
    logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, output: torch.Tensor, gamma: float, alpha: float
) -> None:
    """Fills `output` [n, classes]; labels [n] count from 0, and the number of classes means none of them."""
    _unweighted(weight)
    output.copy_(_focal_loss(logits, labels, gamma, alpha))


def sigmoid_focal_loss_backward(
    logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, gradient: torch.Tensor, gamma: float, alpha: float
) -> None:
    """Fills `gradient` [n, classes] with how each loss changes with its own logit."""
    _unweighted(weight)
    with torch.enable_grad():
        inputs = logits.detach().requires_grad_()
        (found,) = torch.autograd.grad(_focal_loss(inputs, labels, gamma, alpha).sum(), inputs)
    gradient.copy_(found)


def _focal_loss(logits: torch.Tensor, labels: torch.Tensor, gamma: float, alpha: float) -> torch.Tensor:
    classes = torch.arange(logits.shape[1], device=logits.device)
    return sigmoid_focal_loss(logits, (labels[:, None] == classes).to(logits.dtype), alpha, gamma)


def _unweighted(weight: torch.Tensor) -> None:
    if weight.numel():
        raise NotImplementedError("the focal loss without compiled operators has no weights for classes")


def _stand_in() -> ModuleType:
    module = ModuleType(NAME, __doc__)
    module.__spec__ = ModuleSpec(NAME, None)
    for operator in (nms, sigmoid_focal_loss_forward, sigmoid_focal_loss_backward):
        setattr(module, operator.__name__, operator)
    module.__getattr__ = _missing  # pyright: ignore[reportAttributeAccessIssue]
    return module


def _missing(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError(
            f"mmcv's operator {name} needs its compiled form, which this environment does not have"
        )

    return refuse
