"""Classes get new numbers once, however many there are."""

import pytest

from eyebright_kit.data.annotations import Skeleton
from eyebright_kit.data.relabel import PlanInvalid, relabelling
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


NOSE, TAIL = Skeleton(keypoints=("nose",), edges=((0, 0),)), Skeleton(keypoints=("tail",))


def test_a_merged_class_keeps_its_keypoints_under_its_new_number() -> None:
    skeletons = {0: NOSE, 1: Skeleton(keypoints=("nose",)), 2: TAIL}
    made = relabelling(("a", "b", "c"), DatasetPlan(rename={"b": "a"}), skeletons)
    assert made.skeletons(skeletons) == {0: NOSE, 1: TAIL}


def test_classes_with_other_keypoints_do_not_become_one() -> None:
    plan = DatasetPlan(rename={"b": "x", "c": "x"})
    with pytest.raises(
        PlanInvalid, match="'b' and 'c' cannot become one class: their keypoints are nose and tail; drop"
    ):
        relabelling(("a", "b", "c"), plan, {1: NOSE, 2: TAIL})
    assert relabelling(("a", "b", "c"), plan, {2: TAIL}).classes == ("a", "x")
