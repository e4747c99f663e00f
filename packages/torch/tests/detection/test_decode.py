import numpy as np
import pytest

from eyebright_torch.detection.decode import decoded, overlaps

BOXES = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]], dtype=np.float32)


def test_overlap_is_what_is_common_of_what_is_covered():
    assert overlaps(BOXES[0], BOXES).tolist() == pytest.approx([1, 90 / 110, 0])
    nothing = np.zeros((1, 4), dtype=np.float32)
    assert overlaps(nothing[0], nothing).tolist() == [0]


def test_the_best_come_first_and_no_more_than_allowed():
    scores = np.array([[0.2, 0.0], [0.9, 0.3], [0.5, 0.0]], dtype=np.float32)
    found = decoded(BOXES, scores, 3, None)
    assert found.scores.tolist() == pytest.approx([0.9, 0.5, 0.3])
    assert found.labels.tolist() == [0, 0, 1]
    assert found.rows.tolist() == [1, 2, 1]
    assert np.array_equal(found.boxes, BOXES[[1, 2, 1]])


def test_what_overlaps_a_better_one_of_its_class_is_dropped():
    scores = np.array([[0.8, 0.0], [0.9, 0.3], [0.5, 0.0]], dtype=np.float32)
    found = decoded(BOXES, scores, 10, 0.5)
    assert list(zip(found.rows.tolist(), found.labels.tolist(), strict=True)) == [(1, 0), (2, 0), (1, 1)]
    assert len(decoded(BOXES, scores, 10, 0.9)) == 4
    assert len(decoded(BOXES, scores, 2, 0.5)) == 2


def test_the_faintest_are_not_told():
    assert len(decoded(BOXES, np.full((3, 2), 1e-4, dtype=np.float32), 10, None)) == 0


@pytest.mark.parametrize(("crowding", "found"), [(9_000, 2), (10_000, 1)])
def test_only_the_best_of_very_many_are_compared(crowding: int, found: int):
    """A model with anchors would take minutes for each image otherwise, before it has learned anything."""
    boxes = np.concatenate([BOXES[2:], np.repeat(BOXES[:1], crowding, axis=0)])
    scores = np.full((len(boxes), 1), 0.5, dtype=np.float32)
    scores[0] = 0.01
    assert len(decoded(boxes, scores, 300, 0.5)) == found
