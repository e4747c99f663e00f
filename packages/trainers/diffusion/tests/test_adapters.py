"""The part that learns, as a module."""

import copy

import pytest
import torch

from eyebright_diffusion.adapters import Adapters, adapted
from eyebright_diffusion.built import TINY, base_of
from eyebright_diffusion.config import LoraConfig
from eyebright_torch.weights import distinct, load

CONFIG = LoraConfig(rank=2)


@pytest.fixture
def model() -> Adapters:
    return adapted(CONFIG, base_of(TINY, "tiny"), TINY.unet(), None)


def answer(model: Adapters) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    noisy, texts = torch.randn(1, 4, 8, 8, generator=rng), torch.randn(1, 5, 32, generator=rng)
    return model(noisy, torch.tensor([7]), texts)


def moved(model: Adapters, by: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += by


def test_fresh_adapters_change_nothing(model: Adapters):
    with model.worn():
        theirs = answer(model)
    rng = torch.Generator().manual_seed(0)
    noisy, texts = torch.randn(1, 4, 8, 8, generator=rng), torch.randn(1, 5, 32, generator=rng)
    with torch.no_grad():
        assert torch.equal(theirs, TINY.unet()(noisy, torch.tensor([7]), encoder_hidden_states=texts).sample)


def test_nothing_else_learns(model: Adapters):
    answer(model).sum().backward()
    learning = {name for name, parameter in model.networks["unet"].named_parameters() if parameter.grad is not None}
    assert len(learning) == len(list(model.parameters())) > 10
    assert all("lora_" in name for name in learning)


def test_a_copy_has_weights_of_its_own_and_shares_the_networks(model: Adapters):
    other = copy.deepcopy(model)
    assert other.networks["unet"] is model.networks["unet"]
    moved(other, 0.1)
    with model.worn():
        mine = answer(model)
    with other.worn():
        theirs = answer(other)
    with model.worn():
        assert torch.equal(answer(model), mine)
    assert not torch.equal(mine, theirs)


def test_learning_goes_on_where_it_was_after_another_was_worn(model: Adapters):
    other = copy.deepcopy(model)
    moved(other, 0.1)
    model.train()
    with other.worn():
        assert not model.networks["unet"].training
    assert model.networks["unet"].training
    answer(model).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_weights_stay_their_own_while_others_are_worn(model: Adapters):
    """A run that is stopped while its average is judged writes down what it learned, not the average."""
    before, other = {name: tensor.clone() for name, tensor in distinct(model).items()}, copy.deepcopy(model)
    moved(other, 0.1)
    with other.worn():
        assert all(torch.equal(tensor, before[name]) for name, tensor in distinct(model).items())


def test_its_state_is_put_back(model: Adapters):
    before = {name: tensor.clone() for name, tensor in distinct(model).items()}
    moved(model, 0.1)
    load(model, before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in distinct(model).items())


def test_the_same_seed_begins_with_the_same_adapters():
    first, second = (adapted(CONFIG, base_of(TINY, "tiny"), TINY.unet(), None) for _ in range(2))
    assert all(torch.equal(tensor, second.weights[name]) for name, tensor in first.weights.items())
