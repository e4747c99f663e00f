"""A detector of one tiny network: what a library brings to detection, without any library of models.

Each cell of a coarse grid says how likely the middle of an object is in it, and how large that is.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from eyebright_torch.detection import fit as story
from eyebright_torch.detection.config import DetectionConfig
from eyebright_torch.detection.framework import Answer, Detector, Framework, Losses, Target
from eyebright_torch.framework import Credits
from eyebright_torch.freezing import Stages
from eyebright_torch.weights import Pretrained

_STRIDE = 8


class Cells(Detector):
    """Its head of scores has two names, as the heads of some libraries' models have."""

    losses = ("score_loss", "box_loss")

    def __init__(self, classes: int, width: int = 12, outlines: bool = False) -> None:
        super().__init__()
        self.outlines = outlines
        self.body = nn.Sequential(
            *(layer for stage in range(3) for layer in _stage(width * stage or 3, width * (stage + 1)))
        )
        self.score = nn.Conv2d(3 * width, classes, 1)
        self.same_score = self.score
        self.size = nn.Conv2d(3 * width, 4, 1)
        nn.init.constant_(self.score.bias, -2.0)

    def forward(self, images: torch.Tensor, targets: Sequence[Target] | None = None) -> Losses | Answer:
        seen = self.body(images)
        scores, boxes = self.score(seen), self._boxes(self.size(seen))
        return self._answer(scores, boxes) if targets is None else self._losses(scores, boxes, targets)

    def _boxes(self, sizes: torch.Tensor) -> torch.Tensor:
        """[N, 4, h, w] as 0…1: how far from the middle of the cell each edge is."""
        side = sizes.shape[-1]
        middles = (torch.arange(side, device=sizes.device) + 0.5) / side
        centre = torch.stack([middles[None, :].expand(side, side), middles[:, None].expand(side, side)])
        reach = functional.softplus(sizes) / 4
        return torch.cat([centre - reach[:, :2], centre + reach[:, 2:]], dim=1)

    def _answer(self, scores: torch.Tensor, boxes: torch.Tensor) -> Answer:
        found = boxes.flatten(2).transpose(1, 2), scores.sigmoid().flatten(2).transpose(1, 2)
        return (*found, _filled(found[0])) if self.outlines else found

    def _losses(self, scores: torch.Tensor, boxes: torch.Tensor, targets: Sequence[Target]) -> Losses:
        truth, edges, middles = torch.zeros_like(scores), [boxes.sum() * 0], []
        for row, target in enumerate(targets):
            known = target.boxes / (_STRIDE * scores.shape[-1])
            cells = ((known[:, :2] + known[:, 2:]) / 2 * scores.shape[-1]).long().clamp(max=scores.shape[-1] - 1)
            truth[row, target.labels, cells[:, 1], cells[:, 0]] = 1
            middles.append(boxes[row, :, cells[:, 1], cells[:, 0]].T)
            edges.append((middles[-1] - known).abs().sum())
        box = torch.stack(edges).sum() / len(targets)
        score = functional.binary_cross_entropy_with_logits(scores, truth, reduction="sum") / len(targets)
        return {"loss": score + 5 * box, "score_loss": score, "box_loss": box}


def _stage(inside: int, outside: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inside, outside, 3, 2, 1), nn.BatchNorm2d(outside), nn.ReLU()


def _filled(boxes: torch.Tensor, side: int = 16) -> torch.Tensor:
    """Masks [N, Q, side, side] of whole boxes."""
    middles = (torch.arange(side, device=boxes.device) + 0.5) / side
    inside = [(middles > boxes[..., edge, None]) & (middles < boxes[..., edge + 2, None]) for edge in (0, 1)]
    return (inside[0][..., None, :] & inside[1][..., :, None]).float()


def _stages(_name: str, model: nn.Module) -> Stages:
    return [[model.get_submodule("body")]]


def _pretrained(_name: str) -> Pretrained:
    raise AssertionError("nothing here begins from weights")


def framework(outlines: bool = False) -> Framework:
    return Framework(
        config=DetectionConfig,
        credits=Credits("eyebright-torch", "safetensors", "Apache-2.0"),
        pretrained=_pretrained,
        build=lambda _name, classes, _config, _pretrained: Cells(classes, outlines=outlines),
        stages=_stages,
        suppression=0.5,
        outlines=outlines,
    )


fit = partial(story.fit, framework=framework())
fit_outlines = partial(story.fit, framework=framework(outlines=True))
