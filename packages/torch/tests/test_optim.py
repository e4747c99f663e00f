"""What an optimiser remembers, and the rate of each of its groups."""

import json

import torch
from torch import nn
from torch.optim import Optimizer

from eyebright_torch.optim import load_state, set_rate, state_numbers, state_tensors


class Counting(Optimizer):
    """Remembers plain numbers, and something for each group, as several optimisers outside torch do."""

    def __init__(self, parameters) -> None:
        super().__init__(parameters, {"lr": 1.0, "turns": 0, "pace": torch.ones(())})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            group["turns"] += 1
            group["pace"] = group["pace"] * 0.9
            for parameter in group["params"]:
                self.state[parameter]["seen"] = self.state[parameter].get("seen", 0) + 1
                parameter -= group["pace"] / (group["turns"] + self.state[parameter]["seen"])


def learned(network: nn.Module, optimizer: Optimizer, steps: int) -> torch.Tensor:
    for _ in range(steps):
        optimizer.step()
    return network.get_parameter("weight").clone()


def test_plain_numbers_and_what_groups_remember_are_put_back_too():
    torch.manual_seed(0)
    network = nn.Linear(2, 2)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    whole = learned(network, Counting(network.parameters()), 5)
    network.load_state_dict(start)
    learned(network, first := Counting(network.parameters()), 3)
    second = Counting(network.parameters())
    load_state(second, state_tensors(first), json.loads(json.dumps(state_numbers(first))))
    assert torch.equal(learned(network, second, 2), whole)


def test_a_group_may_learn_at_a_share_of_the_rate():
    optimizer = torch.optim.SGD(
        [{"params": [nn.Parameter(torch.zeros(1))]}, {"params": [nn.Parameter(torch.zeros(1))], "lr_scale": 0.5}], lr=1
    )
    set_rate(optimizer, 0.2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.1]


class _Coarse(Optimizer):
    """Remembers one byte for each weight, and keeps it so when it is given back, as optimisers of 8 bits do."""

    def __init__(self, parameters) -> None:
        super().__init__(parameters, {"lr": 0.1})

    def step(self, closure=None) -> None:
        for parameter in self.param_groups[0]["params"]:
            self.state[parameter]["bytes"] = (parameter.detach() * 10).to(torch.uint8)

    def load_state_dict(self, state_dict) -> None:
        parameters = self.param_groups[0]["params"]
        self.state.update({parameters[place]: memory for place, memory in state_dict["state"].items()})


def test_a_memory_of_bytes_is_put_back_as_bytes():
    weight = nn.Parameter(torch.arange(4.0))
    first, second = _Coarse([weight]), _Coarse([weight])
    first.step()
    load_state(second, state_tensors(first), state_numbers(first))
    assert second.state[weight]["bytes"].dtype is torch.uint8
    assert second.state[weight]["bytes"].tolist() == [0, 10, 20, 30]
