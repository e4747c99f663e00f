import numpy as np
import pytest
import torch

from eyebright_torch.classification.metrics import cross_entropy, report

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(200, 6)).astype(np.float32) * 3
LABELS = RNG.integers(0, 5, 200)  # the sixth class is absent from the split
CLASSES = tuple("abcdef")


def test_loss_and_accuracies_are_what_torch_says():
    found = report(LOGITS, LABELS, CLASSES)
    logits, labels = torch.from_numpy(LOGITS), torch.from_numpy(LABELS)
    best = logits.topk(5).indices == labels[:, None]
    assert found.scores.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert found.scores.top1 == pytest.approx(best[:, 0].float().mean().item())
    assert found.scores.top5 == pytest.approx(best.any(dim=1).float().mean().item())


def test_each_class_is_counted_by_hand():
    logits = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 1]]
    found = report(logits, np.array([0, 1, 1, 1, 0]), ("a", "b", "c"))
    assert found.confusion.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert found.precision.tolist() == pytest.approx([1 / 2, 2 / 3, 0])
    assert found.recall.tolist() == pytest.approx([1 / 2, 2 / 3, 0])
    assert found.f1.tolist() == pytest.approx([1 / 2, 2 / 3, 0])
    assert found.support.tolist() == [2, 3, 0]
    assert found.macro_f1 == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.scores.top5 is None


def test_huge_logits_do_not_overflow():
    assert cross_entropy(np.array([[1e30, 0.0]], dtype=np.float32), np.array([0]))[0] == 0


def test_the_json_has_a_row_for_each_class():
    found = report(LOGITS, LABELS, CLASSES).as_json()
    assert [row["class"] for row in found["per_class"]] == list(CLASSES)
    assert set(found["per_class"][0]) == {"class", "precision", "recall", "f1", "support"}
    assert np.array(found["confusion_matrix"]["counts"]).sum() == found["samples"] == 200
