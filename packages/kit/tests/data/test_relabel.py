"""Classes get new numbers once, however many there are."""

import pytest

from eyebright_kit.data.annotations import Skeleton
from eyebright_kit.data.relabel import relabelling
from eyebright_wire.datasets import DatasetPlan


def test_new_numbers_follow_the_old_order_and_a_merged_class_stands_where_its_first_part_stood() -> None:
    made = relabelling(("a", "b", "c", "d"), DatasetPlan(rename={"d": "b", "c": "x"}, drop=("a",)))
    assert made.classes == ("b", "x")
    assert made.labels == {1: 0, 2: 1, 3: 0}
    assert not made.identical


def test_nothing_asked_changes_nothing() -> None:
    made = relabelling(("a", "b"), DatasetPlan())
    assert made.identical
    assert made.labels == {0: 0, 1: 1}


@pytest.mark.timeout(10)
def test_a_hundred_thousand_classes_are_numbered_at_once() -> None:
    """As many as a list may name; looked for one in the other it took minutes."""
    classes = tuple(f"class {number}" for number in range(100_000))
    assert relabelling(classes, DatasetPlan(drop=classes[:50_000])).classes == classes[50_000:]


@pytest.mark.timeout(10)
def test_whether_anything_is_renumbered_is_known_for_every_image() -> None:
    made = relabelling(tuple(map(str, range(100_000))), DatasetPlan())
    assert all(made.identical for _ in range(100_000))


def test_a_merged_class_has_the_keypoints_of_its_first_part() -> None:
    skeletons = {0: Skeleton(keypoints=("nose",)), 1: Skeleton(keypoints=("tail",)), 2: Skeleton(keypoints=("paw",))}
    made = relabelling(("a", "b", "c"), DatasetPlan(rename={"b": "a"}))
    assert made.skeletons(skeletons) == {0: skeletons[0], 1: skeletons[2]}
