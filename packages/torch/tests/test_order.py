import numpy as np
import pytest

from eyebright_torch.order import Order


@pytest.mark.parametrize(("count", "batch"), [(2, 2), (3, 2), (24, 6), (25, 6), (1437, 32), (100, 99)])
def test_each_epoch_sees_each_image_once_in_steps_of_nearly_equal_size(count: int, batch: int):
    order = Order(count, batch, seed=3)
    steps = order.epoch(1)
    sizes = [len(step) for step in steps]
    assert sorted(np.concatenate(steps).tolist()) == list(range(count))
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 2
    assert len(steps) == order.steps


def test_epochs_and_seeds_differ_and_the_same_ones_agree():
    first, again, other = Order(50, 8, 3).epoch(1), Order(50, 8, 3).epoch(1), Order(50, 8, 4).epoch(1)
    assert np.concatenate(first).tolist() == np.concatenate(again).tolist()
    assert np.concatenate(first).tolist() != np.concatenate(other).tolist()
    assert np.concatenate(first).tolist() != np.concatenate(Order(50, 8, 3).epoch(2)).tolist()


def test_the_ranks_shares_make_up_the_step():
    orders = [Order(50, 12, 3, rank, 3) for rank in range(3)]
    for steps in zip(*(order.epoch(2) for order in orders), strict=True):
        shares = [order.share(step) for order, step in zip(orders, steps, strict=True)]
        assert sorted(np.concatenate(shares).tolist()) == sorted(steps[0].tolist())
        assert min(len(share) for share in shares) >= 2
