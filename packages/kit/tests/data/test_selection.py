"""Which images a plan names."""

import pytest

from eyebright_kit.data.relabel import PlanInvalid
from eyebright_kit.data.selection import naming, require_fits
from eyebright_wire.datasets import DatasetPlan, Split, SplitPlan

NAMES = ("train/cats/0.png", "train/cats/1.png", "val/a[1].png")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("val/1.jpg", True),
        ("a/b/2.png", True),
        ("a[1].jpg", True),
        ("a1.jpg", True),
        ("Val/1.jpg", False),
        ("val/1.jpg.txt", False),
        ("b/a/2.png", False),
    ],
)
def test_a_name_stands_for_itself_and_a_pattern_for_what_fits(source: str, named: bool) -> None:
    assert naming(("val/1.jpg", "a/*.png", "a[1].jpg"))(source) is named


def test_nothing_named_is_no_image() -> None:
    assert not naming(())("a.jpg")


@pytest.mark.timeout(10)
def test_a_list_of_a_hundred_thousand_names_is_looked_up() -> None:
    """Compared one by one, such a list costs hours."""
    named = naming(tuple(f"val/{number}.jpg" for number in range(100_000)))
    assert sum(named(f"val/{number}.jpg") for number in range(0, 200_000, 2)) == 50_000


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (DatasetPlan(include=("val/*", "trian/*")), r"no image fits 'trian/\*' in include; did you mean 'train/\*'\?"),
        (
            DatasetPlan(exclude=("train/cat/0.png",)),
            r"'train/cat/0\.png' in exclude; did you mean 'train/cats/0\.png'\?",
        ),
        (
            DatasetPlan(splits=SplitPlan(lists={Split.VAL: ("val/*",), Split.TEST: ("x", "y")})),
            r"no image fits 'x' \(and 1 more\) in splits\.lists\.test; images are called like train/cats/0\.png",
        ),
        (
            DatasetPlan(exclude=("*",)),
            r"no image is left by include and exclude; images are called like train/cats/0\.png",
        ),
    ],
)
def test_a_name_that_no_image_fits_is_refused_with_the_nearest(plan: DatasetPlan, told: str) -> None:
    with pytest.raises(PlanInvalid, match=told):
        require_fits(plan, lambda: iter(NAMES))


def test_names_that_fit_are_accepted_and_none_are_asked_of_an_empty_set() -> None:
    lists = SplitPlan(lists={Split.VAL: ("val/a[1].png",), Split.TEST: ("train/cats/1.png",)})
    plan = DatasetPlan(include=("*",), exclude=("*/cats/0.png",), splits=lists)
    require_fits(plan, lambda: iter(NAMES))
    require_fits(plan, lambda: iter(()))


def test_an_image_that_is_listed_for_two_splits_is_refused_unless_it_is_excluded() -> None:
    lists = SplitPlan(lists={Split.TEST: ("train/cats/*",), Split.VAL: ("train/cats/1.png",)})
    with pytest.raises(PlanInvalid, match=r"train/cats/1\.png is listed for test and val in splits\.lists"):
        require_fits(DatasetPlan(splits=lists), lambda: iter(NAMES))
    require_fits(DatasetPlan(splits=lists, exclude=("*/1.png",)), lambda: iter(NAMES))


@pytest.mark.timeout(10)
def test_a_hundred_thousand_names_are_looked_for_at_once() -> None:
    """Names with brackets could be patterns too."""
    names = tuple(f"val/a[{number}].jpg" for number in range(100_000))
    require_fits(DatasetPlan(splits=SplitPlan(lists={Split.TEST: names})), lambda: iter(names))
