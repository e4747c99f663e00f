"""Each fault of an object is found, and mended only when asked."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright_kit.data.annotations import Box, Instance
from eyebright_kit.data.boxes import Verdict, judged
from eyebright_kit.data.geometry import has_area, is_inside, is_outside, trainable
from eyebright_wire.datasets import Fix

SOUND = Instance(label=0, box=(10, 10, 50, 50))


def codes(*instances: Instance, fixes: tuple[Fix, ...] = ()) -> list[tuple[int, str]]:
    return [(verdict.place, verdict.code) for verdict in judged(instances, 640, 480, 2, fixes)[1]]


def box(left: float, top: float, wide: float, high: float, label: int = 0) -> Instance:
    return Instance(label=label, box=(left, top, wide, high))


def test_a_sound_box_gives_no_word() -> None:
    assert codes(SOUND, box(0, 0, 640, 480)) == []


@pytest.mark.parametrize(
    ("instance", "code"),
    [
        (box(10, 10, 0, 5), "box_without_area"),
        (box(10, 10, 5, -5), "box_without_area"),
        (box(640, 10, 5, 5), "box_outside"),
        (box(-9, 10, 5, 5), "box_outside"),
        (box(-3, 10, 50, 5), "box_out_of_range"),
        (box(600, 10, 41, 5), "box_out_of_range"),
        (box(10, 10, 3, 50), "tiny_objects"),
        (box(10, 10, 50, 50, label=2), "class_without_name"),
        (box(10, 10, 50, 50, label=-1), "class_without_name"),
        (box(float("nan"), 10, 50, 50), "broken_annotations"),
        (box(float("inf"), 10, 50, 50), "broken_annotations"),
        (Instance(label=0, box=(10, 10, 50, 50), keypoints=(700, 1, 2)), "keypoint_out_of_range"),
    ],
)
def test_each_fault_has_its_code(instance: Instance, code: str) -> None:
    assert codes(SOUND, instance) == [(1, code)]


def test_half_a_pixel_over_the_edge_is_no_fault() -> None:
    assert codes(box(-0.5, 0, 641, 480.5)) == []


def test_an_unknown_keypoint_may_be_anywhere() -> None:
    assert codes(Instance(label=0, box=(10, 10, 50, 50), keypoints=(700, 1, 0))) == []


def test_the_same_object_twice_is_a_duplicate_and_another_class_is_not() -> None:
    assert codes(SOUND, SOUND, box(10, 10, 50, 50, label=1)) == [(1, "duplicate_boxes")]


@pytest.mark.parametrize(
    "other",
    [
        Instance(label=0, box=SOUND.box, crowd=True),
        Instance(label=0, box=SOUND.box, attributes={"occluded": True}),
        Instance(label=0, box=SOUND.box, attributes={"occluded": 1}),
    ],
)
def test_objects_that_differ_in_anything_are_no_duplicates(other: Instance) -> None:
    occluded = Instance(label=0, box=SOUND.box, attributes={"occluded": "1"})
    assert codes(SOUND, occluded, other) == []
    assert codes(other, occluded, other) == [(2, "duplicate_boxes")]


def test_without_fixes_everything_stays() -> None:
    instances = (SOUND, SOUND, box(10, 10, 0, 5), box(-3, 10, 50, 5))
    assert judged(instances, 640, 480, 2, ())[0] == instances


@pytest.mark.parametrize(
    ("fix", "faulty"),
    [(Fix.BOX_WITHOUT_AREA, box(1, 1, 0, 5)), (Fix.BOX_OUTSIDE, box(900, 1, 5, 5)), (Fix.DUPLICATE_BOXES, SOUND)],
)
def test_a_fix_removes_what_it_is_for(fix: Fix, faulty: Instance) -> None:
    kept, verdicts = judged((SOUND, faulty), 640, 480, 2, (fix,))
    assert kept == (SOUND,)
    assert [(verdict.place, verdict.mended) for verdict in verdicts] == [(1, True)]


def test_a_fix_cuts_a_box_to_the_image() -> None:
    kept, verdicts = judged((box(-3, 470, 50, 50),), 640, 480, 2, (Fix.BOX_OUT_OF_RANGE,))
    assert kept[0].box == (0, 470, 47, 10)
    assert [(verdict.code, verdict.mended) for verdict in verdicts] == [("box_out_of_range", True)]


def test_of_a_removed_object_only_the_removal_is_told() -> None:
    tiny = box(10, 10, 1, 1)
    kept, verdicts = judged((tiny, tiny), 640, 480, 2, (Fix.DUPLICATE_BOXES,))
    assert kept == (tiny,)
    assert verdicts == [Verdict(0, "tiny_objects"), Verdict(1, "duplicate_boxes", mended=True)]


def test_a_cut_object_is_judged_as_it_is_now() -> None:
    _, verdicts = judged((box(-48, 10, 50, 50),), 640, 480, 2, (Fix.BOX_OUT_OF_RANGE,))
    assert verdicts == [Verdict(0, "box_out_of_range", mended=True), Verdict(0, "tiny_objects")]


def test_training_sees_what_lies_in_the_image() -> None:
    seen = trainable((SOUND, box(1, 1, 0, 5), box(900, 1, 5, 5), box(-3, 470, 50, 50)), 640, 480)
    assert [instance.box for instance in seen] == [(10, 10, 50, 50), (0, 470, 47, 10)]


def test_outlines_and_keypoints_are_cut_with_their_box() -> None:
    instance = Instance(
        label=0, box=(-10, 0, 20, 10), polygons=((-10, 0, 10, 0, 10, 10),), keypoints=(-5, 5, 2, 5, 5, 1)
    )
    (seen,) = trainable((instance,), 100, 100)
    assert seen.polygons == ((0, 0, 10, 0, 10, 10),)
    assert seen.keypoints == (0, 0, 0, 5, 5, 1)


def test_a_visible_keypoint_outside_counts_as_unknown_though_its_box_lies_inside() -> None:
    (seen,) = trainable((Instance(label=0, box=(10, 10, 50, 50), keypoints=(700, 1, 2, 20, 20, 2)),), 640, 480)
    assert seen.keypoints == (0, 0, 0, 20, 20, 2)


def test_what_reaches_over_the_edge_by_less_than_half_a_pixel_is_cut_too() -> None:
    instance = Instance(label=0, box=(-0.4, 0, 5, 5), polygons=((-0.4, 0, 4.6, 0, 4.6, 5),))
    (seen,) = trainable((instance,), 640, 480)
    assert seen.box == (0, 0, 4.6, 5)
    assert seen.polygons == ((0, 0, 4.6, 0, 4.6, 5),)


def test_an_outline_that_leaves_the_image_is_cut_though_its_box_lies_inside() -> None:
    instance = Instance(label=0, box=(10, 10, 50, 50), polygons=((10, 10, 700, 10, 60, 60),))
    assert trainable((instance,), 640, 480)[0].polygons == ((10, 10, 640, 10, 60, 60),)


def test_sound_objects_are_passed_on_as_they_are() -> None:
    instance = Instance(label=0, box=(1, 2, 3, 4), polygons=((1, 2, 4, 2, 4, 6),), keypoints=(900, 1, 0, 2, 3, 2))
    assert trainable((SOUND, instance), 640, 480)[1] is instance


@given(
    numbers=st.tuples(*[st.one_of(st.floats(-20, 60, width=16), st.sampled_from([math.inf, math.nan]))] * 4),
    label=st.integers(-1, 2),
)
def test_a_box_without_a_word_is_sound_in_every_respect(numbers: Box, label: int) -> None:
    instance = Instance(label=label, box=numbers)
    sound = (
        label in (0, 1)
        and all(map(math.isfinite, numbers))
        and has_area(numbers)
        and not is_outside(numbers, 40, 30)
        and is_inside(numbers, 40, 30)
        and min(numbers[2:]) >= 4 / 640 * 40
    )
    assert (judged((instance,), 40, 30, 2, ())[1] == []) == sound
