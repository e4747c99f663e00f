import math

import pytest
import torch
from torch import nn

from eyebright_kit.errors import NanLoss
from eyebright_torch.detection.data import Batch
from eyebright_torch.detection.evaluate import Reading, Seen, seen
from eyebright_torch.hardware import Hardware
from eyebright_torch.preprocess import Preprocessing

SIDE = 32
HARDWARE = Hardware(torch.device("cpu"), None, 1)


class Answering(nn.Module):
    """The same of every image: a box with this score."""

    def __init__(self, score: float) -> None:
        super().__init__()
        self.score = score

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        boxes = torch.tensor([0.25, 0.0, 0.5, 1.0]).expand(len(images), 1, 4)
        return boxes, torch.full((len(images), 1, 2), self.score)


def found(score: float) -> list[Seen]:
    batch = Batch(torch.zeros(3, SIDE, SIDE, 3, dtype=torch.uint8), ())
    rule, reading = Preprocessing(SIDE, "stretch"), Reading(SIDE, 100, None)
    return seen(Answering(score), [batch], rule, HARDWARE, reading, lambda: None)


def test_what_is_found_is_told_in_pixels_of_the_square():
    images = found(0.75)
    assert [len(one.finds) for one in images] == [2, 2, 2]
    assert images[0].finds.boxes[0].tolist() == [8, 0, 16, 32]


def test_an_answer_that_is_no_number_is_not_taken_for_nothing_found():
    assert [len(one.finds) for one in found(0.0)] == [0, 0, 0]
    with pytest.raises(NanLoss, match="answers nan"):
        found(math.nan)
