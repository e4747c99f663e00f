import math

import numpy as np
import pytest
import torch

from eyebright_kit.data.annotations import IGNORED
from eyebright_torch.segmentation.evaluate import confusion, summed_loss
from eyebright_torch.segmentation.metrics import Report

#: By hand: of 10 pixels of a, 8 are found and 2 taken for b; of 5 of b, 4 are found and 1 taken for a; c is nowhere.
COUNTED = Report(("a", "b", "c"), np.array([[8, 2, 0], [1, 4, 0], [0, 0, 0]]), 0.5)


def test_iou_is_what_is_met_of_all_that_is_of_a_class_or_was_taken_for_it():
    assert COUNTED.iou[:2].tolist() == [8 / 11, 4 / 7]
    assert COUNTED.recall[:2].tolist() == [8 / 10, 4 / 5]
    assert COUNTED.pixel_accuracy == 12 / 15


def test_a_class_that_is_nowhere_does_not_count():
    assert math.isnan(COUNTED.iou[2])
    assert COUNTED.miou == pytest.approx((8 / 11 + 4 / 7) / 2)
    assert COUNTED.as_json()["per_class"][2] == {"class": "c", "iou": None, "accuracy": None, "pixels": 0}


def test_a_class_that_is_only_ever_answered_counts_as_missed():
    report = Report(("a", "b"), np.array([[3, 1], [0, 0]]), 0.0)
    assert report.miou == pytest.approx((3 / 4 + 0) / 2)
    assert report.as_metrics()["mean_accuracy"] == 3 / 4


def test_of_nothing_known_the_verdict_is_zero_not_nan():
    report = Report(("a", "b"), np.zeros((2, 2), dtype=np.int64), 0.0)
    assert (report.miou, report.pixel_accuracy, report.as_metrics()["mean_accuracy"]) == (0, 0, 0)


def test_pixels_that_nobody_knows_are_counted_and_learned_from_nowhere():
    logits = torch.tensor([[5.0, 0.0], [0.0, 5.0]]).T.reshape(1, 2, 1, 2)  # says class 0, then class 1
    known, unknown = torch.tensor([[[0, 0]]]), torch.tensor([[[0, IGNORED]]])
    assert confusion(logits, known).tolist() == [1, 1, 0, 0]
    assert confusion(logits, unknown).tolist() == [1, 0, 0, 0]
    assert summed_loss(logits, unknown) < 0.01 < summed_loss(logits, known)
