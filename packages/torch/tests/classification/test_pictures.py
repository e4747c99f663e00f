from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eyebright_torch.classification import mistakes, pictures
from eyebright_torch.classification.metrics import report
from eyebright_torch.state import EpochRecord


def judged(count: int):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, count, 300)
    logits = rng.normal(size=(300, count)).astype(np.float32)
    logits[np.arange(300), labels] += 2
    return logits, labels, tuple(f"class {number} of a long name $x_1$ <b>" for number in range(count))


@pytest.mark.parametrize("count", [2, 10, 60, 250])
def test_a_confusion_matrix_grows_with_its_classes(tmp_path: Path, count: int):
    pictures.confusion_matrix(tmp_path / "a.png", report(*judged(count)))
    with Image.open(tmp_path / "a.png") as image:
        assert image.width >= min(4000, 300 + 40 * count)


def test_curves_are_drawn_even_after_one_epoch(tmp_path: Path):
    pictures.curves(
        tmp_path / "a.png", [EpochRecord(1, {"loss": 2.0, "train_top1": 0.5, "val_loss": 1.9, "top1": 0.55, "lr": 0.1})]
    )
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 1000


def test_the_worst_mistakes_come_first(tmp_path: Path):
    logits, labels, classes = judged(4)
    worst = mistakes.worst(logits, labels, classes, [str(i) for i in range(300)], limit=8)
    assert len(worst) == 8
    assert [m.score for m in worst] == sorted((m.score for m in worst), reverse=True)
    assert all(classes[labels[m.index]] == m.true != m.predicted and m.source == str(m.index) for m in worst)
    squares = np.zeros((8, 16, 16, 3), dtype=np.uint8)
    pictures.mistakes(tmp_path / "a.png", worst, squares, 300)
    with Image.open(tmp_path / "a.png") as image:
        assert image.height > 400
        black = (np.asarray(image.convert("L")) < 10).mean()
    assert black > 0.1, "the images themselves, which are black, cannot be seen"


def test_a_model_without_a_mistake_gets_a_sheet_that_says_so(tmp_path: Path):
    pictures.mistakes(tmp_path / "a.png", [], np.zeros((0, 16, 16, 3), dtype=np.uint8), 300)
    assert (tmp_path / "a.png").stat().st_size > 500
