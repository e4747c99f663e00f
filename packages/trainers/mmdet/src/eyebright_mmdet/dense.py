"""What a head that answers everywhere at once says, as boxes and scores of fixed shape, which can be exported.

MMDetection's own answer keeps a changing number of boxes; here all stay, and whoever asks chooses.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from eyebright_mmdet.library import BaseDenseHead, GFLHead, YOLOXHead

Found = tuple[torch.Tensor, torch.Tensor]  # boxes [N, Q, 4] in pixels, scores [N, Q, classes]
Reader = Callable[[Any, Sequence[Any]], Found]


def reader(head: nn.Module) -> Reader | None:
    """How to read what this head's forward answers in evaluation mode; None where that is not known."""
    kind: Any = type(head)
    if kind.predict_by_feat is YOLOXHead.predict_by_feat:
        return _of_yolox
    if getattr(kind, "predict_by_feat", None) is not BaseDenseHead.predict_by_feat:
        return None
    return _READERS.get(kind._predict_by_feat_single)


def _of_priors(head: Any, outputs: Sequence[Any]) -> Found:
    """Anchors or points that are moved: RTMDet, RetinaNet, FCOS, ATSS, SSD …"""
    logits, deltas, *factors = outputs
    priors = torch.cat(_priors(head, logits))
    scores = _scores(head, _flat(logits, head.cls_out_channels))
    if factors:
        scores = scores * _flat(factors[0], 1).sigmoid()
    return _decoded(head, priors, _flat(deltas, head.bbox_coder.encode_size)), scores


def _of_distributions(head: Any, outputs: Sequence[Any]) -> Found:
    """Each distance is the mean of a distribution: GFL."""
    logits, distributions = outputs
    centres = head.anchor_center(torch.cat(_priors(head, logits)))
    distances = [
        _means(head, level) * stride[0]
        for level, stride in zip(distributions, head.prior_generator.strides, strict=True)
    ]
    return _decoded(head, centres, torch.cat(distances, 1)), _flat(logits, head.cls_out_channels).sigmoid()


def _means(head: Any, level: torch.Tensor) -> torch.Tensor:
    """[N, 4·bins, h, w] to [N, all, 4], in strides."""
    flat = _flat([level], 4 * (head.reg_max + 1))
    return head.integral(flat).reshape(*flat.shape[:2], 4)


def _of_yolox(head: Any, outputs: Sequence[Any]) -> Found:
    logits, deltas, objectness = outputs
    priors = torch.cat(_priors(head, logits, with_stride=True))
    scores = _flat(logits, head.cls_out_channels).sigmoid() * _flat(objectness, 1).sigmoid()
    return head._bbox_decode(priors, _flat(deltas, 4)), scores


_READERS: dict[Any, Reader] = {
    BaseDenseHead._predict_by_feat_single: _of_priors,
    GFLHead._predict_by_feat_single: _of_distributions,
}


def _priors(head: Any, maps: Sequence[torch.Tensor], **how: bool) -> list[torch.Tensor]:
    sizes = [level.shape[-2:] for level in maps]
    return head.prior_generator.grid_priors(sizes, dtype=maps[0].dtype, device=maps[0].device, **how)


def _flat(maps: Sequence[torch.Tensor], width: int) -> torch.Tensor:
    """[N, k·width, h, w] of each level to [N, all, width]."""
    return torch.cat([level.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, width)) for level in maps], 1)


def _scores(head: Any, logits: torch.Tensor) -> torch.Tensor:
    """The last of a softmax is "nothing"."""
    return logits.sigmoid() if head.use_sigmoid_cls else logits.softmax(-1)[..., :-1]


def _decoded(head: Any, priors: torch.Tensor, deltas: torch.Tensor) -> torch.Tensor:
    """As one list of boxes, because that is the only form all coders take. `shape`, not `len`, which an export would freeze."""
    everywhere = priors.expand(deltas.shape[0], *priors.shape)
    return head.bbox_coder.decode(everywhere.flatten(0, 1), deltas.flatten(0, 1)).reshape(deltas.shape)
