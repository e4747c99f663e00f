"""The split that we make is stratified, repeatable, decided by content, and never leaks."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyebright_kit.data.splitting import HoldoutRule, with_splits, with_validation
from eyebright_kit.data.survey import Picture
from eyebright_wire.datasets import Split, SplitPlan


def image(content: int, label: int, split: Split | None = None, name: str = "") -> Picture:
    sha256 = hashlib.sha256(str(content).encode()).hexdigest()
    return Picture(f"{content}.png", name or f"{label}/{content}", split, (label,), sha256, b"", 0)


def splits_by_content(images: tuple[Picture, ...]) -> dict[str, set[Split | None]]:
    found: dict[str, set[Split | None]] = defaultdict(set)
    for each in images:
        found[each.sha256].add(each.split)
    return found


def test_each_class_gives_its_share() -> None:
    images = [image(n, 0) for n in range(100)] + [image(1000 + n, 1) for n in range(10)]
    held = Counter(each.labels[0] for each in with_validation(images) if each.split == Split.VAL)
    assert held == {0: 20, 1: 2}


def test_the_same_images_are_drawn_whatever_their_order_and_names() -> None:
    images = [image(n, n % 3) for n in range(60)]
    renamed = [replace(each, source=f"other/{n}", path=str(n)) for n, each in enumerate(reversed(images))]
    assert splits_by_content(with_validation(images)) == splits_by_content(with_validation(renamed))


def test_another_seed_draws_others() -> None:
    images = [image(n, 0) for n in range(60)]
    assert with_validation(images) != with_validation(images, HoldoutRule(seed=1))


def test_a_class_of_two_gives_one_and_a_class_of_one_none() -> None:
    split = with_validation([image(1, 0), image(2, 0), image(3, 1)])
    assert Counter((each.labels[0], each.split) for each in split) == {
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
    assert {each.labels[0] for each in split if each.split == Split.TRAIN} == {label for _, label in drawn}


def test_images_that_look_alike_stay_together() -> None:
    images = [image(n, 0) for n in range(60)]
    groups = {each.sha256: images[n // 5 * 5].sha256 for n, each in enumerate(images)}
    found = with_validation(images, groups=groups)
    assert any(each.split == Split.VAL for each in found)
    for start in range(0, 60, 5):
        assert len({each.split for each in found[start : start + 5]}) == 1


@pytest.mark.parametrize("sizes", [(60,), (50, 5, 5), (30, 30), (58, 1, 1), (20, 20, 20)])
def test_however_much_looks_alike_about_a_fifth_is_held_back(sizes: tuple[int, ...]) -> None:
    """One film of a class, or a long one beside stills: never none, and never the whole film."""
    images = [image(n, 0) for n in range(60)]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    groups = {each.sha256: images[max(start for start in starts if start <= n)].sha256 for n, each in enumerate(images)}
    held = sum(each.split == Split.VAL for each in with_validation(images, groups=groups))
    assert 1 <= held <= 24


def in_groups(images: list[Picture], sizes: Iterable[int]) -> dict[str, str]:
    """The images in groups of these sizes, one after the other, as likeness gives them."""
    names = iter(images)
    found = [[each.sha256 for each in islice(names, size)] for size in sizes]
    return {sha256: min(group) for group in found for sha256 in group}


def torn(images: Iterable[Picture], groups: dict[str, str]) -> set[str]:
    splits: dict[str, set[Split | None]] = defaultdict(set)
    for each in images:
        splits[groups.get(each.sha256, each.sha256)].add(each.split)
    return {group for group, found in splits.items() if len(found) > 1}


@pytest.mark.parametrize("labels", [(0, 1), (0, 1, 1), (0, 1, 2, 3)])
def test_images_of_several_classes_that_look_alike_are_drawn_as_one(labels: tuple[int, ...]) -> None:
    images = [image(n, labels[n % len(labels)]) for n in range(60 * len(labels))]
    groups = in_groups(images, [len(labels)] * 60)
    images += [image(1000 + n, 0) for n in range(40)]
    held = with_validation(images, groups=groups)
    assert not torn(held, groups)
    assert sum(each.split == Split.VAL for each in held) == len(images) / 5
    shares = {Split.TRAIN: 0.7, Split.VAL: 0.2, Split.TEST: 0.1}
    found = with_splits(images, SplitPlan(shares=shares), HoldoutRule(), groups)
    assert not torn(found, groups)
    assert Counter(each.split for each in found) == {
        split: round(share * len(images)) for split, share in shares.items()
    }


def test_a_group_counts_for_the_class_that_most_of_it_shows() -> None:
    """Ten groups of each class, each with one stray of the other."""
    images = [image(n, (n // 5) % 2 if n % 5 else 1 - (n // 5) % 2) for n in range(100)]
    groups = in_groups(images, [5] * 20)
    found = with_validation(images, groups=groups)
    assert not torn(found, groups)
    assert Counter(each.labels[0] for each in found if each.split == Split.VAL) == {0: 10, 1: 10}


def test_a_class_that_lies_in_one_mixed_group_is_not_held_back_with_it() -> None:
    images = [image(n, 0) for n in range(30)] + [image(100 + n, 1) for n in range(2)]
    groups = in_groups(images[27:], [5])
    for seed in range(20):
        held = with_validation(images, HoldoutRule(seed=seed), groups)
        assert {each.labels[0] for each in held if each.split == Split.TRAIN} == {0, 1}
        assert not torn(held, groups)


def test_of_long_films_only_one_is_torn() -> None:
    images = [image(n, 0) for n in range(90)]
    groups = in_groups(images, [45, 45])
    assert len(torn(with_validation(images, groups=groups), groups)) == 1


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=80),
    st.lists(st.integers(1, 9), max_size=20),
    st.sampled_from([{Split.TRAIN: 0.7, Split.VAL: 0.3}, {Split.TRAIN: 0.1, Split.VAL: 0.2, Split.TEST: 0.7}]),
)
def test_whatever_looks_alike_all_are_given_and_the_largest_share_has_every_class(
    labels: list[int], sizes: list[int], shares: dict[Split, float]
) -> None:
    images = [image(n, label) for n, label in enumerate(labels)]
    found = with_splits(images, SplitPlan(shares=shares), HoldoutRule(), in_groups(images, sizes))
    assert [each.source for each in found] == [each.source for each in images]
    largest = max(shares, key=lambda split: shares[split])
    assert {each.labels for each in found if each.split == largest} == {each.labels for each in images}
    assert found == tuple(
        reversed(with_splits(images[::-1], SplitPlan(shares=shares), HoldoutRule(), in_groups(images, sizes)))
    )


def test_an_image_counts_for_the_rarest_class_that_it_shows() -> None:
    images = [replace(image(n, 0), labels=(0, 1) if n < 10 else (0,)) for n in range(100)]
    held = [each for each in with_validation(images) if each.split == Split.VAL]
    assert Counter(each.labels for each in held) == {(0, 1): 2, (0,): 18}


def test_captions_alone_hold_nothing_back() -> None:
    images = [replace(image(n, 0), labels=()) for n in range(10)]
    assert {each.split for each in with_validation(images)} == {Split.TRAIN}


def test_shares_are_kept_within_each_class_whatever_the_source_says() -> None:
    images = [image(n, n % 2, Split.TEST) for n in range(200)]
    plan = SplitPlan(shares={Split.TRAIN: 0.7, Split.VAL: 0.2, Split.TEST: 0.1})
    found = with_splits(images, plan, HoldoutRule(), {})
    assert Counter((each.labels[0], each.split) for each in found) == {
        (label, split): count
        for label in (0, 1)
        for split, count in ((Split.TRAIN, 70), (Split.VAL, 20), (Split.TEST, 10))
    }


def test_shares_of_images_in_two_classes_do_not_depend_on_the_order_of_reading() -> None:
    images = [image(n, label) for n in range(40) for label in ((0, 1) if n % 2 else (n // 2 % 2,))]
    plan = SplitPlan(shares={Split.TRAIN: 0.6, Split.VAL: 0.4})
    found = splits_by_content(with_splits(images, plan, HoldoutRule(), {}))
    assert found == splits_by_content(with_splits(images[::-1], plan, HoldoutRule(), {}))


def test_equal_shares_give_halves() -> None:
    images = [image(n, 0) for n in range(20)]
    found = with_splits(images, SplitPlan(shares={Split.TRAIN: 0.5, Split.VAL: 0.5}), HoldoutRule(), {})
    assert Counter(each.split for each in found) == {Split.TRAIN: 10, Split.VAL: 10}


@pytest.mark.parametrize("order", [(Split.TRAIN, Split.VAL), (Split.VAL, Split.TRAIN)])
def test_of_equal_shares_train_keeps_the_only_image_of_a_class(order: tuple[Split, ...]) -> None:
    plan = SplitPlan(shares=dict.fromkeys(order, 0.5))
    assert [each.split for each in with_splits([image(1, 0)], plan, HoldoutRule(), {})] == [Split.TRAIN]


def test_lists_move_what_they_name_and_leave_the_rest() -> None:
    images = [image(n, 0, Split.TRAIN, name=f"a/{n}.png") for n in range(20)]
    plan = SplitPlan(lists={Split.TEST: ("a/3.png",), Split.VAL: ("a/1*.png",)})
    found = {each.source: each.split for each in with_splits(images, plan, HoldoutRule(), {})}
    assert found["a/3.png"] == Split.TEST
    assert {source for source, split in found.items() if split == Split.VAL} == {
        "a/1.png",
        *(f"a/1{n}.png" for n in range(10)),
    }
    assert found["a/2.png"] == Split.TRAIN


@given(st.integers(0, 50), st.integers(0, 20), st.integers(0, 20))
def test_every_share_gets_some_and_all_are_given(total: int, val: int, test: int) -> None:
    shares = {Split.TRAIN: (100 - val - test) / 100, Split.VAL: val / 100, Split.TEST: test / 100}
    images = [image(n, 0) for n in range(total)]
    found = Counter(each.split for each in with_splits(images, SplitPlan(shares=shares), HoldoutRule(), {}))
    assert found.total() == total
    if total >= 3:
        assert set(found) == {split for split, share in shares.items() if share}
