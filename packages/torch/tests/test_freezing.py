import pytest
import tiny
import torch

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.freezing import freeze, train_mode


def test_a_frozen_backbone_leaves_the_head_to_learn():
    model = tiny.Small(7)
    freeze(tiny.stages("small", model), "small", "backbone")
    learning = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {"head.weight", "head.bias"}


def test_frozen_stages_keep_their_normalisation_statistics():
    model = tiny.Small(7)
    frozen = freeze(tiny.stages("small", model), "small", 1)
    train_mode(model, frozen)
    before = {key: value.clone() for key, value in model.state_dict().items() if "running_mean" in key}
    model(torch.rand(4, 3, 32, 32))
    moved = {key for key, value in before.items() if not torch.equal(value, model.state_dict()[key])}
    assert moved == {"second.1.running_mean"}


def test_more_stages_than_there_are_cannot_be_frozen():
    with pytest.raises(ConfigInvalid, match="freeze=6: small has 2 stages; give 0 to 2, or 'backbone'"):
        freeze(tiny.stages("small", tiny.Small(7)), "small", 6)
