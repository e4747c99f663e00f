import sys

import pytest
import torch
import torchvision

from eyebright_mmdet import library, operators

from mmcv.ops import DeformConv2d, batched_nms, nms, sigmoid_focal_loss  # isort: skip - after the operators
from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss  # isort: skip

LOGITS = torch.randn(40, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(40) % 6  # 5: none of the classes


def boxes(count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    corners = torch.rand(count, 2, generator=chance) * 60
    return torch.cat([corners, corners + 5 + torch.rand(count, 2, generator=chance) * 40], 1), torch.rand(
        count, generator=chance
    )


def test_mmcv_finds_our_operators():
    assert library.MODELS
    assert sys.modules[operators.NAME].nms is operators.nms


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.65])
def test_suppression_is_torchvisions(iou: float):
    found, scores = boxes()
    kept, indices = nms(found, scores, iou)
    assert torch.equal(indices, torchvision.ops.nms(found, scores, iou))
    assert torch.equal(kept, torch.cat([found, scores[:, None]], 1)[indices])


def test_suppression_is_within_classes():
    found, scores = boxes()
    labels = torch.arange(200) % 3
    _, indices = batched_nms(found, scores, labels, {"type": "nms", "iou_threshold": 0.5})
    assert torch.equal(indices, torchvision.ops.batched_nms(found, scores, labels, 0.5))


def test_an_offset_counts_the_last_pixel_in():
    pair, scores = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 4]]), torch.tensor([0.9, 0.8])
    # 10 by 10 against 10 by 5 pixels is exactly 0.5; without the offset 9 by 4 of 9 by 9 is 0.44
    assert len(operators.nms(pair, scores, 0.45, offset=1)) == 1
    assert len(operators.nms(pair, scores, 0.45, offset=0)) == 2


def test_the_focal_loss_is_the_one_that_is_written_in_torch():
    truth = torch.nn.functional.one_hot(LABELS, 6)[:, :5]
    ours, theirs = (LOGITS.clone().requires_grad_() for _ in range(2))
    found = sigmoid_focal_loss(ours, LABELS, 1.5, 0.3, None, "mean")
    told = py_sigmoid_focal_loss(theirs, truth, gamma=1.5, alpha=0.3, reduction="none").sum() / len(LOGITS)
    assert torch.allclose(found, told)
    found.backward()
    told.backward()
    assert torch.allclose(ours.grad, theirs.grad)


def test_the_focal_loss_of_each_logit_has_its_own_gradient():
    logits = LOGITS[:3].clone().requires_grad_()
    weights = torch.rand(3, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda given: (sigmoid_focal_loss(given, LABELS[:3], 2.0, 0.25, None, "none") * weights).sum(), logits
    )


def test_weights_for_classes_are_refused_rather_than_ignored():
    with pytest.raises(NotImplementedError, match="no weights"):
        sigmoid_focal_loss(LOGITS, LABELS, 2.0, 0.25, torch.ones(5), "none")


def test_an_operator_that_is_not_there_says_so_when_it_is_called():
    layer = DeformConv2d(3, 4, 3)
    with pytest.raises(NotImplementedError, match="operator deform_conv_forward needs its compiled form"):
        layer(torch.rand(1, 3, 8, 8), torch.zeros(1, 18, 6, 6))
