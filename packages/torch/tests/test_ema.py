from collections.abc import Sequence

import pytest
import torch
from torch import nn

from eyebright_torch.ema import Ema


def test_the_average_follows_weights_and_statistics_and_copies_counters():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = Ema(model, decay=0.999, steps_per_epoch=1)
    before = ema.model[0].weight.clone()
    with torch.no_grad():
        model[0].weight += 1
        model[1].running_mean += 1
        model[1].num_batches_tracked += 3
    ema.update(step=0)
    assert torch.allclose(ema.model[0].weight, before + 0.9)
    assert torch.allclose(ema.model[1].running_mean, torch.full((2,), 0.9))
    assert ema.model[1].num_batches_tracked == 3


def test_it_reaches_far_back_only_once_there_is_something_to_reach_for():
    ema = Ema(nn.Linear(1, 1), decay=0.99, steps_per_epoch=1)
    assert ema.decay(0) == 0.1
    assert ema.decay(90) == 0.91
    assert ema.decay(10_000) == 0.99


@pytest.mark.parametrize(("steps_per_epoch", "updated"), [(1, range(12)), (3, (2, 5, 8, 11)), (45, (3, 7, 11))])
def test_it_averages_now_and_then_but_at_least_once_in_an_epoch(steps_per_epoch: int, updated: Sequence[int]):
    model = nn.Linear(1, 1)
    ema = Ema(model, decay=0.9, steps_per_epoch=steps_per_epoch)
    found = []
    for step in range(12):
        before = ema.model.weight.clone()
        with torch.no_grad():
            model.weight += 1
        ema.update(step)
        if not torch.equal(ema.model.weight, before):
            found.append(step)
    assert found == list(updated)


def test_the_decay_of_a_step_holds_however_often_it_averages():
    often, seldom = (Ema(nn.Linear(1, 1), decay=0.99, steps_per_epoch=steps) for steps in (1, 4))
    assert seldom.decay(10_000) == pytest.approx(often.decay(10_000) ** 4)
