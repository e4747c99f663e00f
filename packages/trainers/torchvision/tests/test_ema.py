import torch
from torch import nn

from eyebright_torchvision.ema import Ema


def test_the_average_follows_weights_and_statistics_and_copies_counters():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = Ema(model, decay=0.999)
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
    ema = Ema(nn.Linear(1, 1), decay=0.99)
    assert ema.decay(0) == 0.1
    assert ema.decay(90) == 0.91
    assert ema.decay(10_000) == 0.99
