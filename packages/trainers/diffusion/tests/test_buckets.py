from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from eyebright_diffusion.buckets import WIDEST, BucketOrder, Size, closest, enlarged, fitted, kept, sizes

SIDES = st.integers(1, 20_000)
IMAGES = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=40)


def an_order(images: list[tuple[int, int]], **given: int) -> BucketOrder:
    buckets, repeats = zip(*images, strict=True)
    return BucketOrder(buckets, repeats, **{"batch": 4, "seed": 3, **given})


def test_the_buckets_of_512_pixels_are_the_known_ones():
    assert sizes(512) == (
        (320, 768),
        (384, 640),
        (448, 576),
        (512, 512),
        (576, 448),
        (640, 384),
        (768, 320),
    )


def test_a_resolution_below_the_multiple_has_the_one_square_that_the_network_can_see():
    assert sizes(32) == (Size(64, 64),)
    assert sizes(32, multiple=16) == (Size(32, 32),)


@given(st.integers(64, 2048), st.sampled_from([8, 16, 64]))
def test_no_bucket_needs_more_memory_than_the_square_and_none_is_much_smaller(resolution: int, multiple: int):
    found = sizes(resolution, multiple)
    square = resolution // multiple * multiple
    assert Size(square, square) in found
    for width, height in found:
        assert width % multiple == height % multiple == 0
        assert width * height <= square**2 < max((width + multiple) * height, width * (height + multiple))
        assert max(width, height) <= WIDEST * min(width, height)
        assert Size(height, width) in found


@given(SIDES, SIDES)
def test_no_other_bucket_keeps_more_of_an_image(width: int, height: int):
    known = sizes(512)
    chosen = known[closest(known, width, height)]
    assert kept(chosen, width, height) == max(kept(size, width, height) for size in known)
    assert 0 < kept(chosen, width, height) <= 1 + 1e-12


@given(st.integers(1, 300), st.integers(1, 300))
def test_an_image_fills_its_bucket_whatever_its_shape(width: int, height: int):
    known = sizes(64, 16)
    size = known[closest(known, width, height)]
    assert fitted(Image.new("RGB", (width, height)), size).size == size


def test_an_image_is_cropped_around_its_centre():
    image = Image.new("L", (300, 100))
    image.paste(255, (90, 0, 210, 100))  # a margin, because Lanczos rings at edges
    assert fitted(image, Size(64, 64)).getextrema() == (255, 255)
    assert kept(Size(64, 64), 300, 100) == pytest.approx(1 / 3)
    assert enlarged(Size(64, 64), 300, 100) == 0.64


@given(IMAGES, st.integers(1, 9), st.integers(1, 4), st.integers(1, 100))
def test_an_epoch_shows_every_image_as_often_as_it_is_meant_to(
    images: list[tuple[int, int]], batch: int, accumulate: int, epoch: int
):
    order = an_order(images, batch=batch, accumulate=accumulate)
    steps = order.epoch(epoch)
    assert Counter(np.concatenate(steps).tolist()) == {place: repeats for place, (_, repeats) in enumerate(images)}
    assert len(steps) == order.steps


@given(IMAGES, st.integers(1, 9))
def test_a_step_is_of_one_bucket_and_no_larger_than_the_batch(images: list[tuple[int, int]], batch: int):
    order = an_order(images, batch=batch)
    for step in order.epoch(1):
        assert len({images[place][0] for place in step}) == 1
        assert 1 <= len(step) <= batch
        assert [part.tolist() for part in order.parts(step)] == [step.tolist()]


@given(IMAGES, st.integers(1, 9), st.integers(1, 4))
def test_steps_that_accumulate_have_that_many_parts_or_nearly(
    images: list[tuple[int, int]], batch: int, accumulate: int
):
    alone, order = an_order(images, batch=batch), an_order(images, batch=batch, accumulate=accumulate)
    assert order.steps == -(-alone.steps // accumulate)
    for step in order.epoch(1):
        parts = order.parts(step)
        assert 1 <= len(parts) <= accumulate
        assert sorted(np.concatenate(parts).tolist()) == sorted(step.tolist())
        assert all(len(part) <= batch and len({images[place][0] for place in part}) == 1 for part in parts)


@given(IMAGES, st.integers(1, 9), st.integers(1, 4), st.integers(1, 4))
def test_the_ranks_shares_make_up_the_step_and_none_is_empty(
    images: list[tuple[int, int]], batch: int, accumulate: int, world: int
):
    orders = [
        an_order(images, batch=batch, accumulate=accumulate, rank=rank, world_size=world) for rank in range(world)
    ]
    shown = sum(repeats for _, repeats in images)
    for steps in zip(*(order.epoch(2) for order in orders), strict=True):
        shares = [order.share(step) for order, step in zip(orders, steps, strict=True)]
        assert sorted(np.concatenate(shares).tolist()) == sorted(steps[0].tolist())
        assert shown < world or min(len(share) for share in shares) >= 1


def test_epochs_and_seeds_differ_and_the_same_ones_agree():
    images = [(place % 3, 1) for place in range(30)]
    first, again = (an_order(images).epoch(1) for _ in range(2))
    assert [step.tolist() for step in first] == [step.tolist() for step in again]
    assert [step.tolist() for step in first] != [step.tolist() for step in an_order(images).epoch(2)]
    assert [step.tolist() for step in first] != [step.tolist() for step in an_order(images, seed=4).epoch(1)]


def test_the_buckets_take_turns_within_an_epoch():
    """A network that saw one shape for a whole epoch's third would follow that."""
    order = an_order([(place % 2, 1) for place in range(80)])
    seen = [order.buckets[step[0]] for step in order.epoch(1)]
    assert sum(one != other for one, other in pairwise(seen)) > 3
