"""Mask2Former as a detector that answers masks: built by name from a configuration, told apart into stages."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.detection.framework import Answer, Detector, Losses, Target
from eyebright_torch.freezing import Stages
from eyebright_torch.weights import Pretrained
from eyebright_transformers.beginning import begun, fresh
from eyebright_transformers.instance_segmentation.config import InstanceConfig
from eyebright_transformers.instance_segmentation.sizes import architecture

#: The library's name of a loss, and how it is told; each already has its weight in the sum.
_TOLD = {"cls_loss": "loss_cross_entropy", "mask_loss": "loss_mask", "dice_loss": "loss_dice"}
#: Tensors that are for certain classes.
_HEAD = ("class_predictor.", "criterion.")
_PLACES = "model.transformer_module.queries_embedder.weight"
_INSIDE = 0.5


class Mask2Former(Mask2FormerForUniversalSegmentation, Detector):
    """The library's own, with its names of weights."""

    losses = tuple(_TOLD)

    def forward(self, images: torch.Tensor, targets: Sequence[Target] | None = None) -> Losses | Answer:
        if targets is None:
            output = super().forward(pixel_values=images)
            return _answer(output.class_queries_logits, output.masks_queries_logits)
        outputs = self.model(pixel_values=images, output_hidden_states=True)
        return self._losses(outputs, targets)

    def _losses(self, outputs: Any, targets: Sequence[Target]) -> Losses:
        """As the library adds them up, which tells the sum alone."""
        classes = [
            self.class_predictor(layer.transpose(0, 1)) for layer in outputs.transformer_decoder_intermediate_states
        ]
        masks = outputs.masks_queries_logits
        losses = self.get_loss_dict(
            masks_queries_logits=masks[-1],
            class_queries_logits=classes[-1],
            mask_labels=[_masks(target) for target in targets],
            class_labels=[target.labels for target in targets],
            auxiliary_predictions=self.get_auxiliary_logits(classes, masks),
        )
        return {"loss": self.get_loss(losses), **{name: losses[theirs] for name, theirs in _TOLD.items()}}


def build(name: str, classes: int, config: InstanceConfig, pretrained: Pretrained | None = None) -> Detector:
    """The segmenter with a fresh head; the rest begins from `pretrained` if there is any.

    Random numbers come from torch's global generator: seed it before. Raises ConfigInvalid for weights of another model, or
    ones that look for another number of objects.
    """
    plan = architecture(name, classes, config)
    model = fresh(Mask2Former, plan) if pretrained is None else _begun(plan, pretrained)
    backbone(model).get_submodule("swin.layernorm").requires_grad_(False)  # nothing looks at what it makes
    return model


def stages(_name: str, model: nn.Module) -> Stages:
    """Those of the backbone: the embedding of patches, and each."""
    inner = backbone(model)
    return [
        [inner.get_submodule("swin.embeddings")],
        *([stage] for stage in inner.get_submodule("swin.encoder.layers").children()),
    ]


def backbone(model: nn.Module) -> nn.Module:
    return model.get_submodule("model.pixel_level_module.encoder")


def _begun(plan: Mask2FormerConfig, pretrained: Pretrained) -> Mask2Former:
    places = pretrained.tensors.get(_PLACES)
    if places is not None and len(places) != plan.num_queries:
        raise ConfigInvalid(
            f"queries={plan.num_queries}: the weights of {pretrained.name} look for {len(places)} objects; "
            "set queries=0, or train with pretrained=false"
        )
    return begun(Mask2Former, plan, pretrained, _HEAD)


def _masks(target: Target) -> torch.Tensor:
    assert target.masks is not None
    return target.masks.float()


def _answer(classes: torch.Tensor, logits: torch.Tensor) -> Answer:
    """A class counts as much as its mask is certain, as its authors rank instances; the last class is none."""
    masks = logits.sigmoid()
    inside = masks > _INSIDE
    certain = (masks * inside).sum(dim=(2, 3)) / inside.sum(dim=(2, 3)).clamp(min=1)
    return _boxes(inside), classes.softmax(dim=-1)[..., :-1] * certain[..., None], masks


def _boxes(inside: torch.Tensor) -> torch.Tensor:
    """[N, Q, 4] as 0…1 around masks [N, Q, h, w]; of an empty one a box without area."""
    (left, right), (top, bottom) = _ends(inside.any(dim=2)), _ends(inside.any(dim=3))
    return torch.stack([left, top, right, bottom], dim=-1)


def _ends(line: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where what is true on the last axis begins and ends, as 0…1."""
    count = line.shape[-1]
    places = torch.arange(count, device=line.device, dtype=torch.float32)
    first = torch.where(line, places, float(count)).amin(dim=-1)
    end = torch.where(line, places + 1, 0.0).amax(dim=-1)
    return torch.minimum(first, end) / count, end / count
