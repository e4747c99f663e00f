"""A model of MMDetection's as the shared loop trains it: losses where targets are given, else boxes and scores of fixed shape."""

from collections.abc import Sequence
from typing import Any

import torch

from eyebright_mmdet import dense
from eyebright_mmdet.library import DetDataSample, InstanceData
from eyebright_torch.detection import framework
from eyebright_torch.detection.framework import Answer, Losses, Target


class Detector(framework.Detector):
    """Takes normalised squares [N, 3, side, side] in RGB; tensors are named as MMDetection names them."""

    def __init__(self, model: Any, read: dense.Reader, *, swaps: bool, side: int) -> None:
        """`swaps` where the model wants BGR, as most of MMDetection's do. Raises RuntimeError for a side that it cannot take."""
        super().__init__()
        for name, part in model.named_children():
            self.add_module(name, part)
        self._whole = (model,)  # in a tuple, where torch does not see it: a name before the names would be ours
        self._read = read
        self.swaps = swaps
        self.losses = tuple(self._names(side))

    @property
    def model(self) -> Any:
        """MMDetection's own, which has the same parts."""
        return self._whole[0]

    def forward(self, images: torch.Tensor, targets: Sequence[Target] | None = None) -> Losses | Answer:
        """With targets, named losses (means over the images), `loss` their sum; without, boxes [N, Q, 4] from 0 to 1 as
        left, top, right, bottom, and scores [N, Q, classes] from 0 to 1."""
        inputs = images.flip(1) if self.swaps else images
        return self._found(inputs) if targets is None else self._losses(inputs, targets)

    @torch.no_grad()
    def _names(self, side: int) -> list[str]:
        """Of its losses, which only a look at an image tells; it leaves no trace."""
        self.eval()
        image = torch.zeros(1, 3, side, side)
        nothing = Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
        told = self._losses(image, [nothing])
        self.train()
        return [name for name in told if "loss" in name and name != "loss"]

    def _found(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        head = self.model.bbox_head
        boxes, scores = self._read(head, head(self.model.extract_feat(inputs)))
        return (boxes / inputs.shape[-1]).clamp(0, 1), scores

    def _losses(self, inputs: torch.Tensor, targets: Sequence[Target]) -> Losses:
        side = inputs.shape[-1]
        total, parts = self.model.parse_losses(self.model.loss(inputs, [_sample(target, side) for target in targets]))
        return {**parts, "loss": total}


def _sample(target: Target, side: int) -> Any:
    """What MMDetection wants to know of one image."""
    size = (side, side)
    sample = DetDataSample(
        metainfo={"img_shape": size, "pad_shape": size, "ori_shape": size, "batch_input_shape": size}
    )
    sample.gt_instances = InstanceData(bboxes=target.boxes, labels=target.labels)
    return sample
