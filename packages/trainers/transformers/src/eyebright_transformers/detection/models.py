"""RT-DETRv2 and D-FINE as detectors: built by name from a configuration, told apart into stages."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from transformers import DFineForObjectDetection, RTDetrV2ForObjectDetection
from transformers.configuration_utils import PretrainedConfig

from eyebright_torch.detection.framework import Answer, Detector, Losses, Target
from eyebright_torch.freezing import Stages
from eyebright_torch.weights import Pretrained
from eyebright_transformers.beginning import begun, fresh
from eyebright_transformers.detection.config import DetectorConfig
from eyebright_transformers.detection.sizes import architecture

#: The library's name of a loss, and how it is told; each already has its weight in the sum.
_TOLD = {"cls_loss": "loss_vfl", "box_loss": "loss_bbox", "giou_loss": "loss_giou"}
#: Tensors that are for certain classes.
_HEAD = ("class_embed.", "model.decoder.class_embed.", "model.enc_score_head.", "model.denoising_class_embed.")


class RTDetrV2(RTDetrV2ForObjectDetection, Detector):
    """The library's own, with its names of weights."""

    losses = tuple(_TOLD)

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__(config)
        self.loss_type = RTDetrV2ForObjectDetection.__name__  # else it is looked up by the name of this class

    def forward(self, images: torch.Tensor, targets: Sequence[Target] | None = None) -> Losses | Answer:
        return _told(super().forward(pixel_values=images, labels=_labels(targets, images)), self)


class DFine(DFineForObjectDetection, Detector):
    """The library's own, with its names of weights."""

    losses = tuple(_TOLD)

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__(config)
        self.loss_type = DFineForObjectDetection.__name__

    def forward(self, images: torch.Tensor, targets: Sequence[Target] | None = None) -> Losses | Answer:
        return _told(super().forward(pixel_values=images, labels=_labels(targets, images)), self)


def build(name: str, classes: int, config: DetectorConfig, pretrained: Pretrained | None = None) -> Detector:
    """The detector with a fresh head; the rest begins from `pretrained` if there is any.

    Random numbers come from torch's global generator: seed it before.
    """
    plan = architecture(
        name,
        num_labels=classes,
        num_denoising=config.denoising,
        freeze_backbone_batch_norms=False,  # the setting `freeze` does that, and changes no name of a weight
    )
    plan.num_queries = min(config.queries, _places(plan.feat_strides, config.imgsz))
    kind = RTDetrV2 if name.startswith("rtdetr") else DFine
    return fresh(kind, plan) if pretrained is None else begun(kind, plan, pretrained, _HEAD)


def stages(_name: str, model: nn.Module) -> Stages:
    """Those of the backbone: what comes before the first, and each."""
    inner = backbone(model)
    return [[inner.get_submodule("embedder")], *([stage] for stage in inner.get_submodule("encoder.stages").children())]


def backbone(model: nn.Module) -> nn.Module:
    return model.get_submodule("model.backbone.model")


def _places(strides: Iterable[int], side: int) -> int:
    """As many as the pyramid has pixels."""
    return sum((-(-side // stride)) ** 2 for stride in strides)


def _labels(targets: Sequence[Target] | None, images: torch.Tensor) -> list[dict[str, torch.Tensor]] | None:
    """As the library takes them: middle and size as 0…1 of the square."""
    if targets is None:
        return None
    return [{"class_labels": each.labels, "boxes": _middles(each.boxes / images.shape[-1])} for each in targets]


def _middles(boxes: torch.Tensor) -> torch.Tensor:
    low, high = boxes[:, :2], boxes[:, 2:]
    return torch.cat([(low + high) / 2, high - low], dim=1)


def _told(output: Any, model: nn.Module) -> Losses | Answer:
    if output.loss is not None:
        return {"loss": output.loss + _untouched(model), **{name: output.loss_dict[its] for name, its in _TOLD.items()}}
    middle, size = output.pred_boxes[..., :2], output.pred_boxes[..., 2:]
    return torch.cat([middle - size / 2, middle + size / 2], dim=-1), output.logits.sigmoid()


def _untouched(model: nn.Module) -> torch.Tensor | float:
    """0, of the weights that a batch without any object leaves alone: several processes must agree on a gradient of each."""
    return model.get_parameter("model.denoising_class_embed.weight").sum() * 0 if model.config.num_denoising else 0.0
