"""The split that we make is stratified, repeatable, decided by content, and never leaks."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from eyebright_kit.data.holdout import HoldoutRule, with_validation
from eyebright_kit.data.images import Usable
from eyebright_kit.data.survey import Good
from eyebright_wire.datasets import Split


def image(content: int, label: int, split: Split | None = None, name: str = "") -> Good:
    sha256 = hashlib.sha256(str(content).encode()).hexdigest()
    return Good(Path(f"{content}.png"), name or f"{label}/{content}", split, label, Usable(sha256, "png", 1, 1, 1))


def splits_by_content(images: tuple[Good, ...]) -> dict[str, set[Split | None]]:
    found: dict[str, set[Split | None]] = defaultdict(set)
    for each in images:
        found[each.sha256].add(each.split)
    return found


def test_each_class_gives_its_share() -> None:
    images = [image(n, 0) for n in range(100)] + [image(1000 + n, 1) for n in range(10)]
    held = Counter(each.label for each in with_validation(images) if each.split == Split.VAL)
    assert held == {0: 20, 1: 2}


def test_the_same_images_are_drawn_whatever_their_order_and_names() -> None:
    images = [image(n, n % 3) for n in range(60)]
    renamed = [replace(each, source=f"other/{n}", path=Path(str(n))) for n, each in enumerate(reversed(images))]
    assert splits_by_content(with_validation(images)) == splits_by_content(with_validation(renamed))


def test_another_seed_draws_others() -> None:
    images = [image(n, 0) for n in range(60)]
    assert with_validation(images) != with_validation(images, HoldoutRule(seed=1))


def test_a_class_of_two_gives_one_and_a_class_of_one_none() -> None:
    split = with_validation([image(1, 0), image(2, 0), image(3, 1)])
    assert Counter((each.label, each.split) for each in split) == {
        (0, Split.TRAIN): 1,
        (0, Split.VAL): 1,
        (1, Split.TRAIN): 1,
    }


def test_equal_images_stay_together() -> None:
    images = [image(n // 3, 0, name=f"{n}") for n in range(60)]
    assert all(len(splits) == 1 for splits in splits_by_content(with_validation(images)).values())


def test_a_class_of_one_image_many_times_over_keeps_it() -> None:
    assert {each.split for each in with_validation([image(7, 0, name=str(n)) for n in range(9)])} == {Split.TRAIN}


def test_given_splits_are_left_alone() -> None:
    images = tuple(image(n, 0, [Split.TRAIN, Split.VAL, Split.TEST][n % 3]) for n in range(9))
    assert with_validation(images) == images


def test_only_train_is_drawn_from() -> None:
    train = tuple(image(n, 0, Split.TRAIN) for n in range(10))
    test = tuple(image(100 + n, 0, Split.TEST) for n in range(90))
    assert with_validation(train + test) == with_validation(train) + test


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=60), st.floats(0, 1), st.integers(0, 5))
def test_no_content_is_ever_in_two_splits_and_no_class_loses_its_last(
    drawn: list[tuple[int, int]], share: float, seed: int
) -> None:
    images = [image(content, label) for content, label in drawn]
    split = with_validation(images, HoldoutRule(share, seed))
    assert [each.source for each in split] == [each.source for each in images]
    assert all(len(splits) == 1 for splits in splits_by_content(split).values())
    assert {each.label for each in split if each.split == Split.TRAIN} == {label for _, label in drawn}
